package doctor

import (
	"slices"
	"testing"
)

func TestIssuers(t *testing.T) {
	t.Parallel()
	known := func(name string) bool {
		return slices.ContainsFunc(accepted, func(p string) bool { return fits(p, name) })
	}
	for name, want := range map[string]bool{
		"Citizen CA":                               true,
		"Citizen CA 202103":                        true,
		"Foreigner CA":                             true,
		"GlobalSign PersonalSign 3 CA - G2":        true,
		"GlobalSign GCC R3 PersonalSign 3 CA 2020": true,
		"GlobalSign GCC R6 SMIME CA 2023":          true,
		"GlobalSign RSA OV SSL CA 2018":            false,
		"Not the Citizen CA":                       false,
		"Test CA":                                  false,
		"":                                         false,
	} {
		if got := known(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"My CA", "my ca", true}, {"My CA", "My CA 2", false}, {"My*2", "My CA 2", true}, {"M.* CA", "My CA", false}, {"*", "x\ny", true}, {"(", "(", true},
	} {
		if got := fits(c.pattern, c.name); got != c.want {
			t.Errorf("%q, %q: %t", c.pattern, c.name, got)
		}
	}
}
