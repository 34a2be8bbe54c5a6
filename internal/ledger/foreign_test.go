package ledger_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// A name that the ledger does not know was used by somebody else: it is not
// given, and contents that may have gone under it are not sent without a word of
// a person. The forms of the drafts were made on 2 March 2026 about 8 in Brussels.
func TestForeignNames(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 3, 2, hour, minute, 0, 0, naming.Brussels()) }
	for _, c := range []struct {
		name    string
		answer  ledger.Answer
		draft   func(*inbox.Draft)
		stopped bool
		next    naming.Sequence // that an allowed draft gets
	}{
		{"older than the answer", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(9, 0)}, nil, true, ""},
		{"older than a notification", ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeRefused, MadeAt: at(9, 0)}, nil, true, ""},
		{"within the tolerance", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(7, 10)}, nil, true, ""},
		{"made after it", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(6, 0)}, nil, false, "00002"},
		{"nobody knows when the answer was made", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted}, nil, true, ""},
		{"nobody knows when the form was made", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(6, 0)},
			func(d *inbox.Draft) { d.Parts[0].Forms[0].Hour = "" }, true, ""},
		{"what went under it was refused", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeRefused, Anomalies: []ledger.Anomaly{{ErrorID: "ACRF-102"}}, MadeAt: at(9, 0)}, nil, false, "00002"},
		{"refused, since the name was used before", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeRefused, Anomalies: []ledger.Anomaly{{ErrorID: "ACRF-133"}}, MadeAt: at(9, 0)}, nil, true, ""},
		{"a person insists", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(9, 0)},
			func(d *inbox.Draft) { d.Again, d.Reason = true, "not on the portal" }, false, "00002"},
		{"another application", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(9, 0)},
			func(d *inbox.Draft) { d.Application = "DMFA" }, false, "00001"},
		{"another environment", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(9, 0)},
			func(d *inbox.Draft) { d.Environment = naming.Production }, false, "00001"},
		{"another sender", ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, MadeAt: at(9, 0)},
			func(d *inbox.Draft) { d.Sender = "222222" }, false, "00001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := testkit.Ledger(t, "")
			d := testkit.Draft([]string{"a"})
			name := naming.Set{Application: d.Application, Sender: d.Sender, Date: d.Date, Sequence: "00001", Environment: d.Environment, Parts: 1}
			c.answer.FileName = name.GO().String()
			if got := answer(t, l, d.Environment, c.answer)[0]; got.SubmissionID != 0 || got.Elsewhere != name.Key() {
				t.Fatalf("got %+v", got)
			}
			if c.draft != nil {
				c.draft(&d)
			}
			r := l.Reserve(t.Context(), []inbox.Draft{d})[0]
			var maybe *inbox.MaybeSentError
			if got := errors.As(r.Err, &maybe); got != c.stopped || !got && r.Err != nil {
				t.Fatalf("got %v", r.Err)
			}
			if c.stopped {
				if maybe.Use.Name != name.Key() || maybe.Use.Reply == "" || maybe.Count != 1 {
					t.Errorf("got %+v", maybe)
				}
				return
			}
			if got := r.Submission.Set.Sequence; got != c.next {
				t.Errorf("got number %s, want %s", got, c.next)
			}
		})
	}
}

// The name of somebody else is not taken by a file that bears it, either.
func TestForeignNameAsked(t *testing.T) {
	l := testkit.Ledger(t, "")
	d := testkit.Draft([]string{"a"})
	d.Sequence, d.Again, d.Reason = "00007", true, "a test"
	name := naming.Set{Application: d.Application, Sender: d.Sender, Date: d.Date, Sequence: "00007", Environment: d.Environment, Parts: 1}
	answer(t, l, d.Environment, ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, FileName: name.GO().String()})
	var used *inbox.NameUsedError
	if r := l.Reserve(t.Context(), []inbox.Draft{d})[0]; !errors.As(r.Err, &used) {
		t.Errorf("got %v", r.Err)
	}
	if got, err := l.ForeignNames(t.Context(), d.Sender, d.Environment); err != nil || len(got) != 1 || got[0].Name != name.Key() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A ledger of the version before knows neither the names of others nor the state:
// both are found in the answers that it has.
func TestLedgerWithoutForeignNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := ledger.OpenAt(t, path, 7)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	const at = "2026-03-02T09:30:00.000Z"
	states := map[int]string{1: "refused", 2: "refused", 3: "accepted", 4: "sent"}
	for id := 1; id <= 4; id++ {
		exec(`INSERT INTO submission (set_key, application, sender, date, sequence, environment, parts, state, spool, created_at, updated_at)
			VALUES ($1, 'DIMN', $2, '20260302', $3, 'T', 1, $4, 's', $5, $5)`,
			fmt.Sprintf("DIMN.%s.20260302.%05d.T", testkit.Sender, id), testkit.Sender, fmt.Sprintf("%05d", id), states[id], at)
		h := inbox.Hash{byte(id)}.String()
		exec(`INSERT INTO part (submission_id, number, source, root, size, sha256, fs_size, fs_sha256, crlf_sha256, source_sha256) VALUES ($1, 1, 'a', 'Dimona', 1, $2, 0, '', $2, $2)`, id, h)
		exec(`INSERT INTO event (submission_id, at, state, note) VALUES ($1, $2, 'unknown', '')`, id, at)
	}
	// The GO of the last one was asked for twice.
	exec(`INSERT INTO event (submission_id, at, state, note) VALUES (4, $1, 'uploaded', ''), (4, $1, 'unknown', '')`, at)
	reply := func(id int, submission any, file, outcome, code string) {
		t.Helper()
		exec(`INSERT INTO reply (id, environment, name, application, path, size, sha256, fetched_at, read_at) VALUES ($1, 'T', $2, 'ACRF', 'p', 1, $2, $3, $3)`, id, fmt.Sprintf("FO.ACRF.%d", id), at)
		exec(`INSERT INTO answer (id, reply_id, position, kind, outcome, submission_id, file_name) VALUES ($1, $1, 1, 'receipt', $2, $3, $4)`, id, outcome, submission, file)
		if code != "" {
			exec(`INSERT INTO anomaly (answer_id, position, error_id) VALUES ($1, 1, $2)`, id, code)
		}
	}
	reply(1, 1, "", "refused", "ACRF-133")
	reply(2, 2, "", "refused", "ACRF-102")
	reply(3, 3, "", "refused", "ACRF-133")
	reply(4, 4, "", "refused", "ACRF-133")
	reply(5, nil, "GO.DIMN."+testkit.Sender+".20260301.00009.T.1", "accepted", "")
	reply(6, nil, "GO.DIMN."+testkit.Sender+".20260301.00008.T.1", "refused", "ACRF-102")
	reply(7, nil, "declaration.xml", "accepted", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l := testkit.Ledger(t, path)
	for id, want := range map[int64]inbox.State{1: inbox.NameUsed, 2: inbox.Refused, 3: inbox.NameUsed, 4: inbox.Sent} {
		s, err := l.Submission(t.Context(), id)
		if err != nil || s.State != want {
			t.Errorf("set %d is %s, want %s (%v)", id, s.State, want, err)
		}
		held, err := l.Holders(t.Context(), ledger.Filter{Sender: testkit.Sender}, []inbox.Hash{{byte(id)}})
		if got := len(held) > 0; err != nil || got != (want == inbox.NameUsed) {
			t.Errorf("the contents of set %d are claimed: %t, %v", id, got, err)
		}
	}
	var names []string
	found, err := l.ForeignNames(t.Context(), testkit.Sender, naming.Test)
	for _, f := range found {
		names = append(names, f.Name[len("DIMN.")+len(testkit.Sender)+1:])
	}
	if want := "[20260301.00008.T 20260301.00009.T 20260302.00001.T 20260302.00003.T]"; err != nil || fmt.Sprint(names) != want {
		t.Errorf("got %v, want %s (%v)", names, want, err)
	}
}

// A set that was sent while the clock was ahead seems to be answered before it was
// sent. Its answers count as soon as the clock is seen to have gone back.
func TestAnswersWhileClockWasAhead(t *testing.T) {
	for _, c := range []struct {
		name      string
		corrected bool // before the answers are read
		accept    bool // by a person, after that
		want      inbox.State
	}{
		{"still ahead", false, false, inbox.Sent},
		{"corrected before", true, false, inbox.Accepted},
		{"corrected and accepted after", false, true, inbox.Accepted},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := testkit.Now().AddDate(0, 1, 0)
			l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), func() time.Time { return at })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			s := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
			if c.corrected {
				at = testkit.Now()
			}
			answers := []ledger.Answer{receipt(s, ledger.OutcomeAccepted), notified(s, 1, ledger.OutcomeAccepted)}
			for i := range answers {
				answers[i].MadeAt = testkit.Now().Add(time.Minute)
			}
			answer(t, l, naming.Test, answers...)
			at = testkit.Now().Add(time.Hour)
			if c.accept {
				if err := l.AcceptClock(t.Context(), "a test"); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != c.want {
				t.Errorf("got %s, want %s (%v)", got.State, c.want, err)
			}
			if read, err := l.Clock(t.Context()); err != nil || !read.Office.Equal(answers[0].MadeAt) || c.accept && read.Latest.After(at) {
				t.Errorf("got %+v, %v", read, err)
			}
		})
	}
}
