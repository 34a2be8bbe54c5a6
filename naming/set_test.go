package naming

import (
	"strings"
	"testing"
)

func example() Set {
	return Set{Application: "DMFA", Sender: "101380", Date: "20100920", Sequence: "00001", Environment: Production, Parts: 4}
}

func TestSetNames(t *testing.T) {
	s := example()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"FI(1)", s.FI(1).String(), "FI.DMFA.101380.20100920.00001.R.4.1"},
		{"FI(4)", s.FI(4).String(), "FI.DMFA.101380.20100920.00001.R.4.4"},
		{"FS(1)", s.FS(1).String(), "FS.DMFA.101380.20100920.00001.R.4.1"},
		{"GO", s.GO().String(), "GO.DMFA.101380.20100920.00001.R.4"},
		{"TD", s.TD().String(), "TD.DMFA.101380.20100920.00001.R.4"},
		{"String", s.String(), "DMFA.101380.20100920.00001.R.4"},
		{"Key", s.Key(), "DMFA.101380.20100920.00001.R"},
		{"Inbox", s.Inbox(), "IN"},
		{"Outbox", s.Outbox(), "OUT"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if got := s.FI(3).Set(); got != s {
		t.Errorf("the set of a part is %+v, want %+v", got, s)
	}
}

func TestSetCheck(t *testing.T) {
	tests := []struct {
		name string
		with func(*Set)
		want string
	}{
		{"application", func(s *Set) { s.Application = "dmfa" }, "four capital letters"},
		{"short sender", func(s *Set) { s.Sender = "1380" }, "six digits"},
		{"sender zero", func(s *Set) { s.Sender = "000000" }, "does not exist"},
		{"the office", func(s *Set) { s.Sender = OfficeSender }, "office itself"},
		{"date", func(s *Set) { s.Date = "20100931" }, "calendar"},
		{"sequence zero", func(s *Set) { s.Sequence = "00000" }, "starts at 00001"},
		{"no sequence", func(s *Set) { s.Sequence = "" }, "5 positions"},
		{"environment", func(s *Set) { s.Environment = "P" }, "does not exist"},
		{"no parts", func(s *Set) { s.Parts = 0 }, "number of parts 0"},
		{"ten parts", func(s *Set) { s.Parts = 10 }, "number of parts 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := example()
			tt.with(&s)
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestEnvironments(t *testing.T) {
	tests := []struct {
		env             Environment
		inbox, outbox   string
		valid, signed   bool
		meaningContains string
	}{
		{Production, "IN", "OUT", true, true, "production"},
		{Test, "INTEST", "OUTTEST", true, false, "test"},
		{DeclarationTest, "INTEST-S", "OUTTEST-S", true, false, "declaration test"},
		{"", "", "", false, false, "unknown"},
		{"r", "", "", false, false, "unknown"},
	}
	for _, tt := range tests {
		if tt.env.Inbox() != tt.inbox || tt.env.Outbox() != tt.outbox {
			t.Errorf("%q: folders %q and %q, want %q and %q", tt.env, tt.env.Inbox(), tt.env.Outbox(), tt.inbox, tt.outbox)
		}
		if tt.env.Valid() != tt.valid || tt.env.RequiresSignature() != tt.signed {
			t.Errorf("%q: valid %t, signed %t", tt.env, tt.env.Valid(), tt.env.RequiresSignature())
		}
		if got, err := ParseEnvironment(string(tt.env)); (err == nil) != tt.valid || (err == nil && got != tt.env) {
			t.Errorf("ParseEnvironment(%q) = %q, %v", tt.env, got, err)
		}
		if !strings.Contains(tt.env.Meaning(), tt.meaningContains) {
			t.Errorf("%q means %q", tt.env, tt.env.Meaning())
		}
	}
	if got := Environments(); len(got) != 3 || got[0] != Production {
		t.Errorf("Environments = %v", got)
	}
}

func TestKinds(t *testing.T) {
	meanings := map[string]bool{}
	for _, k := range Kinds() {
		if !k.Valid() {
			t.Errorf("%s is not valid", k)
		}
		meanings[k.Meaning()] = true
	}
	if len(meanings) != 6 || meanings["unknown kind"] {
		t.Errorf("meanings %v, want six different ones", meanings)
	}
	for _, k := range []Kind{"", "fi", "FX", "FI "} {
		if k.Valid() || k.Meaning() != "unknown kind" {
			t.Errorf("%q is valid", k)
		}
	}
}
