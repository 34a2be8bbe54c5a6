package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestHintCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, note, want string }{
		{"one", "ACRF-157", "ACRF-157"},
		{"several", "ACRF-125, ACRF-153, …", "ACRF-125 ACRF-153"},
		{"counts are no codes", "125 of 130 forms refused: 00024-005", "00024-005"},
		{"not explained here", "ACRF-999, 00024-999", ""},
		{"nothing", "", ""},
	} {
		var out bytes.Buffer
		u := newUI(streams{err: &out}, func(string) string { return "" })
		u.hintCodes(c.note)
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^  → (\S+): [A-Z].*\. [A-Z].*\.$`).FindAllStringSubmatch(out.String(), -1) {
			got = append(got, m[1])
		}
		if s := strings.Join(got, " "); s != c.want || strings.Count(out.String(), "\n") != len(got) {
			t.Errorf("%s: %q instead of %q:\n%s", c.name, s, c.want, out.String())
		}
	}
}
