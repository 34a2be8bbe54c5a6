package naming

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// channelNames are real forms of names: the examples of the channel's manual
// and one name of every kind in every form that the kind has.
var channelNames = []struct {
	text string
	want Name
}{
	{"FI.DMFA.101380.20100920.00001.R.4.1", Name{FI, "DMFA", "101380", "20100920", "00001", Production, 4, 1}},
	{"FI.DMFA.101380.20100920.00001.R.4.4", Name{FI, "DMFA", "101380", "20100920", "00001", Production, 4, 4}},
	{"FS.DMFA.101380.20100920.00001.R.4.1", Name{FS, "DMFA", "101380", "20100920", "00001", Production, 4, 1}},
	{"GO.DMFA.101380.20100920.00001.R.4", Name{GO, "DMFA", "101380", "20100920", "00001", Production, 4, 0}},
	{"TD.DMFA.101380.20100920.00001.R.4", Name{TD, "DMFA", "101380", "20100920", "00001", Production, 4, 0}},
	{"FO.ACRF.999999.20110701.00001.T", Name{FO, "ACRF", "999999", "20110701", "00001", Test, 0, 0}},
	{"FS.ACRF.999999.20110701.00001.T", Name{FS, "ACRF", "999999", "20110701", "00001", Test, 0, 0}},
	{"GO.ACRF.999999.20110701.00001.T", Name{GO, "ACRF", "999999", "20110701", "00001", Test, 0, 0}},
	{"FO.DMNO.999999.20070425.00010.R.1.1", Name{FO, "DMNO", "999999", "20070425", "00010", Production, 1, 1}},
	{"FS.DMNO.999999.20070425.00010.R.1.1", Name{FS, "DMNO", "999999", "20070425", "00010", Production, 1, 1}},
	{"FS.DMNO.999999.20070425.00010.R.1", Name{FS, "DMNO", "999999", "20070425", "00010", Production, 1, 0}},
	{"GO.DMNO.999999.20070425.00010.R.1", Name{GO, "DMNO", "999999", "20070425", "00010", Production, 1, 0}},
	{"GO.DMNO.999999.20070425.00010.R.1.1", Name{GO, "DMNO", "999999", "20070425", "00010", Production, 1, 1}},
	{"CO.NOTI.999999.20140628.00001.R", Name{CO, "NOTI", "999999", "20140628", "00001", Production, 0, 0}},
	{"CO.NOTI.999999.20140628.00001.R.2.1", Name{CO, "NOTI", "999999", "20140628", "00001", Production, 2, 1}},
	{"FI.AOAT.000001.20090728.00901.R", Name{FI, "AOAT", "000001", "20090728", "00901", Production, 0, 0}},
	{"FS.AOAT.000001.20090728.00901.R", Name{FS, "AOAT", "000001", "20090728", "00901", Production, 0, 0}},
	{"GO.AOAT.000001.20090728.00901.R", Name{GO, "AOAT", "000001", "20090728", "00901", Production, 0, 0}},
	{"TD.AOAT.000001.20090728.00901.R", Name{TD, "AOAT", "000001", "20090728", "00901", Production, 0, 0}},
	{"FI.DIMN.101380.20240229.24AZG.T.1.1", Name{FI, "DIMN", "101380", "20240229", "24AZG", Test, 1, 1}},
	{"FI.DMWA.101380.20240229.ZZZZZ.S.9.9", Name{FI, "DMWA", "101380", "20240229", "ZZZZZ", DeclarationTest, 9, 9}},
	// The server refuses these two, but a name that exists must be readable.
	{"FI.DIMN.101380.20240229.00000.T.1.1", Name{FI, "DIMN", "101380", "20240229", "00000", Test, 1, 1}},
	{"FI.QQQQ.101380.20240229.00001.T.1.1", Name{FI, "QQQQ", "101380", "20240229", "00001", Test, 1, 1}},
}

func TestParse(t *testing.T) {
	for _, tt := range channelNames {
		t.Run(tt.text, func(t *testing.T) {
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("Parse = %+v, want %+v", got, tt.want)
			}
			if s := got.String(); s != tt.text {
				t.Errorf("String = %q, want %q", s, tt.text)
			}
		})
	}
}

func TestParseUnknown(t *testing.T) {
	const good = "FI.DMFA.101380.20100920.00001.R.4.1"
	tests := []struct{ name, text, reason string }{
		{"empty", "", "does not start with"},
		{"kind alone", "FI", "1 fields"},
		{"other file", "readme.txt", "does not start with"},
		{"hidden file", ".bash_history", "does not start with"},
		{"lower case kind", strings.Replace(good, "FI", "fi", 1), "does not start with"},
		{"lower case application", strings.Replace(good, "DMFA", "dmfa", 1), `application "dmfa"`},
		{"long application", strings.Replace(good, "DMFA", "DMFAA", 1), `application "DMFAA"`},
		{"digit in application", strings.Replace(good, "DMFA", "DMF1", 1), `application "DMF1"`},
		{"short sender", strings.Replace(good, "101380", "1380", 1), `sender "1380"`},
		{"letter in sender", strings.Replace(good, "101380", "10138A", 1), `sender "10138A"`},
		{"digits that are not ASCII", strings.Replace(good, "101380", "١٢", 1), "sender"},
		{"short date", strings.Replace(good, "20100920", "100920", 1), "not eight digits"},
		{"day that is none", strings.Replace(good, "20100920", "20100931", 1), "not a day of the calendar"},
		{"year zero", strings.Replace(good, "20100920", "00000101", 1), "not a day of the calendar"},
		{"short sequence", strings.Replace(good, "00001", "0001", 1), `sequence "0001"`},
		{"lower case sequence", strings.Replace(good, "00001", "0000a", 1), `sequence "0000a"`},
		{"environment", strings.Replace(good, ".R.", ".P.", 1), `environment "P"`},
		{"no parts", strings.Replace(good, ".4.1", ".0.1", 1), `number of parts "0"`},
		{"ten parts", strings.Replace(good, ".4.1", ".10.1", 1), `number of parts "10"`},
		{"part zero", strings.Replace(good, ".4.1", ".4.0", 1), `part "0"`},
		{"part beyond the parts", strings.Replace(good, ".4.1", ".4.5", 1), `from 1 to 4`},
		{"FI of seven fields", "FI.DMFA.101380.20100920.00001.R.4", "8"},
		{"FO of seven fields", "FO.ACRF.999999.20110701.00001.T.1", "7 fields"},
		{"TD of eight fields", "TD.DMFA.101380.20100920.00001.R.4.1", "8 fields"},
		{"extension", good + ".xml", "9 fields"},
		{"partial upload", good + ".filepart", "9 fields"},
		{"space before", " " + good, "does not start with"},
		{"line end after", good + "\n", "part"},
		{"NUL", strings.Replace(good, "101380", "10138\x00", 1), "sender"},
		{"path", "OUT/" + good, "does not start with"},
		{"very long", "FI." + strings.Repeat("A", 5000), "5003 characters long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := Parse(tt.text)
			var unknown *UnknownError
			if !errors.As(err, &unknown) {
				t.Fatalf("Parse = %+v, %v, want an UnknownError", n, err)
			}
			if n != (Name{}) {
				t.Errorf("Parse gave %+v beside its error", n)
			}
			if !strings.Contains(unknown.Reason.Error(), tt.reason) {
				t.Errorf("reason %q does not contain %q", unknown.Reason.Error(), tt.reason)
			}
			if len(unknown.Text) > maxNameLength || !strings.HasPrefix(tt.text, unknown.Text) {
				t.Errorf("Text %q is not a bounded beginning of the text", unknown.Text)
			}
			if strings.ContainsAny(err.Error(), "\x00\n\x1b") {
				t.Errorf("message %q passes on control characters", err)
			}
		})
	}
}

func TestNameSet(t *testing.T) {
	tests := []struct {
		text, key string
		parts     int
	}{
		{"FI.DMFA.101380.20100920.00001.R.4.3", "DMFA.101380.20100920.00001.R", 4},
		{"FS.DMFA.101380.20100920.00001.R.4.1", "DMFA.101380.20100920.00001.R", 4},
		{"GO.DMFA.101380.20100920.00001.R.4", "DMFA.101380.20100920.00001.R", 4},
		{"FO.ACRF.999999.20110701.00001.T", "ACRF.999999.20110701.00001.T", 1},
	}
	for _, tt := range tests {
		n, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.SetKey(); got != tt.key {
			t.Errorf("%s: SetKey = %q, want %q", tt.text, got, tt.key)
		}
		if s := n.Set(); s.Parts != tt.parts || s.Key() != tt.key {
			t.Errorf("%s: Set = %+v with key %q, want %d parts and key %q", tt.text, s, s.Key(), tt.parts, tt.key)
		}
		if got, want := n.WithKind(TD).String(), "TD"+tt.text[2:]; got != want {
			t.Errorf("WithKind(TD) = %q, want %q", got, want)
		}
	}
}

// anyName draws every name that Parse accepts.
func anyName(t *rapid.T) Name {
	n := Name{
		Kind:        rapid.SampledFrom(Kinds()).Draw(t, "kind"),
		Application: rapid.StringMatching(`[A-Z]{4}`).Draw(t, "application"),
		Sender:      rapid.StringMatching(`[0-9]{6}`).Draw(t, "sender"),
		Date:        Date("20000101").AddDays(rapid.IntRange(-36500, 36500).Draw(t, "day")),
		Sequence:    Sequence(rapid.StringMatching(`[0-9A-Z]{5}`).Draw(t, "sequence")),
		Environment: rapid.SampledFrom(Environments()).Draw(t, "environment"),
	}
	fields := rapid.SampledFrom(n.Kind.fieldCounts()).Draw(t, "fields")
	if fields > 6 {
		n.Parts = rapid.IntRange(1, MaxParts).Draw(t, "parts")
	}
	if fields > 7 {
		n.Part = rapid.IntRange(1, n.Parts).Draw(t, "part")
	}
	return n
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyName(t)
		got, err := Parse(n.String())
		if err != nil {
			t.Fatal(err)
		}
		if got != n {
			t.Fatalf("%q came back as %+v, was %+v", n.String(), got, n)
		}
	})
}

// Two names share a key exactly when the five fields of the set agree.
func TestSetKeyIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyName(t), anyName(t)
		if rapid.Bool().Draw(t, "same set") {
			b.Application, b.Sender, b.Date, b.Sequence, b.Environment = a.Application, a.Sender, a.Date, a.Sequence, a.Environment
		}
		sa, sb := a.Set(), b.Set()
		sa.Parts, sb.Parts = 0, 0
		if (a.SetKey() == b.SetKey()) != (sa == sb) {
			t.Fatalf("keys %q and %q of %v and %v", a.SetKey(), b.SetKey(), a, b)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, tt := range channelNames {
		f.Add(tt.text)
	}
	for _, s := range []string{"", ".", "FI.......", "CO.\xff", "GO.AOAT.000001.20090728.00901.R.", "FI.DMFA.101380.20100920.00001.R.4.1\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		context := Context{Account: "101380", Today: "20240301", MaxAge: 30, MaxParts: 4, Folder: "IN"}
		faults := Validate(text, context)
		for _, fault := range faults {
			if fault.Text == "" || !strings.HasPrefix(fault.ID, "ACRF-") && !fault.Warning {
				t.Errorf("fault %+v of %q says nothing", fault, text)
			}
		}
		n, err := Parse(text)
		if err != nil {
			var unknown *UnknownError
			if !errors.As(err, &unknown) || unknown.Reason == nil {
				t.Fatalf("error %v is no UnknownError with a reason", err)
			}
			if len(faults) == 0 {
				t.Errorf("Validate finds no fault in %q, Parse does: %v", text, err)
			}
			return
		}
		if n.String() != text {
			t.Errorf("%q came back as %q", text, n.String())
		}
		if again := n.Set(); n.Parts > 0 && again.GO().SetKey() != n.SetKey() {
			t.Errorf("set of %q has key %q, want %q", text, again.Key(), n.SetKey())
		}
	})
}

func TestReplyName(t *testing.T) {
	for name, want := range map[string]string{
		"FO.NOTI.999999.20260302.00001.T":         "NOTI",
		"CO.NOTI.999999.20260302.00001.R":         "NOTI",
		"FO.DMNO.999999.20070425.00010.R.1.1":     "DMNO",
		"FO.ACRF.999999.20140106.00001.R.PUBL":    "ACRF",
		"FO.PUBP.999999.20140106.00001.R.1.1.pdf": "PUBP",
		"FO.NOTI.999999.20260302.00001.T.xml":     "NOTI",
		"FO.NOTI.999999.20260302.00001.T (1)":     "NOTI",
		"fo.noti.999999.20260302.00001.t":         "NOTI",
		"FO.NOTI.101380.20260302.00001.T":         "NOTI",
		"FO.NEWS.999999.20260302.1":               "NEWS",
		"FS.NOTI.999999.20260302.00001.T":         "NOTI",
		"GO.NOTI.999999.20260302.00001.T":         "NOTI",
		"FS.DMFA.101380.20260302.00001.T.1.1":     "",
		"GO.DMFA.101380.20260302.00001.T.1":       "",
		"FI.NOTI.999999.20260302.00001.T.1.1":     "",
		"TD.NOTI.999999.20260302.00001.T":         "",
		"CO.xml":                                  "",
		"CO.DMFA.xml":                             "",
		"CO.DMFA.2026.12.xml":                     "",
		"FO.NOTI.999999.20260302":                 "",
		"FO.N1TI.999999.20260302.00001.T":         "",
		"copy of FO.NOTI.999999.20260302.00001.T": "",
		"": "",
	} {
		if got, ok := ReplyName(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, want %q", name, got, ok, want)
		}
	}
}
