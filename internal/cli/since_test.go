package cli

import (
	"testing"
	"time"

	"github.com/socbatch/socbatch/naming"
)

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	midnight := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, naming.Brussels()) }
	for text, want := range map[string]time.Time{
		"2026-03-01": midnight(2026, 3, 1), "20260301": midnight(2026, 3, 1), "2026-07-01": midnight(2026, 7, 1),
		"7d": now.AddDate(0, 0, -7), "0d": now, "36h": now.Add(-36 * time.Hour), "90m": now.Add(-90 * time.Minute),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "yesterday", "-1d", "-1h", "2026-13-01", "7", "d"} {
		if got, err := parseSince(bad, now); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestAgeWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "<1m", 59 * time.Second: "<1m", time.Minute: "1m", 59 * time.Minute: "59m", time.Hour: "1h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := ageWords(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
