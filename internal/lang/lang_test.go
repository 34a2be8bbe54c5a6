package lang

import "testing"

func TestOfUser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		want Language
	}{
		{"LANG", map[string]string{"LANG": "nl_BE.UTF-8"}, Dutch},
		{"LC_MESSAGES is above LANG", map[string]string{"LANG": "nl_BE.UTF-8", "LC_MESSAGES": "fr_BE"}, French},
		{"LC_ALL is above all", map[string]string{"LC_ALL": "de_BE@euro", "LC_MESSAGES": "fr_BE", "LANG": "nl"}, German},
		{"POSIX", map[string]string{"LC_ALL": "C", "LANG": "nl_BE.UTF-8"}, English},
		{"C.UTF-8", map[string]string{"LANG": "C.UTF-8"}, English},
		{"a language that it does not speak", map[string]string{"LANG": "es_ES.UTF-8"}, English},
		{"as Windows writes it", map[string]string{"LANG": "fr-BE"}, French},
		{"German of a place with a script", map[string]string{"LANG": "de-Latn-BE"}, German},
	} {
		if got := OfUser(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: %s instead of %s", c.name, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, l := range Languages() {
		if got, ok := Parse(string(l)); !ok || got != l {
			t.Errorf("%s: %s, %t", l, got, ok)
		}
	}
	for _, s := range []string{"", "es", "nl_BE", "NL"} {
		if l, ok := Parse(s); ok {
			t.Errorf("%q is %s", s, l)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text Text
		in   Language
		want string
	}{
		{Text{}, Dutch, ""},
		{T("declaration"), English, "declaration"},
		{T("declaration"), Dutch, "aangifte"},
		{T("declaration"), "xx", "declaration"},
		{T("  declaration"), German, "  Meldung"},
		{Word("receipt"), French, "accusé de réception"},
		{Plain("declaration"), Dutch, "declaration"},
		{T("there is no such message: %d", 7), Dutch, "there is no such message: 7"},
		{T("there is no such message: %s", Word("receipt")), Dutch, "there is no such message: ontvangstbewijs"},
		{T("signature %s; stored as %s", "x", Plain("y")), French, "signature x ; conservée sous y"},
		{N(1, "%d declaration", "%d declarations"), English, "1 declaration"},
		{N(0, "%d declaration", "%d declarations"), English, "0 declarations"},
		{N(2, "%d declaration", "%d declarations"), Dutch, "2 aangiften"},
		{N(0, "%d declaration", "%d declarations"), French, "0 déclaration"},
		{N(2_000_000, "%d declaration", "%d declarations"), French, "2000000 déclarations"},
		{N(0, "%d declaration", "%d declarations"), German, "0 Meldungen"},
		{N(1, "%d such thing", "%d such things"), German, "1 such thing"},
	} {
		if got := c.text.In(c.in); got != c.want {
			t.Errorf("%q in %s: %q instead of %q", c.text, c.in, got, c.want)
		}
	}
}

// What is for programs stays English.
func TestTextForPrograms(t *testing.T) {
	t.Parallel()
	b, err := T("%s late", N(2, "%d declaration", "%d declarations")).MarshalText()
	if err != nil || string(b) != "2 declarations late" {
		t.Errorf("%s, %v", b, err)
	}
}
