package inbox_test

import (
	"slices"
	"testing"

	. "github.com/socbatch/socbatch/inbox"
)

func TestStates(t *testing.T) {
	// Per state: before GO, unfinished, answered, final.
	for s, want := range map[State][4]bool{
		Prepared:            {true, true, false, false},
		Uploading:           {true, true, false, false},
		Uploaded:            {true, true, false, false},
		Failed:              {true, true, false, false},
		Unknown:             {false, true, false, false},
		Sent:                {false, false, false, false},
		Cancelled:           {false, false, false, true},
		Received:            {false, false, true, false},
		Accepted:            {false, false, true, true},
		AcceptedWithRemarks: {false, false, true, true},
		Refused:             {false, false, true, true},
	} {
		if got := [4]bool{s.BeforeGO(), s.Unfinished(), s.Answered(), s.Final()}; got != want {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
		if !slices.Contains(States(), s) {
			t.Errorf("%s is not among the states", s)
		}
	}
	if n := len(States()); n != 11 {
		t.Errorf("%d states", n)
	}
}

func TestTransitions(t *testing.T) {
	for _, from := range States() {
		for _, to := range States() {
			can := from.CanBecome(to)
			why := ""
			switch {
			case from == to:
				why = "a state does not follow itself"
			case to == Prepared:
				why = "a set begins once"
			case from == Cancelled && (to.BeforeGO() || to == Unknown || to == Sent):
				why = "what is given up is never sent"
			case to == Sent && from != Unknown:
				why = "only a GO that was asked for is sent"
			case to.Answered() && from.BeforeGO():
				why = "no answer without GO"
			case (from == Sent || from.Answered()) && !to.Answered():
				why = "what is sent stays sent"
			case from == Unknown && to.BeforeGO() && to != Uploaded:
				why = "after GO only a look at the server leads back"
			}
			if can && why != "" {
				t.Errorf("%s can become %s: %s", from, to, why)
			}
		}
		if from.BeforeGO() && !from.CanBecome(Cancelled) {
			t.Errorf("%s cannot be cancelled", from)
		}
		if from.Answered() {
			for _, to := range States() {
				if to.Answered() && to != from && !from.CanBecome(to) {
					t.Errorf("%s cannot become %s: the order of answers would matter", from, to)
				}
			}
		}
	}
}
