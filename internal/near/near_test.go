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

func TestApplication(t *testing.T) {
	for code, want := range map[string]string{
		"DMFA": "DMFA", "dmfa": "DMFA", "DFMA": "DMFA", "DMF": "DMFA", "DMFAA": "DMFA",
		"DIMO": "DIMN", "DIMONA": "DIMN", "NOTIF": "NOTI", "WESH": "WECH", "PUBLI": "PUBL",
	} {
		if got, ok := Application(code); !ok || got.Code != want {
			t.Errorf("Application(%q) = %q, %t, want %s", code, got.Code, ok, want)
		}
	}
	for _, code := range []string{"", "A", "QQQQ", "DMFADMFADMFADMFA", "\xff\xff\xff\xff"} {
		if got, ok := Application(code); ok {
			t.Errorf("Application(%q) = %q, want none", code, got.Code)
		}
	}
}
