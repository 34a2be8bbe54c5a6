package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

func parts(hashes ...byte) (all []inbox.Part) {
	for i, h := range hashes {
		all = append(all, inbox.Part{Number: i + 1, Hash: inbox.Hash{h}})
	}
	return all
}

func TestClaimed(t *testing.T) {
	for _, c := range []struct {
		part inbox.Part
		want []inbox.Hash
	}{
		{inbox.Part{Hash: inbox.Hash{1}}, []inbox.Hash{{1}}},
		{inbox.Part{Hash: inbox.Hash{1}, CRLF: inbox.Hash{1}}, []inbox.Hash{{1}}},
		{inbox.Part{Hash: inbox.Hash{1}, CRLF: inbox.Hash{2}, Original: inbox.Hash{3}}, []inbox.Hash{{1}, {2}}},
	} {
		if got := ledger.Claimed(c.part); !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v", c.part, got)
		}
	}
}

func TestDuplicate(t *testing.T) {
	for _, state := range inbox.States() {
		for _, again := range []bool{false, true} {
			for _, c := range []struct {
				held, wanted []inbox.Part
				same         bool
			}{
				{parts(1), parts(1), true},
				{parts(1, 2), parts(1, 2), true},
				{parts(1, 2), parts(2, 1), false},
				{parts(1, 2), parts(1), false},
			} {
				holder := inbox.Submission{ID: 7, State: state, Parts: c.held}
				err := ledger.Duplicate(inbox.Draft{Again: again, Parts: c.wanted}, 1, holder)
				var already *inbox.AlreadyError
				if refused := errors.As(err, &already); refused != (!again || state.Unfinished()) {
					t.Errorf("%s, again %t: got %v", state, again, err)
				} else if refused && (already.Existing.ID != 7 || already.Part != 1 || already.Same != c.same) {
					t.Errorf("%v in %v: got %+v", c.wanted, c.held, already)
				}
			}
		}
	}
}

func TestForeignIn(t *testing.T) {
	fetched, made := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		answer  ledger.Answer
		seen    time.Time
		refused bool
	}{
		{ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeAccepted}, fetched, false},
		{ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeRefused, MadeAt: made}, made, true},
		{ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeRefused, Anomalies: []ledger.Anomaly{{ErrorID: "ACRF-102"}}}, fetched, true},
		{ledger.Answer{Kind: ledger.KindReceipt, Outcome: ledger.OutcomeRefused, Anomalies: []ledger.Anomaly{{ErrorID: "ACRF-102"}, {ErrorID: ledger.CodeNameUsed}}}, fetched, false},
		{ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeRefused}, fetched, false},
	} {
		c.answer.Elsewhere = "name"
		got := ledger.ForeignIn(ledger.Reply{Name: "FO", FetchedAt: fetched}, &c.answer)
		want := ledger.ForeignName{ForeignUse: inbox.ForeignUse{Name: "name", Reply: "FO", SeenAt: c.seen}, Refused: c.refused}
		if got != want {
			t.Errorf("%+v: got %+v", c.answer, got)
		}
	}
}

func TestMaybeSent(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 3, 2, hour, minute, 0, 0, naming.Brussels()) }
	form := func(hour string) inbox.Form { return inbox.Form{Date: day, Hour: hour} }
	name := func(n int, seen time.Time, refused bool) ledger.ForeignName {
		return ledger.ForeignName{ForeignUse: inbox.ForeignUse{Name: fmt.Sprint(n), SeenAt: seen}, Refused: refused}
	}
	names := []ledger.ForeignName{name(4, at(11, 0), true), name(3, at(10, 0), false), name(2, at(9, 0), false), name(1, at(7, 0), false)}
	for _, c := range []struct {
		name  string
		forms []inbox.Form
		again bool
		count int // of suspects; the newest is 3
	}{
		{"older than the names", []inbox.Form{form("06:00:00.000")}, false, 3},
		{"older than some", []inbox.Form{form("09:30:00.000")}, false, 2},
		{"within the tolerance", []inbox.Form{form("11:00:00.000")}, false, 1},
		{"newer", []inbox.Form{form("11:00:01.000")}, false, 0},
		{"the oldest form counts", []inbox.Form{form("12:00:00.000"), form("09:30:00.000")}, false, 2},
		{"no form", nil, false, 3},
		{"a form that does not say", []inbox.Form{form("12:00:00.000"), form("")}, false, 3},
		{"a person insists", []inbox.Form{form("06:00:00.000")}, true, 0},
	} {
		d := inbox.Draft{Again: c.again, Parts: []inbox.Part{{Number: 1, Forms: c.forms}}}
		err := ledger.MaybeSent(d, names)
		var maybe *inbox.MaybeSentError
		switch {
		case c.count == 0 && err != nil, c.count > 0 && !errors.As(err, &maybe):
			t.Errorf("%s: got %v", c.name, err)
		case c.count > 0 && (maybe.Count != c.count || maybe.Use.Name != "3"):
			t.Errorf("%s: got %+v", c.name, maybe)
		}
	}
}
