package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// sets are sets in memory, where Match looks.
type sets []sentSet

type sentSet struct {
	id     int64
	key    string
	state  inbox.State
	ticket string
	forms  []sentForm
}

type sentForm struct {
	part, form int
	hour       string // of 2026-03-02
	reference  string
}

var errLost = errors.New("the ledger is lost")

func (all sets) SetNamed(key string) (int64, bool, error) {
	for _, s := range all {
		if s.key == key {
			return s.id, true, nil
		}
	}
	return 0, false, nil
}

func (all sets) choose(c ledger.Candidates, fits func(sentSet) bool) (ids []int64, err error) {
	for _, s := range all {
		f := strings.Split(s.key, ".")
		if !ledger.NeverLeft(s.state) && fits(s) && (c.Sender == "" || c.Sender == f[1]) && (c.Environment == "" || string(c.Environment) == f[4]) {
			ids = append(ids, s.id)
		}
	}
	return ids, nil
}

func (all sets) SetsWithTicket(c ledger.Candidates, ticket string) ([]int64, error) {
	if ticket == "lost" {
		return nil, errLost
	}
	return all.choose(c, func(s sentSet) bool { return s.ticket == ticket })
}

func (all sets) SetsWithReference(c ledger.Candidates, number string) ([]int64, error) {
	return all.choose(c, func(s sentSet) bool { p, _ := all.FormsWithReference(s.id, number); return len(p) > 0 })
}

func (all sets) SetsWithForm(c ledger.Candidates, date, hour string) ([]int64, error) {
	return all.choose(c, func(s sentSet) bool { p, _ := all.FormsAt(s.id, date, hour); return len(p) > 0 })
}

func (all sets) places(set int64, fits func(sentForm) bool) (places []ledger.Place, err error) {
	for _, s := range all {
		for _, f := range s.forms {
			if s.id == set && fits(f) {
				places = append(places, ledger.Place{Part: f.part, Form: f.form})
			}
		}
	}
	return places, nil
}

func (all sets) FirstForm(set int64) (date, hour string, found bool, err error) {
	for _, s := range all {
		if s.id == set && len(s.forms) > 0 {
			return day, s.forms[0].hour, true, nil
		}
	}
	return "", "", false, nil
}

func (all sets) HasFormWithin(set int64, date, second string) (bool, error) {
	places, err := all.places(set, func(f sentForm) bool { return date == day && strings.HasPrefix(f.hour, second) })
	return len(places) > 0, err
}

func (all sets) FormsWithReference(set int64, number string) ([]ledger.Place, error) {
	return all.places(set, func(f sentForm) bool { return f.reference == number })
}

func (all sets) FormsAt(set int64, date, hour string) ([]ledger.Place, error) {
	return all.places(set, func(f sentForm) bool { return date == day && f.hour == hour })
}

func (all sets) Forms(set int64, part int) ([]ledger.Place, error) {
	return all.places(set, func(f sentForm) bool { return part == 0 || f.part == part })
}

const day = "2026-03-02"

// The order in which an answer looks for its set: by file name, ticket, reference,
// date and hour.
func TestMatchOrder(t *testing.T) {
	all := sets{
		{1, "DIMN.101380.20260302.00001.T", inbox.Sent, "T1", []sentForm{{1, 1, "08:00:01.000", "one"}}},
		{2, "DIMN.101380.20260302.00002.T", inbox.Received, "T2", []sentForm{{1, 1, "08:00:02.000", "two"}, {2, 1, "08:00:03.000", "three"}, {2, 2, "08:00:03.000", "four"}}},
		{3, "DIMN.101380.20260302.00003.T", inbox.Prepared, "", []sentForm{{1, 1, "08:00:04.000", "unsent"}}},
		{4, "DIMN.101380.20260302.00004.R", inbox.Sent, "T4", []sentForm{{1, 1, "08:00:01.000", "one"}}},
		{5, "DIMN.101380.20260302.00005.T", inbox.Sent, "T2", []sentForm{{1, 1, "", "five"}}},
		{6, "DIMN.101380.20260302.00006.T", inbox.Sent, "", nil},
	}
	name := func(n, rest string) string { return "GO.DIMN.101380.20260302." + n + ".T." + rest }
	for _, c := range []struct {
		name       string
		answer     ledger.Answer
		set        int64
		part, form int
		by         string
		elsewhere  string
	}{
		{"file name", ledger.Answer{FileName: name("00001", "1")}, 1, 1, 1, ledger.ByFileName, ""},
		{"file name before ticket", ledger.Answer{FileName: name("00001", "1"), Tickets: []string{"T4"}}, 1, 1, 1, ledger.ByFileName, ""},
		{"file name of a part", ledger.Answer{FileName: "FI.DIMN.101380.20260302.00002.T.2.1"}, 2, 1, 1, ledger.ByFileName, ""},
		{"file name of a part with two forms", ledger.Answer{FileName: "FI.DIMN.101380.20260302.00002.T.2.2"}, 2, 2, 0, ledger.ByFileName, ""},
		{"file name and reference", ledger.Answer{FileName: name("00002", "2"), References: []string{"?", "four"}}, 2, 2, 2, ledger.ByFileName, ""},
		{"file name and moment", ledger.Answer{FileName: name("00002", "2"), Date: day, Hour: "08:00:02.000"}, 2, 1, 1, ledger.ByFileName, ""},
		{"file name, the moment of two forms", ledger.Answer{FileName: name("00002", "2"), Date: day, Hour: "08:00:03.000"}, 2, 0, 0, ledger.ByFileName, ""},
		{"file name, other fractions of a second", ledger.Answer{FileName: name("00001", "1"), Date: day, Hour: "08:00:01"}, 1, 1, 1, ledger.ByFileName, ""},
		{"file name of what never left", ledger.Answer{FileName: name("00003", "1")}, 3, 1, 1, ledger.ByFileName, ""},
		{"file name of another sender", ledger.Answer{FileName: name("00001", "1"), Sender: "222222"}, 0, 0, 0, "", ""},
		{"other contents under our name", ledger.Answer{FileName: name("00001", "1"), Date: day, Hour: "09:09:09.000", Tickets: []string{"T4"}}, 0, 0, 0, "", all[0].key},
		{"other moment, our reference", ledger.Answer{FileName: name("00001", "1"), Date: day, Hour: "09:09:09.000", References: []string{"one"}}, 1, 1, 1, ledger.ByFileName, ""},
		{"a set of which no moment is known", ledger.Answer{FileName: name("00005", "1"), Date: day, Hour: "09:09:09.000"}, 5, 1, 1, ledger.ByFileName, ""},
		{"a set of which no form is known", ledger.Answer{FileName: name("00006", "1"), Date: day, Hour: "09:09:09.000"}, 6, 0, 0, ledger.ByFileName, ""},
		{"a receipt has no form", ledger.Answer{Kind: ledger.KindReceipt, FileName: name("00001", "1")}, 1, 0, 0, ledger.ByFileName, ""},
		{"a receipt is for its file", ledger.Answer{Kind: ledger.KindReceipt, Tickets: []string{"T1"}}, 0, 0, 0, "", ""},
		{"a file of somebody else", ledger.Answer{FileName: name("00009", "1"), References: []string{"one"}}, 0, 0, 0, "", "DIMN.101380.20260302.00009.T"},
		{"a file of somebody else with our ticket", ledger.Answer{FileName: name("00009", "1"), Tickets: []string{"T1"}}, 1, 1, 1, ledger.ByTicket, "DIMN.101380.20260302.00009.T"},
		{"ticket before reference", ledger.Answer{Tickets: []string{"?", "T1"}, References: []string{"two"}}, 1, 1, 1, ledger.ByTicket, ""},
		{"ticket of another environment", ledger.Answer{Tickets: []string{"T4"}}, 4, 1, 1, ledger.ByTicket, ""},
		{"ticket of two", ledger.Answer{Tickets: []string{"T2"}}, 0, 0, 0, ledger.Ambiguous, ""},
		{"ticket of two, and a clear reference", ledger.Answer{Tickets: []string{"T2"}, References: []string{"four"}}, 2, 2, 2, ledger.ByReference, ""},
		{"ticket, another sender", ledger.Answer{Tickets: []string{"T1"}, Sender: "222222"}, 0, 0, 0, "", ""},
		{"reference, here and elsewhere", ledger.Answer{References: []string{"one"}}, 1, 1, 1, ledger.ByReference, ""},
		{"reference of what never left", ledger.Answer{References: []string{"unsent"}}, 0, 0, 0, "", ""},
		{"date and hour", ledger.Answer{Date: day, Hour: "08:00:02.000"}, 2, 1, 1, ledger.ByMoment, ""},
		{"date alone", ledger.Answer{Date: day}, 0, 0, 0, "", ""},
		{"what an earlier try left", ledger.Answer{SubmissionID: 1, Part: 7, Form: 7, MatchedBy: ledger.ByTicket, Elsewhere: "x"}, 0, 0, 0, "", ""},
	} {
		a := c.answer
		if a.Kind == "" {
			a.Kind = ledger.KindNotification
		}
		err := ledger.Match(all, naming.Test, &a)
		if err != nil || a.SubmissionID != c.set || a.Part != c.part || a.Form != c.form || a.MatchedBy != c.by || a.Elsewhere != c.elsewhere {
			t.Errorf("%s: got set %d, part %d, form %d, by %q, elsewhere %q, %v", c.name, a.SubmissionID, a.Part, a.Form, a.MatchedBy, a.Elsewhere, err)
		}
	}
	lost := ledger.Answer{Kind: ledger.KindNotification, Tickets: []string{"lost"}}
	if err := ledger.Match(all, naming.Test, &lost); !errors.Is(err, errLost) {
		t.Errorf("got %v", err)
	}
}

func TestTakesTicket(t *testing.T) {
	for _, c := range []struct {
		present   string
		confirmed bool
		outcome   string
		want      bool
	}{
		{"", false, ledger.OutcomeRefused, true},
		{"1", false, ledger.OutcomeRefused, false},
		{"1", false, ledger.OutcomeAccepted, true},
		{"1", false, ledger.OutcomeRemarks, true},
		{"1", true, ledger.OutcomeAccepted, false},
	} {
		if got := ledger.TakesTicket(c.present, c.confirmed, c.outcome); got != c.want {
			t.Errorf("%+v: got %t", c, got)
		}
	}
}

func TestSetKey(t *testing.T) {
	const key = "DIMN.101380.20260302.00001.T"
	for name, want := range map[string]string{
		"GO." + key + ".2": key, "FI." + key + ".2.1": key, "FS." + key: key, key: key, key + ".2": key, "GO": "GO", "": "",
	} {
		if got := ledger.SetKey(name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
