package ledger

import (
	"time"

	"github.com/socbatch/socbatch/inbox"
)

// Tally counts what the ledger knows of an environment.
type Tally struct {
	Sets map[inbox.State]int
	// The oldest set in a state; zero where there is none.
	NoReceipt      time.Time // sent and without receipt: when it was sent
	NoNotification time.Time // received and without notification: when it was sent
	Unknown        time.Time // outcome unknown: when it was made
	Replies        int       // stored
	Unread         int       // stored, answers not entered
}
