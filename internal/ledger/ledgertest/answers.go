package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

var replies int

// stored enters a reply that was fetched.
func stored(t testing.TB, l ledger.Ledger, env naming.Environment) ledger.Reply {
	t.Helper()
	replies++
	name, err := naming.Parse(fmt.Sprintf("FO.NOTI.999999.20260302.%05d.%s", replies, env))
	if err != nil {
		t.Fatal(err)
	}
	r := &outbox.Reply{
		Environment: env, Name: name, FetchedAt: testkit.Now(),
		File: outbox.File{Name: name.String(), Path: "x/" + name.String(), Size: 1, Hash: outbox.Hash{byte(replies), byte(replies >> 8)}},
	}
	if err := l.StoreReplies(t.Context(), []*outbox.Reply{r}); err != nil {
		t.Fatal(err)
	}
	got, err := l.Reply(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// answer enters answers as one reply and reads it.
func answer(t testing.TB, l ledger.Ledger, env naming.Environment, answers ...ledger.Answer) []ledger.Answer {
	t.Helper()
	r := stored(t, l, env)
	for i := range answers {
		answers[i].Position = i + 1
	}
	if err := l.AddAnswers(t.Context(), r, answers); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReadReply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return answers
}

func receipt(s inbox.Submission, outcome string, ids ...string) ledger.Answer {
	a := ledger.Answer{Kind: ledger.KindReceipt, Outcome: outcome, FileName: s.Set.GO().String(), Tickets: []string{"T-" + outcome + strings.Join(ids, "")}}
	for _, id := range ids {
		a.Anomalies = append(a.Anomalies, ledger.Anomaly{ErrorID: id})
	}
	return a
}

// notified is about the form of a set with that number.
func notified(s inbox.Submission, form int, outcome string) ledger.Answer {
	return ledger.Answer{Kind: ledger.KindNotification, Outcome: outcome, FileName: s.Set.GO().String(), Date: "2026-03-02", Hour: testkit.Hour(form)}
}

func (kit suite) TestMatch(t *testing.T) {
	l := kit.ledger(t)
	a := testkit.Sent(t, l, testkit.Draft([]string{"ref-a"}))
	ab := testkit.Sent(t, l, testkit.Draft([]string{"ref-b", "twice"}, []string{"ref-c", "ref-d"}))
	other := testkit.Sent(t, l, testkit.Draft([]string{"twice", "third"}))
	unsent := testkit.Reserve(t, l, testkit.Draft([]string{"unsent"}))
	production := testkit.Draft([]string{"ref-a"})
	production.Environment = naming.Production
	inR := testkit.Sent(t, l, production)
	answer(t, l, naming.Test, receipt(a, ledger.OutcomeAccepted))
	ticket := "T-" + ledger.OutcomeAccepted

	noti := func(change func(*ledger.Answer)) ledger.Answer {
		x := ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeToValidate}
		change(&x)
		return x
	}
	for _, c := range []struct {
		name       string
		env        naming.Environment
		answer     ledger.Answer
		set        int64
		part, form int
		by         string
	}{
		{"file name of the GO", naming.Test, notified(a, 1, ledger.OutcomeToValidate), a.ID, 1, 1, ledger.ByFileName},
		{"file name of an FI", naming.Test, noti(func(x *ledger.Answer) { x.FileName = ab.Set.FI(2).String() }), ab.ID, 2, 0, ledger.ByFileName},
		{"file name of an FI, and a reference", naming.Test, noti(func(x *ledger.Answer) {
			x.FileName, x.References = ab.Set.FI(2).String(), []string{"ref-d"}
		}), ab.ID, 2, 2, ledger.ByFileName},
		{"old form of the file name", naming.Test, noti(func(x *ledger.Answer) { x.FileName = "GO." + a.Set.Key() }), a.ID, 1, 1, ledger.ByFileName},
		{"file name in another folder", naming.Production, notified(a, 1, ledger.OutcomeToValidate), a.ID, 1, 1, ledger.ByFileName},
		{"file name before ticket and reference", naming.Test, noti(func(x *ledger.Answer) {
			x.FileName, x.Tickets, x.References = other.Set.GO().String(), []string{ticket}, []string{"ref-b"}
		}), other.ID, 0, 0, ledger.ByFileName},
		{"file that is not ours", naming.Test, noti(func(x *ledger.Answer) {
			x.FileName, x.References, x.Date, x.Hour = "GO.DIMN.101380.20260302.00ZZZ.T.1", []string{"ref-b"}, "2026-03-02", testkit.Hour(2)
		}), 0, 0, 0, ""},
		{"text that is no file name", naming.Test, noti(func(x *ledger.Answer) { x.FileName, x.References = "declaration.xml", []string{"ref-b"} }), ab.ID, 1, 1, ledger.ByReference},
		{"ticket before reference", naming.Test, noti(func(x *ledger.Answer) { x.Tickets, x.References = []string{"?", ticket}, []string{"ref-b"} }), a.ID, 1, 1, ledger.ByTicket},
		{"reference before date and hour", naming.Test, noti(func(x *ledger.Answer) {
			x.References, x.Date, x.Hour = []string{"ref-d"}, "2026-03-02", testkit.Hour(1)
		}), ab.ID, 2, 2, ledger.ByReference},
		{"reference of two sets", naming.Test, noti(func(x *ledger.Answer) { x.References = []string{"twice"} }), 0, 0, 0, ledger.Ambiguous},
		{"the second reference is clear", naming.Test, noti(func(x *ledger.Answer) { x.References = []string{"twice", "third"} }), other.ID, 1, 1, ledger.ByReference},
		{"reference, in T", naming.Test, noti(func(x *ledger.Answer) { x.References = []string{"ref-a"} }), a.ID, 1, 1, ledger.ByReference},
		{"reference, in R", naming.Production, noti(func(x *ledger.Answer) { x.References = []string{"ref-a"} }), inR.ID, 1, 1, ledger.ByReference},
		{"reference of other environments only", naming.DeclarationTest, noti(func(x *ledger.Answer) { x.References = []string{"ref-a"} }), 0, 0, 0, ""},
		{"reference of one other environment only", naming.Production, noti(func(x *ledger.Answer) { x.References = []string{"ref-d"} }), 0, 0, 0, ""},
		{"reference of a set that never left", naming.Test, noti(func(x *ledger.Answer) { x.References = []string{"unsent"} }), 0, 0, 0, ""},
		{"date and hour, in R", naming.Production, noti(func(x *ledger.Answer) { x.Date, x.Hour = "2026-03-02", testkit.Hour(1) }), inR.ID, 1, 1, ledger.ByMoment},
		{"date and hour of several", naming.Test, noti(func(x *ledger.Answer) { x.Date, x.Hour = "2026-03-02", testkit.Hour(1) }), 0, 0, 0, ledger.Ambiguous},
		{"date alone", naming.Test, noti(func(x *ledger.Answer) { x.Date = "2026-03-02" }), 0, 0, 0, ""},
		{"receipt by file name only", naming.Test, ledger.Answer{
			Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted, Tickets: []string{ticket}, References: []string{"ref-a"},
		}, 0, 0, 0, ""},
		{"receipt to an FI", naming.Test, ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeUnknown, FileName: ab.Set.FI(1).String()}, ab.ID, 1, 0, ledger.ByFileName},
		{"receipt of what never left", naming.Test, receipt(unsent, ledger.OutcomeRefused, "ACRF-130"), unsent.ID, 0, 0, ledger.ByFileName},
		{"nothing", naming.Test, noti(func(*ledger.Answer) {}), 0, 0, 0, ""},
		{"reference, our sender", naming.Test, noti(func(x *ledger.Answer) { x.Sender, x.References = "101380", []string{"ref-a"} }), a.ID, 1, 1, ledger.ByReference},
		{"reference, another sender", naming.Test, noti(func(x *ledger.Answer) { x.Sender, x.References = "222222", []string{"ref-a"} }), 0, 0, 0, ""},
		{"ticket, another sender", naming.Test, noti(func(x *ledger.Answer) { x.Sender, x.Tickets = "222222", []string{ticket} }), 0, 0, 0, ""},
		{"date and hour, another sender", naming.Production, noti(func(x *ledger.Answer) { x.Sender, x.Date, x.Hour = "222222", "2026-03-02", testkit.Hour(1) }), 0, 0, 0, ""},
		{"file name, another sender", naming.Test, func() ledger.Answer {
			x := notified(a, 1, ledger.OutcomeRefused)
			x.Sender = "222222"
			return x
		}(), 0, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := answer(t, l, c.env, c.answer)[0]
			if got.SubmissionID != c.set || got.Part != c.part || got.Form != c.form || got.MatchedBy != c.by {
				t.Errorf("got set %d, part %d, form %d, by %q, want %d, %d, %d, %q",
					got.SubmissionID, got.Part, got.Form, got.MatchedBy, c.set, c.part, c.form, c.by)
			}
		})
	}
	// A set that never left stays as it is, and keeps its contents.
	if s, err := l.Submission(t.Context(), unsent.ID); err != nil || s.State != inbox.Prepared {
		t.Errorf("got %s, %v", s.State, err)
	}
	var already *inbox.AlreadyError
	if r := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"unsent"})})[0]; !errors.As(r.Err, &already) {
		t.Errorf("got %v", r.Err)
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := 0; i <= len(p); i++ {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

// The state, the ticket and whether the contents are free depend on what was
// answered and not on the order in which it came.
// A notification may come before the receipt whose ticket it names; a set that
// another machine sent has none here.
func (kit suite) TestNotificationBeforeReceipt(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Sent(t, l, testkit.Draft([]string{"one", "twice"}, []string{"two"}))
	testkit.Sent(t, l, testkit.Draft([]string{"twice"}))
	early := func(ticket, reference string, form int) ledger.Answer {
		return ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeAccepted, Tickets: []string{"form-ticket", ticket}, References: []string{reference}, Date: "2026-03-02", Hour: testkit.Hour(form)}
	}
	const many = 2100 // more than one portion
	first := make([]ledger.Answer, many)
	for i := range first {
		first[i] = early("T-accepted", "unheard of", 9)
	}
	first[0] = early("T-accepted", "twice", 9)
	answer(t, l, naming.Test, first...)
	answer(t, l, naming.Test, early("another's", "twice", 9))
	if got, err := l.Answers(t.Context(), s.ID); err != nil || len(got) != 0 {
		t.Fatalf("tied before the receipt: %d, %v", len(got), err)
	}
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeAccepted))
	got, err := l.Answers(t.Context(), s.ID)
	if err != nil || len(got) != many+1 {
		t.Fatalf("%d answers are tied, want %d (%v)", len(got), many+1, err)
	}
	if a := got[0]; a.MatchedBy != ledger.ByTicket || a.Part != 1 || a.Form != 2 {
		t.Errorf("got %+v", a)
	}
	if a := got[many]; a.Kind != ledger.KindReceipt {
		t.Errorf("got %+v", a)
	}
	if now, err := l.Submission(t.Context(), s.ID); err != nil || now.State != inbox.Accepted {
		t.Errorf("the set is %s (%v)", now.State, err)
	}
}

// When the ticket of a negative receipt gives way to that of a positive one,
// what names the second is tied too; a ticket that two sets have ties nothing.
func (kit suite) TestNotificationBeforeSecondReceipt(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	noti := ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeAccepted, Tickets: []string{"T-accepted"}}
	answer(t, l, naming.Test, noti)
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeRefused, "ACRF-102"))
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeAccepted))
	if got, err := l.Answers(t.Context(), s.ID); err != nil || len(got) != 3 {
		t.Fatalf("%d answers (%v)", len(got), err)
	}
	other := testkit.Sent(t, l, testkit.Draft([]string{"b"}))
	third := testkit.Sent(t, l, testkit.Draft([]string{"c"}))
	same := func(s inbox.Submission) ledger.Answer {
		r := receipt(s, ledger.OutcomeAccepted)
		r.Tickets = []string{"given twice"}
		return r
	}
	answer(t, l, naming.Test, same(other))
	noti.Tickets = []string{"given twice", "T-third"}
	answer(t, l, naming.Production, noti)
	if got, err := l.Answers(t.Context(), other.ID); err != nil || len(got) != 2 {
		t.Fatalf("%d answers (%v)", len(got), err)
	}
	answer(t, l, naming.Test, same(third))
	answer(t, l, naming.Test, noti)
	for _, s := range []inbox.Submission{other, third} {
		if got, err := l.Answers(t.Context(), s.ID); err != nil || len(got) > 2 {
			t.Errorf("%d answers (%v)", len(got), err)
		}
	}
}

func (kit suite) TestJudge(t *testing.T) {
	const ok, remarks, no, maybe, odd = ledger.OutcomeAccepted, ledger.OutcomeRemarks, ledger.OutcomeRefused, ledger.OutcomeToValidate, ledger.OutcomeUnknown
	type build = func(s inbox.Submission) ledger.Answer
	rec := func(outcome string, ids ...string) build {
		return func(s inbox.Submission) ledger.Answer { return receipt(s, outcome, ids...) }
	}
	recFI := func(part int, outcome string, ids ...string) build {
		return func(s inbox.Submission) ledger.Answer {
			a := receipt(s, outcome, ids...)
			a.FileName = s.Set.FI(part).String()
			return a
		}
	}
	not := func(form int, outcome string) build {
		return func(s inbox.Submission) ledger.Answer { return notified(s, form, outcome) }
	}
	somehow := func(outcome string) build { // about a form that is not told
		return func(s inbox.Submission) ledger.Answer {
			a := notified(s, 0, outcome)
			a.Date = ""
			return a
		}
	}
	early := func(b build) build { // made by the office before the GO of the set
		return func(s inbox.Submission) ledger.Answer {
			a := b(s)
			a.MadeAt = s.CreatedAt.Add(-4 * time.Hour)
			return a
		}
	}
	strange := func(b build) build { // about a form that the set does not have
		return func(s inbox.Submission) ledger.Answer {
			a := b(s)
			a.Hour = "07:07:07.000"
			return a
		}
	}
	one, two, parts := testkit.Draft([]string{"a"}), testkit.Draft([]string{"a", "b"}), testkit.Draft([]string{"a"}, []string{"b"})
	const used, bad = "ACRF-133", "ACRF-102"
	l, sender := kit.ledger(t), 0
	for _, c := range []struct {
		name    string
		draft   inbox.Draft
		resent  bool // GO went a second time
		answers []build
		want    inbox.State
		note    string
		free    bool // the contents may go again without a person's word
		ticket  string
	}{
		{"receipt", one, false, []build{rec(ok)}, inbox.Received, "", false, ok},
		{"odd receipt", one, false, []build{rec(odd)}, inbox.Sent, "", false, odd},
		{"refused receipt", one, false, []build{rec(no, bad)}, inbox.Refused, bad, true, no + bad},
		{"accepted", one, false, []build{rec(ok), not(1, ok)}, inbox.Accepted, "", false, ok},
		{"accepted, no receipt", one, false, []build{not(1, ok)}, inbox.Accepted, "", false, ""},
		{"accepted, form not told", one, false, []build{rec(ok), somehow(ok)}, inbox.Accepted, "", false, ok},
		{"validated, then accepted", one, false, []build{rec(ok), not(1, maybe), somehow(ok)}, inbox.Accepted, "", false, ok},
		{"validated, then refused", one, false, []build{rec(ok), not(1, maybe), not(1, no)}, inbox.Refused, "1 of 1 forms refused", true, ok},
		{"to validate", one, false, []build{rec(ok), not(1, maybe)}, inbox.Received, "1 of 1 forms to validate", false, ok},
		{"remarks", one, false, []build{rec(ok), not(1, remarks)}, inbox.AcceptedWithRemarks, "", false, ok},
		{"accepted and refused", one, false, []build{not(1, ok), not(1, no)}, inbox.Refused, "1 of 1 forms refused", false, ""},
		{"half", two, false, []build{rec(ok), not(1, ok)}, inbox.Received, "1 of 2 forms answered", false, ok},
		{"half, twice", two, false, []build{rec(ok), not(1, ok), not(1, ok)}, inbox.Received, "1 of 2 forms answered", false, ok},
		{"both", two, false, []build{rec(ok), not(1, ok), not(2, ok)}, inbox.Accepted, "", false, ok},
		{"both, one with remarks", two, false, []build{rec(ok), not(1, remarks), not(2, ok)}, inbox.AcceptedWithRemarks, "", false, ok},
		{"one of two refused, the other open", two, false, []build{rec(ok), not(2, no)}, inbox.Refused, "1 of 2 forms refused", false, ok},
		{"one of two refused", two, false, []build{rec(ok), not(1, ok), not(2, no)}, inbox.Refused, "1 of 2 forms refused", false, ok},
		{"one refused, one to validate", two, false, []build{not(1, maybe), not(2, no)}, inbox.Refused, "1 of 2 forms refused", false, ""},
		{"two of two refused", two, false, []build{rec(ok), not(1, no), not(2, no)}, inbox.Refused, "2 of 2 forms refused", true, ok},
		{"two refused, forms not told", two, false, []build{rec(ok), somehow(no), somehow(no)}, inbox.Refused, "2 of 2 forms refused", false, ok},
		{"refused, no forms known", testkit.Draft([]string{}), false, []build{somehow(no)}, inbox.Refused, "1 of 1 forms refused", true, ""},
		{"name used, with acceptance", one, false, []build{rec(ok), not(1, ok), rec(no, used)}, inbox.NameUsed, "", false, ok},
		{"name used, with refusal", one, false, []build{rec(ok), not(1, no), rec(no, used)}, inbox.NameUsed, "", false, ok},
		{"name used, with receipt", one, false, []build{rec(ok), rec(no, used)}, inbox.NameUsed, "", false, ok},
		{"name used, by somebody", one, false, []build{rec(no, used)}, inbox.NameUsed, "", false, no + used},
		{"name used, by somebody, and our two GOs", one, true, []build{rec(no, used), rec(no, used)}, inbox.NameUsed, "", false, no + used},
		{"name used, by our first GO, accepted", one, true, []build{rec(ok), rec(no, used), not(1, ok)}, inbox.Accepted, "", false, ok},
		{"about other contents under the name", one, false, []build{rec(ok), strange(not(1, ok))}, inbox.Received, "", false, ok},
		{"about other contents, and about ours", one, false, []build{rec(ok), strange(not(1, no)), not(1, ok)}, inbox.Accepted, "", false, ok},
		{"older than the GO", one, false, []build{early(rec(ok)), early(not(1, ok))}, inbox.Sent, "", false, ""},
		{"older than the GO, with ours", one, false, []build{early(rec(no, bad)), rec(ok), early(not(1, no)), not(1, ok)}, inbox.Accepted, "", false, ok},
		{"name used, older than the GO", one, false, []build{early(rec(ok)), rec(no, used)}, inbox.NameUsed, "", false, no + used},
		{"name used, by our first GO", one, true, []build{rec(no, used)}, inbox.Sent, "", false, no + used},
		{"name used, by our first GO, whose files are gone", one, true, []build{rec(no, used, "ACRF-120"), rec(ok)}, inbox.Received, "", false, ok},
		{"name used and refused", one, false, []build{rec(no, used, bad)}, inbox.NameUsed, "", false, no + used + bad},
		{"contradicting receipts", one, false, []build{rec(ok), rec(no, bad)}, inbox.Refused, bad, false, ok},
		{"refused, part by part", parts, false, []build{recFI(1, no, bad), recFI(2, no, bad)}, inbox.Refused, bad, true, no + bad},
		{"one part refused", parts, false, []build{recFI(1, no, bad)}, inbox.Refused, bad, false, no + bad},
		{"one part refused, one taken", parts, false, []build{recFI(1, no, bad), recFI(2, ok)}, inbox.Refused, bad, false, ok},
	} {
		for _, order := range permutations(len(c.answers)) {
			t.Run(fmt.Sprint(c.name, order), func(t *testing.T) {
				sender++
				draft := c.draft
				draft.Sender = fmt.Sprintf("%06d", sender)
				s := testkit.Reserve(t, l, draft)
				testkit.Walk(t, l, s.ID, inbox.Uploading, inbox.Unknown)
				if c.resent {
					testkit.Walk(t, l, s.ID, inbox.Uploaded, inbox.Unknown)
				}
				testkit.Walk(t, l, s.ID, inbox.Sent)
				for _, i := range order {
					a := c.answers[i](s)
					got := answer(t, l, naming.Test, a)[0]
					if tied := got.SubmissionID == s.ID; tied != (got.Elsewhere == "") || tied == strings.HasPrefix(a.Hour, "07:07:07") {
						t.Fatalf("the answer is matched: %t, %+v", tied, got)
					}
				}
				got, err := l.Submission(t.Context(), s.ID)
				if err != nil || got.State != c.want || got.Note != c.note || got.Ticket != ticketOf(c.ticket) {
					t.Errorf("got %s (%s), ticket %q, %v; want %s (%s), %q", got.State, got.Note, got.Ticket, err, c.want, c.note, ticketOf(c.ticket))
				}
				err = l.Reserve(t.Context(), []inbox.Draft{draft})[0].Err
				var already *inbox.AlreadyError
				if c.free && err != nil || !c.free && !errors.As(err, &already) {
					t.Errorf("contents free: want %t, got %v", c.free, err)
				}
			})
		}
	}
}

func ticketOf(s string) string {
	if s == "" {
		return ""
	}
	return "T-" + s
}

// A refusal of the second sending frees nothing that the first one holds.
func (kit suite) TestJudgeSecondSending(t *testing.T) {
	l := kit.ledger(t)
	first := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	answer(t, l, naming.Test, receipt(first, ledger.OutcomeAccepted))
	d := testkit.Draft([]string{"a"})
	d.Again = true
	second := testkit.Sent(t, l, d)
	answer(t, l, naming.Test, receipt(second, ledger.OutcomeRefused, "ACRF-102"))
	var already *inbox.AlreadyError
	if err := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"a"})})[0].Err; !errors.As(err, &already) || already.Existing.ID != first.ID {
		t.Errorf("got %v", err)
	}
}

// An answer to a set that a person gave up shows that it arrived.
func (kit suite) TestJudgeGivenUp(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	testkit.Walk(t, l, s.ID, inbox.Uploading, inbox.Unknown, inbox.Cancelled)
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeAccepted))
	if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != inbox.Received || got.SentAt.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
	var already *inbox.AlreadyError
	if err := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"a"})})[0].Err; !errors.As(err, &already) {
		t.Errorf("got %v", err)
	}
}

// An unknown outcome is settled by an answer.
func (kit suite) TestJudgeUnknown(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	testkit.Walk(t, l, s.ID, inbox.Uploading, inbox.Unknown)
	answer(t, l, naming.Test, notified(s, 1, ledger.OutcomeRemarks))
	if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != inbox.AcceptedWithRemarks || got.SentAt.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func (kit suite) TestAddAnswersAgain(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	r := stored(t, l, naming.Test)
	a := notified(s, 1, ledger.OutcomeRefused)
	a.Position = 1
	a.Anomalies = []ledger.Anomaly{{ErrorID: "00024-005", Class: "B", Tag: "INSS", Location: "Form 1"}, {ErrorID: "00024-006"}}
	for range 3 {
		if err := l.AddAnswers(t.Context(), r, []ledger.Answer{a}); err != nil {
			t.Fatal(err)
		}
		if unread, err := l.UnreadReplies(t.Context()); err != nil || len(unread) != 1 {
			t.Fatalf("unread %v, %v", unread, err)
		}
	}
	r.Root, r.Forms, r.Signature = "NOTIFICATION", 1, "none"
	for range 2 {
		changed, err := l.ReadReply(t.Context(), r)
		if err != nil || len(changed) != 1 || changed[0].State != inbox.Refused {
			t.Fatalf("got %+v, %v", changed, err)
		}
	}
	got, err := l.Answers(t.Context(), s.ID)
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Anomalies, a.Anomalies) || got[0].Reply != r.Name || got[0].Signature != "none" {
		t.Errorf("got %+v, %v", got, err)
	}
	if unread, err := l.UnreadReplies(t.Context()); err != nil || len(unread) != 0 {
		t.Errorf("unread %v, %v", unread, err)
	}
	if to, err := l.RepliesTo(t.Context(), s.ID); err != nil || len(to) != 1 || to[0].Root != "NOTIFICATION" {
		t.Errorf("got %+v, %v", to, err)
	}
	history, err := l.History(t.Context(), s.ID)
	if err != nil || len(history) != 5 {
		t.Errorf("history %+v, %v", history, err)
	}
}

func (kit suite) TestFilesNamed(t *testing.T) {
	l := kit.ledger(t)
	name, err := naming.Parse("FO.ACRF.999999.20260302.00001.T")
	if err != nil {
		t.Fatal(err)
	}
	fs := name.WithKind(naming.FS).String()
	reply := func(hash byte, conflict, signed bool) *outbox.Reply {
		r := &outbox.Reply{
			Environment: naming.Test, Name: name, FetchedAt: testkit.Now(), Conflict: conflict,
			File: outbox.File{Name: name.String(), Path: "p", Size: 1, Hash: outbox.Hash{hash}},
		}
		if signed {
			r.Signature = &outbox.File{Name: fs, Path: "s", Size: 2, Hash: outbox.Hash{hash, hash}}
		}
		return r
	}
	first, second := reply(1, false, false), reply(2, true, true)
	if err := l.StoreReplies(t.Context(), []*outbox.Reply{first, second}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.FilesNamed(t.Context(), naming.Test, name.String()); err != nil || len(got) != 2 || got[0].Conflict || !got[1].Conflict || got[1].ReplyID != second.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := l.StoreReplies(t.Context(), []*outbox.Reply{reply(3, false, false), reply(2, true, true)}); err == nil {
		t.Error("stored twice")
	}
	if got, err := l.FilesNamed(t.Context(), naming.Test, name.String()); err != nil || len(got) != 2 {
		t.Errorf("half of a set is stored: %+v, %v", got, err)
	}
	late := outbox.File{Name: fs, Path: "late", Size: 3, Hash: outbox.Hash{9}}
	for _, r := range []*outbox.Reply{first, second, first, second} { // again changes nothing
		if err := l.AddSignature(t.Context(), r.ID, late); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.FilesNamed(t.Context(), naming.Test, fs)
	if err != nil || len(got) != 3 || got[0].File != late || got[0].Conflict || got[1].File != *second.Signature || got[2].File != late || !got[2].Conflict {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := l.FilesNamed(t.Context(), naming.Production, fs); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := l.Deleted(t.Context(), first.ID, testkit.Now()); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Reply(t.Context(), first.ID); err != nil || !r.DeletedAt.Equal(testkit.Now()) || r.FSPath != "late" {
		t.Errorf("got %+v, %v", r, err)
	}
}
