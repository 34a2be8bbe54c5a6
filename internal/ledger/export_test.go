package ledger

import (
	"testing"
	"time"
)

// Hurry lets this test wait only so long for a ledger that is busy.
func Hurry(t *testing.T, timeout time.Duration) {
	old, oldPatience := busyTimeout, openPatience
	busyTimeout, openPatience = timeout, timeout
	t.Cleanup(func() { busyTimeout, openPatience = old, oldPatience })
}

// OnOpenPause calls f in this test before a ledger is opened again that was
// busy.
func OnOpenPause(t *testing.T, f func()) {
	old := openPause
	openPause = f
	t.Cleanup(func() { openPause = old })
}
