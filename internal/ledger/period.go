package ledger

import (
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Period chooses what is in a Snapshot: sets by the time at which they were
// made, replies by that at which they were fetched, and also those that answer
// a chosen set. Empty fields choose all.
type Period struct {
	Since, Until time.Time // Until is not in it
	Environment  naming.Environment
}

// KeptHolding is a Holding with what became of its files.
type KeptHolding struct {
	Holding
	At             time.Time // made or fetched
	Sealed, Pruned time.Time // zero: not
}
