package inbox_test

import (
	"testing"
	"time"

	. "github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/testkit"
)

func TestLate(t *testing.T) {
	p := Patience{Receipt: 24 * time.Hour, Notification: 72 * time.Hour}
	for _, c := range []struct {
		state State
		age   time.Duration
		want  Lateness
	}{
		{Sent, 24*time.Hour - 1, InTime},
		{Sent, 24 * time.Hour, LateReceipt},
		{Sent, 1000 * time.Hour, LateReceipt},
		{Received, 72*time.Hour - 1, InTime},
		{Received, 72 * time.Hour, LateNotification},
		{Unknown, 1000 * time.Hour, InTime},
		{Accepted, 1000 * time.Hour, InTime},
		{Refused, 1000 * time.Hour, InTime},
	} {
		s := Submission{State: c.state, SentAt: testkit.Now()}
		if got := s.Late(testkit.Now().Add(c.age), p); got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.state, c.age, got, c.want)
		}
	}
	if got := (Submission{State: Sent}).Late(testkit.Now(), p); got != InTime {
		t.Errorf("without a time of sending: %q", got)
	}
}
