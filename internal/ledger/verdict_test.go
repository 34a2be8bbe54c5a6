package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

const (
	ok      = ledger.OutcomeAccepted
	remarks = ledger.OutcomeRemarks
	no      = ledger.OutcomeRefused
	maybe   = ledger.OutcomeToValidate
	odd     = ledger.OutcomeUnknown
)

// What answers say together depends on none of their orders, and is said without
// a ledger.
func TestVerdict(t *testing.T) {
	receipt := func(outcome string) ledger.ReceiptSaid { return ledger.ReceiptSaid{Outcome: outcome, Reply: "a"} }
	part := func(part int, outcome string) ledger.ReceiptSaid {
		return ledger.ReceiptSaid{Outcome: outcome, Part: part, Reply: fmt.Sprint("part ", part)}
	}
	used := func(reply string) ledger.ReceiptSaid {
		return ledger.ReceiptSaid{Outcome: no, NameUsed: true, Reply: reply}
	}
	early := func(r ledger.ReceiptSaid) ledger.ReceiptSaid {
		r.Early = true
		return r
	}
	forms := func(n int, outcomes ...string) ledger.FormsSaid {
		return ledger.FormsSaid{Outcomes: outcomes, Known: true, Count: n}
	}
	somehow := func(n int, outcomes ...string) ledger.FormsSaid {
		return ledger.FormsSaid{Outcomes: outcomes, Count: n}
	}
	type receipts = []ledger.ReceiptSaid
	type notified = []ledger.FormsSaid
	for _, c := range []struct {
		name     string
		forms    int
		parts    int
		asked    int
		receipts receipts
		notified notified
		want     inbox.State
		note     string
		nothing  bool
	}{
		{"nothing", 1, 1, 1, nil, nil, "", "", false},
		{"a receipt", 1, 1, 1, receipts{receipt(ok)}, nil, inbox.Received, "", false},
		{"an odd receipt", 1, 1, 1, receipts{receipt(odd)}, nil, "", "", false},
		{"a refused receipt", 1, 1, 1, receipts{receipt(no)}, nil, inbox.Refused, "", true},
		{"contradicting receipts", 1, 1, 1, receipts{receipt(ok), receipt(no)}, nil, inbox.Refused, "", false},
		{"one part of two refused", 2, 2, 1, receipts{part(1, no)}, nil, inbox.Refused, "", false},
		{"both parts refused", 2, 2, 1, receipts{part(1, no), part(2, no)}, nil, inbox.Refused, "", true},
		{"accepted", 3, 1, 1, receipts{receipt(ok)}, notified{forms(3, ok)}, inbox.Accepted, "", false},
		{"accepted, without receipt", 3, 1, 1, nil, notified{forms(3, ok)}, inbox.Accepted, "", false},
		{"accepted, one with remarks", 3, 1, 1, nil, notified{forms(2, ok), forms(1, remarks)}, inbox.AcceptedWithRemarks, "", false},
		{"some answered", 3, 1, 1, nil, notified{forms(2, ok)}, inbox.Received, "2 of 3 forms answered", false},
		{"one to validate", 3, 1, 1, nil, notified{forms(2, ok), forms(1, maybe)}, inbox.Received, "1 of 3 forms to validate", false},
		{"validated, then accepted", 1, 1, 1, nil, notified{forms(1, maybe, ok)}, inbox.Accepted, "", false},
		{"validated, then refused", 1, 1, 1, receipts{receipt(ok)}, notified{forms(1, no, maybe)}, inbox.Refused, "1 of 1 forms refused", true},
		{"accepted, then refused", 1, 1, 1, nil, notified{forms(1, no, ok)}, inbox.Refused, "1 of 1 forms refused", false},
		{"one refused of two", 2, 1, 1, nil, notified{forms(1, no), forms(1, ok)}, inbox.Refused, "1 of 2 forms refused", false},
		{"one refused, one open", 2, 1, 1, receipts{receipt(ok)}, notified{forms(1, no)}, inbox.Refused, "1 of 2 forms refused", false},
		{"all refused", 2, 1, 1, receipts{receipt(ok)}, notified{forms(2, no)}, inbox.Refused, "2 of 2 forms refused", true},
		{"all refused, nobody knows which", 2, 1, 1, receipts{receipt(ok)}, notified{somehow(2, no)}, inbox.Refused, "2 of 2 forms refused", false},
		{"the only form refused, not told which", 1, 1, 1, nil, notified{somehow(1, no)}, inbox.Refused, "1 of 1 forms refused", true},
		{"an outcome nobody knows", 1, 1, 1, nil, notified{forms(1, odd)}, inbox.Received, "1 of 1 forms answered", false},
		{"more answers than forms", 1, 1, 1, nil, notified{somehow(2, ok)}, inbox.Accepted, "", false},

		{"name used by somebody", 1, 1, 1, receipts{used("a")}, nil, inbox.NameUsed, "", false},
		{"name used by somebody, and accepted", 1, 1, 1, receipts{used("a"), receipt(ok)}, notified{forms(1, ok)}, inbox.NameUsed, "", false},
		{"name used by our first GO", 1, 1, 2, receipts{used("a")}, nil, "", "", false},
		{"name used by our first GO, which was received", 1, 1, 2, receipts{used("a"), receipt(ok)}, nil, inbox.Received, "", false},
		{"the same reply twice", 1, 1, 2, receipts{used("a"), used("a")}, nil, "", "", false},
		{"more refusals than GOs", 1, 1, 2, receipts{used("a"), used("b")}, nil, inbox.NameUsed, "", false},
		{"never asked for", 1, 1, 0, receipts{used("a")}, nil, inbox.NameUsed, "", false},
		{"received before it was sent", 1, 1, 1, receipts{early(receipt(ok))}, nil, "", "", false},
		{"refused before it was sent", 1, 1, 1, receipts{early(receipt(no)), receipt(ok)}, nil, inbox.Received, "", false},
		{"the name refused before it was sent", 1, 1, 1, receipts{early(used("a"))}, nil, inbox.NameUsed, "", false},
	} {
		for range 2 {
			want := ledger.Verdict{State: c.want, Note: c.note, Nothing: c.nothing}
			said := ledger.Said{Forms: c.forms, Parts: c.parts, Asked: c.asked, Receipts: c.receipts, Notified: c.notified}
			if got := said.Verdict(); got != want {
				t.Errorf("%s: got %+v, want %+v", c.name, got, want)
			}
			slices.Reverse(c.receipts)
			slices.Reverse(c.notified)
		}
	}
}

func TestVerdictChanges(t *testing.T) {
	for _, c := range []struct {
		from, to       inbox.State
		want, alarming bool
	}{
		{inbox.Sent, "", false, false},
		{inbox.Sent, inbox.Received, true, false},
		{inbox.Received, inbox.Received, true, false},
		{inbox.Accepted, inbox.Refused, true, true},
		{inbox.NameUsed, inbox.Accepted, false, false},
		{inbox.Cancelled, inbox.NameUsed, true, true},
		{inbox.Prepared, inbox.Refused, false, true},
	} {
		v := ledger.Verdict{State: c.to}
		if got := v.Changes(c.from); got != c.want {
			t.Errorf("%s becomes %s: %t", c.from, c.to, got)
		}
		if got := v.Alarming(); got != c.alarming {
			t.Errorf("%s is alarming: %t", c.to, got)
		}
	}
}

func TestVerdictNaming(t *testing.T) {
	for _, c := range []struct {
		state inbox.State
		note  string
		ids   []string
		want  string
	}{
		{inbox.Refused, "", nil, ""},
		{inbox.Refused, "1 of 2 forms refused", nil, "1 of 2 forms refused"},
		{inbox.Refused, "", []string{"A", "B"}, "A, B"},
		{inbox.Refused, "1 of 2 forms refused", []string{"A"}, "1 of 2 forms refused: A"},
		{inbox.Refused, "", []string{"A", "B", "C", "D", "E"}, "A, B, C, D, E"},
		{inbox.Refused, "", []string{"A", "B", "C", "D", "E", "F"}, "A, B, C, D, E, …"},
		{inbox.Received, "1 of 2 forms answered", []string{"A"}, "1 of 2 forms answered"},
	} {
		if got := (ledger.Verdict{State: c.state, Note: c.note}).Naming(c.ids).Note; got != c.want {
			t.Errorf("%s, %q, %q: got %q, want %q", c.state, c.note, c.ids, got, c.want)
		}
	}
}

func TestGO(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	history := func(states ...inbox.State) (all []ledger.Event) {
		for i, s := range states {
			all = append(all, ledger.Event{At: at.Add(time.Duration(i) * time.Minute), State: s})
		}
		return all
	}
	for _, c := range []struct {
		history []ledger.Event
		want    ledger.GO
	}{
		{nil, ledger.GO{}},
		{history(inbox.Prepared, inbox.Uploading, inbox.Cancelled), ledger.GO{}},
		{history(inbox.Prepared, inbox.Unknown, inbox.Sent), ledger.GO{Times: 1, First: at.Add(time.Minute), Entry: 1}},
		{history(inbox.Prepared, inbox.Unknown, inbox.Unknown), ledger.GO{Times: 1, First: at.Add(time.Minute), Entry: 1}}, // a note
		{history(inbox.Unknown, inbox.Uploaded, inbox.Unknown, inbox.Sent), ledger.GO{Times: 2, First: at}},
	} {
		if got := ledger.GOIn(c.history); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.history, got, c.want)
		}
	}
	if got := (ledger.GO{}).AnsweredFrom(); !got.IsZero() {
		t.Errorf("answers to what was never sent: from %s", got)
	}
	asked := ledger.GO{Times: 1, First: at}
	from := asked.AnsweredFrom()
	for madeAt, want := range map[time.Time]bool{
		{}: true, at: true, at.Add(time.Hour): true, from: true, from.Add(-time.Millisecond): false, at.AddDate(0, 0, -1): false,
	} {
		if got := ledger.Ours(madeAt, from); got != want {
			t.Errorf("an answer of %s is ours: %t", madeAt, got)
		}
	}
	if !ledger.Ours(at.AddDate(-1, 0, 0), time.Time{}) {
		t.Error("where the clock says nothing, any answer is ours")
	}
	for later, want := range map[time.Time]bool{
		at: false, at.Add(time.Hour): false, at.Add(-5 * time.Minute): false, at.Add(-11 * time.Minute): true,
	} {
		if got := asked.ClockWasAhead(later); got != want {
			t.Errorf("the clock was ahead, by an entry of %s: %t", later, got)
		}
	}
}
