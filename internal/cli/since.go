package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// parseSince reads the beginning of a stretch of time: a day, as 2026-11-25 or
// 20261125, in Brussels; or how long ago, as 7d, 36h or 90m.
func parseSince(text string, now time.Time) (time.Time, error) {
	if t, err := parseDay(text); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("%q is neither a day such as 2026-11-25 nor a time such as 7d or 36h", printable(text))
}

// parseDay reads a day, as 2026-11-25 or 20261125: its beginning in Brussels.
func parseDay(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "20060102"} {
		if t, err := time.ParseInLocation(layout, text, naming.Brussels()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is not a day such as 2026-11-25", printable(text))
}

// ageWords is how long ago something was, in its largest unit.
func ageWords(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "<1m"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}
