package inbox_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
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
		NameUsed:            {false, false, true, true},
	} {
		if got := [4]bool{s.BeforeGO(), s.Unfinished(), s.Answered(), s.Final()}; got != want {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
		if !slices.Contains(States(), s) {
			t.Errorf("%s is not among the states", s)
		}
	}
	if n := len(States()); n != 12 {
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
			case from == NameUsed:
				why = "no answer says whose it is"
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
				if to.Answered() && to != from && from != NameUsed && !from.CanBecome(to) {
					t.Errorf("%s cannot become %s: the order of answers would matter", from, to)
				}
			}
		}
	}
}

// docs/delivery.md describes every state, and exactly the transitions that the
// program allows.
func TestTransitionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"from: to"}
	for _, from := range States() {
		var to []string
		for _, s := range States() {
			if from.CanBecome(s) {
				to = append(to, string(s))
			}
		}
		slices.Sort(to)
		want = append(want, fmt.Sprint(from, ": ", strings.Join(to, " ")))
	}
	var got []string
	for _, row := range tableUnder(t, string(text), "### Transitions") {
		to := regexp.MustCompile(`[a-z-]+`).FindAllString(row[1], -1)
		slices.Sort(to)
		got = append(got, fmt.Sprint(strings.Trim(row[0], "`"), ": ", strings.Join(to, " ")))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the document has\n%s\nand the program\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	described := map[string]bool{}
	for _, row := range tableUnder(t, string(text), "### States") {
		described[strings.Trim(row[0], "`")] = true
		if len(row) != 4 || slices.Contains(row, "") {
			t.Errorf("say what is true on the disk, in the ledger and on the server: %q", row)
		}
	}
	for _, s := range States() {
		if !described[string(s)] {
			t.Errorf("%s is not described", s)
		}
	}
}

// tableUnder gives the rows of the first table below a heading.
func tableUnder(t *testing.T, text, heading string) (rows [][]string) {
	t.Helper()
	_, below, found := strings.Cut(text, "\n"+heading+"\n")
	for _, line := range strings.Split(below, "\n") {
		switch {
		case strings.HasPrefix(line, "|--"):
		case strings.HasPrefix(line, "|"):
			var row []string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				row = append(row, strings.TrimSpace(cell))
			}
			rows = append(rows, row)
		case len(rows) > 0:
			return rows
		}
	}
	if !found || len(rows) == 0 {
		t.Fatalf("no table under %q", heading)
	}
	return rows
}
