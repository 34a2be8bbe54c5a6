package ledgertest

import (
	"errors"
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
func (kit suite) TestForeignNames(t *testing.T) {
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
			l := kit.ledger(t)
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
func (kit suite) TestForeignNameAsked(t *testing.T) {
	l := kit.ledger(t)
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

// A set that was sent while the clock was ahead seems to be answered before it was
// sent. Its answers count as soon as the clock is seen to have gone back.
func (kit suite) TestAnswersWhileClockWasAhead(t *testing.T) {
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
			l := open(t, kit.places(t), func() time.Time { return at })
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
