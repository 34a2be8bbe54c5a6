package main

import (
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/testkit"
)

// With a clock that is behind what was recorded before, nothing is sent.
func TestClockBehindLedger(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	for _, c := range []struct {
		off  time.Duration
		sent bool
	}{
		{-24 * time.Hour, true}, // the ledger is empty
		{0, true},
		{-24 * time.Hour, false},
		{-11 * time.Minute, false},
		{-9 * time.Minute, true}, // clocks are set a little now and then
		{24 * time.Hour, true},
	} {
		a := &app{now: func() time.Time { return testkit.Now().Add(c.off) }}
		err := checkClock(t.Context(), a, l)
		if (err == nil) != c.sent || err != nil && !strings.Contains(err.Error(), "set the clock right; nothing was sent") {
			t.Errorf("%s: got %v", c.off, err)
		}
		if c.off == 0 {
			testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
		}
	}
}
