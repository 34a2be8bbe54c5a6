package errorid

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/internal/lang"
)

// of the channel are the errors of names, transfer, signature and structure
// that a receipt may hold.
const ofTheChannel = `088 101 102 103 107 108 109 110 111 112 114 115 116 117 118 119 120 121 122 123 124 125 126 127 128
	129 130 131 132 133 134 136 138 153 154 155 157 158 172 184 205 229 257 280 281 302 312 367 430 509 524`

// longest is how many characters a text may have: it is to be read in a glance.
const longest = 230

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	numbers := map[string]bool{}
	for _, language := range lang.Languages() {
		for n := range read()[language].Error {
			numbers[n] = true
		}
	}
	for _, n := range strings.Fields(ofTheChannel) {
		numbers[n] = true
	}
	for _, language := range lang.Languages() {
		words := read()[language]
		check := func(what, text string) {
			t.Helper()
			n := utf8.RuneCountInString(text)
			if n == 0 || n > longest || text != strings.Join(strings.Fields(text), " ") {
				t.Errorf("%s: %s has %d characters, or spaces too many: %q", language, what, n, text)
			}
		}
		check("unknown", words.Unknown)
		for _, k := range []Kind{Receipt, Notification} {
			check("where "+string(k), words.Where[k])
		}
		for _, n := range slices.Sorted(maps.Keys(numbers)) {
			x, ok := words.Error[n]
			if !ok {
				t.Errorf("%s: no explanation of %s", language, n)
				continue
			}
			check(n+" means", x.Means)
			check(n+" do", x.Do)
			if _, ok := Parse(n); !ok {
				t.Errorf("%s: %q is no number of an error", language, n)
			}
		}
	}
}

// A text that was copied from another file and not translated is a fault, and so
// is a key that nobody reads.
func TestLanguagesDiffer(t *testing.T) {
	t.Parallel()
	for _, language := range lang.Languages() {
		var words texts
		meta, err := toml.DecodeFS(files, string(language)+".toml", &words)
		if err != nil {
			t.Fatal(err)
		}
		if left := meta.Undecoded(); len(left) > 0 {
			t.Errorf("%s: unknown keys %v", language, left)
		}
		for _, other := range lang.Languages() {
			if other == language {
				continue
			}
			for n, x := range words.Error {
				y := read()[other].Error[n]
				if x.Means == y.Means || x.Do == y.Do {
					t.Errorf("%s is the same in %s and %s", n, language, other)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want ID // the zero value: not a code
	}{
		{"ACRF-125", ID{Receipt, "", "125"}},
		{"acrf-125", ID{Receipt, "", "125"}},
		{" 125 ", ID{Receipt, "", "125"}},
		{"000", ID{Receipt, "", "000"}},
		{"90017-250", ID{Notification, "90017", "250"}},
		{"00024-005", ID{Notification, "00024", "005"}},
		{text: ""},
		{text: "25"},
		{text: "1250"},
		{text: "ACRF-25"},
		{text: "ACRF-1250"},
		{text: "ACRF-"},
		{text: "NOTI-125"},
		{text: "9017-250"},
		{text: "90017-25"},
		{text: "90017-2500"},
		{text: "190017-250"},
		{text: "ACRF-125 ACRF-126"},
		{text: "ACRF-١٢٥"},
	} {
		got, ok := Parse(c.text)
		if got != c.want || ok != (c.want != ID{}) {
			t.Errorf("%q: %+v, %v", c.text, got, ok)
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"ACRF-125", "90017-250"} {
		if id, _ := Parse(text); id.String() != text {
			t.Errorf("%s became %s", text, id)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	used := func(language lang.Language) string {
		x, ok := Lookup(ID{Kind: Receipt, Number: "133"}, language)
		if !ok {
			t.Errorf("no explanation in %q", language)
		}
		return x.Means
	}
	for language, want := range map[lang.Language]string{"en": "sent before", "nl": "eerder verstuurd", "fr": "déjà été envoyé", "de": "schon gesendet", "ja": "sent before", "": "sent before"} {
		if got := used(language); !strings.Contains(got, want) {
			t.Errorf("%q: %q", language, got)
		}
	}
	inReceipt, _ := Lookup(ID{Kind: Receipt, Number: "001"}, "en")
	inNotification, ok := Lookup(ID{Notification, "00024", "001"}, "en")
	if !ok || inReceipt != inNotification {
		t.Errorf("%+v and %+v", inReceipt, inNotification)
	}
	if x, ok := Lookup(ID{Kind: Receipt, Number: "999"}, "en"); ok {
		t.Errorf("%+v", x)
	}
}
