package inbox

import "time"

// Lateness says which answer to a set should have come by now.
type Lateness string

// What may be late.
const (
	InTime           Lateness = ""
	LateReceipt      Lateness = "receipt"
	LateNotification Lateness = "notification"
)

// Patience is how long after the sending an answer may take.
type Patience struct {
	Receipt, Notification time.Duration
}

// Late says which answer should have come. Sets that were not sent, or whose
// last answer is there, are never late.
func (s Submission) Late(now time.Time, p Patience) Lateness {
	if s.SentAt.IsZero() {
		return InTime
	}
	age := now.Sub(s.SentAt)
	switch {
	case s.State == Sent && age >= p.Receipt:
		return LateReceipt
	case s.State == Received && age >= p.Notification:
		return LateNotification
	}
	return InTime
}
