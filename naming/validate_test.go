package naming

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ids gives the error ids of faults; those of warnings are in brackets.
func ids(faults []Fault) []string {
	var s []string
	for _, f := range faults {
		id := strings.TrimPrefix(f.ID, "ACRF-")
		if f.Warning {
			id = "(" + id + ")"
		}
		s = append(s, id)
	}
	return s
}

func TestValidate(t *testing.T) {
	inFolder := func(folder string) Context { return Context{Folder: folder} }
	today := Context{Account: "101380", Today: "20240301", MaxAge: 30}
	tests := []struct {
		name, text string
		context    Context
		want       string // ids, separated by spaces
	}{
		{"FI", "FI.DMFA.101380.20240301.00001.R.4.1", today, ""},
		{"FS", "FS.DMFA.101380.20240301.00001.R.4.4", today, ""},
		{"GO", "GO.DMFA.101380.20240301.00001.R.4", today, ""},
		{"TD", "TD.DMFA.101380.20240301.00001.R.4", today, ""},
		{"letters in the sequence", "FI.DIMN.101380.20240301.24AZG.T.1.1", today, ""},
		{"zero value of the context", "FI.DIMN.000001.19000101.00001.T.9.9", Context{}, ""},

		{"107 GO of eight fields", "GO.DMFA.101380.20240301.00001.R.4.1", Context{}, "107"},
		{"107 TD of five fields", "TD.DMFA.101380.20240301.00001", Context{}, "107"},
		{"107 sender of a GO", "GO.DMFA.1380.20240301.00001.R.4", Context{}, "107"},
		{"131 FI of seven fields", "FI.DMFA.101380.20240301.00001.R.4", Context{}, "131"},
		{"131 no kind", "declaration.xml", Context{}, "131 129"},
		{"131 empty", "", Context{}, "131"},
		{"131 lower case kind", "fi.DMFA.101380.20240301.00001.R.4.1", Context{}, "131"},
		{"131 extension", "FI.DMFA.101380.20240301.00001.R.4.1.xml", Context{}, "131"},
		{"131 a reply", "FO.DMFA.101380.20240301.00001.R.1.1", Context{}, "131"},
		{"131 a compressed reply", "CO.DMFA.101380.20240301.00001.R.1.1", Context{}, "131"},
		{"132 FS of seven fields", "FS.DMFA.101380.20240301.00001.R.4", Context{}, "132"},
		{"132 sender of an FS", "FS.DMFA.10138X.20240301.00001.R.4.1", Context{}, "132"},
		{"108 another sender", "FI.DMFA.101381.20240301.00001.R.4.1", today, "108"},
		{"108 the office", "FI.DMFA.999999.20240301.00001.R.4.1", Context{}, "108"},
		{"108 sender zero", "FI.DMFA.000000.20240301.00001.R.4.1", Context{}, "108"},
		{"109 six digits", "FI.DMFA.101380.240301.00001.R.4.1", today, "109"},
		{"109 dashes", "FI.DMFA.101380.2024-03-01.00001.R.4.1", today, "109"},
		{"110 31 February", "FI.DMFA.101380.20240231.00001.R.4.1", today, "110"},
		{"110 29 February of a common year", "FI.DMFA.101380.20230229.00001.R.4.1", today, "110"},
		{"110 a letter", "FI.DMFA.101380.2024O301.00001.R.4.1", today, "110"},
		{"111 tomorrow", "FI.DMFA.101380.20240302.00001.R.4.1", today, "111"},
		{"126 31 days ago", "FI.DMFA.101380.20240130.00001.R.4.1", today, "126"},
		{"30 days ago is the limit", "FI.DMFA.101380.20240131.00001.R.4.1", today, ""},
		{"112 four positions", "FI.DMFA.101380.20240301.0001.R.4.1", Context{}, "112"},
		{"112 and 127", "FI.DMFA.101380.20240301.000000.R.4.1", Context{}, "112 127"},
		{"112 empty", "FI.DMFA.101380.20240301..R.4.1", Context{}, "112"},
		{"367 lower case", "FI.DMFA.101380.20240301.0000a.R.4.1", Context{}, "367"},
		{"367 and 112", "FI.DMFA.101380.20240301.00-01X.R.4.1", Context{}, "112 367"},
		{"127 zero", "FI.DMFA.101380.20240301.00000.R.4.1", Context{}, "127"},
		{"117 P", "FI.DMFA.101380.20240301.00001.P.4.1", inFolder("IN"), "117"},
		{"117 lower case", "FI.DMFA.101380.20240301.00001.r.4.1", Context{}, "117"},
		{"118 R outside IN", "FI.DMFA.101380.20240301.00001.R.4.1", inFolder("INTEST"), "118"},
		{"119 T outside INTEST", "FI.DMFA.101380.20240301.00001.T.4.1", inFolder("IN"), "119"},
		{"257 S outside INTEST-S", "FI.DMFA.101380.20240301.00001.S.4.1", inFolder("INTEST"), "257"},
		{"R in IN", "FI.DMFA.101380.20240301.00001.R.4.1", inFolder("IN"), ""},
		{"T in INTEST", "FI.DMFA.101380.20240301.00001.T.4.1", inFolder("INTEST"), ""},
		{"S in INTEST-S", "FI.DMFA.101380.20240301.00001.S.4.1", inFolder("INTEST-S"), ""},
		{"114 two digits", "GO.DMFA.101380.20240301.00001.R.10", Context{}, "114"},
		{"114 none", "GO.DMFA.101380.20240301.00001.R.", Context{}, "114"},
		{"114 a letter of two bytes", "GO.DMFA.101380.20240301.00001.R.é", Context{}, "114"},
		{"115 letter", "GO.DMFA.101380.20240301.00001.R.A", Context{}, "115"},
		{"116 zero", "GO.DMFA.101380.20240301.00001.R.0", Context{}, "116"},
		{"128 more than allowed", "GO.DMFA.101380.20240301.00001.R.5", Context{MaxParts: 4}, "128"},
		{"as many as allowed", "GO.DMFA.101380.20240301.00001.R.4", Context{MaxParts: 4}, ""},
		{"123 part beyond the parts", "FI.DMFA.101380.20240301.00001.R.4.5", Context{}, "123"},
		{"123 part zero", "FI.DMFA.101380.20240301.00001.R.4.0", Context{}, "123"},
		{"124 part beyond the parts", "FS.DMFA.101380.20240301.00001.R.4.5", Context{}, "124"},
		{"124 letter", "FS.DMFA.101380.20240301.00001.R.4.A", Context{}, "124"},
		{"129 five letters", "FI.DMFAX.101380.20240301.00001.R.4.1", Context{}, "129"},
		{"129 lower case", "FI.dmfa.101380.20240301.00001.R.4.1", Context{}, "129"},

		{"warning: unknown application", "FI.DFMA.101380.20240301.00001.R.4.1", Context{}, "(129)"},
		{"warning: received only", "FI.NOTI.101380.20240301.00001.R.4.1", Context{}, "(129)"},
		{"warning: no Dimona in S", "FI.DIMN.101380.20240301.00001.S.1.1", inFolder("INTEST-S"), "()"},
		{"warning: old form of an FI", "FI.AOAT.101380.20240301.00001.R", Context{}, "(131)"},
		{"warning: old form of an FS", "FS.AOAT.101380.20240301.00001.R", Context{}, "(132)"},
		{"warning: old form of a GO", "GO.AOAT.101380.20240301.00001.R", Context{}, "(107)"},

		{"several", "FI.dmfa.101381.20240231.0000a.P.0.0", today, "129 108 110 367 117 116 123"},
		{"several, with a warning", "GO.DFMA.101381.20240302.00000.T.A", Context{Account: "101380", Today: "20240301", Folder: "IN"}, "(129) 108 111 127 119 115"},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults := Validate(tt.text, tt.context)
			got := ids(faults)
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("Validate(%q) = %q, want %q\n%+v", tt.text, s, tt.want, faults)
			}
			for _, id := range got {
				seen[strings.Trim(id, "()")] = true
			}
			for _, f := range faults {
				if f.Text == "" || strings.HasSuffix(f.Text, ".") {
					t.Errorf("text %q is not one sentence without full stop", f.Text)
				}
			}
		})
	}
	for _, id := range strings.Fields("107 108 109 110 111 112 114 115 116 117 118 119 123 124 126 127 128 129 131 132 257 367") {
		if !seen[id] {
			t.Errorf("no row of the table gives ACRF-%s", id)
		}
	}
}

func TestValidateSuggests(t *testing.T) {
	nearest := func(code string) (Application, bool) {
		return LookupApplication(map[string]string{"DIMM": "DIMN", "DMAF": "DMFA", "dimn": "DIMN"}[code])
	}
	tests := []struct{ text, want string }{
		{"FI.DIMM.101380.20240301.00001.T.1.1", "did you mean DIMN (Dimona"},
		{"FI.DMAF.101380.20240301.00001.T.1.1", "did you mean DMFA ("},
		{"FI.dimn.101380.20240301.00001.T.1.1", "did you mean DIMN ("},
		{"FI.QQQQ.101380.20240301.00001.T.1.1", "no known one is close"},
		{"FI.DMFA.1.20240301.00001.T.1.1", "zeros on the left"},
	}
	for _, tt := range tests {
		faults := Validate(tt.text, Context{Nearest: nearest})
		if len(faults) != 1 || !strings.Contains(faults[0].Text, tt.want) {
			t.Errorf("Validate(%q) = %+v, want one fault with %q", tt.text, faults, tt.want)
		}
	}
	for _, code := range []string{"DIMM", "dimn"} {
		faults := Validate("FI."+code+".101380.20240301.00001.T.1.1", Context{})
		if len(faults) != 1 || strings.Contains(faults[0].Text, ";") {
			t.Errorf("%s: %+v, want one fault without a suggestion", code, faults)
		}
	}
}

// What Set builds, Validate accepts: in its own folder, for its own sender, on
// its own day.
func TestValidateAcceptsBuiltNames(t *testing.T) {
	sent := slices.DeleteFunc(Applications(), func(a Application) bool { return a.Direction != Sent })
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(sent).Draw(t, "application")
		s := Set{
			Application: a.Code,
			Sender:      rapid.StringMatching(`[0-8][0-9]{4}[1-9]`).Draw(t, "sender"),
			Date:        Date("20000101").AddDays(rapid.IntRange(0, 36500).Draw(t, "day")),
			Sequence:    Sequence(rapid.StringMatching(`[0-9A-Z]{4}[1-9A-Z]`).Draw(t, "sequence")),
			Environment: rapid.SampledFrom(a.Environments).Draw(t, "environment"),
			Parts:       rapid.IntRange(1, MaxParts).Draw(t, "parts"),
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		c := Context{Account: s.Sender, Today: s.Date, MaxAge: 1, Folder: s.Inbox()}
		names := []Name{s.GO(), s.TD()}
		for part := 1; part <= s.Parts; part++ {
			names = append(names, s.FI(part), s.FS(part))
		}
		for _, n := range names {
			if faults := Validate(n.String(), c); len(faults) > 0 {
				t.Fatalf("%s: %+v", n, faults)
			}
		}
	})
}
