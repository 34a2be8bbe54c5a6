package near

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	words := []string{"app", "env", "wait", "a", "user", "parallel", "lock-wait"}
	for typed, want := range map[string]string{
		"evn": "env", "ENV": "env", "envv": "env", "ap": "app", "paralel": "parallel", "wiat": "wait", "lockwait": "lock-wait",
		"x": "", "uxyr": "user", "nothing": "", "": "", "es": "", strings.Repeat("app", 1<<20): "",
	} {
		if got, ok := Of(typed, words); got != want || ok != (want != "") {
			t.Errorf("%.20q: %q, %t instead of %q", typed, got, ok, want)
		}
	}
	if got, _ := Of("fech", []string{"leech", "fetch", "patch"}); got != "fetch" {
		t.Errorf("%q is not the nearest", got)
	}
}
