package ledger

import "time"

// ClockReading is what the ledger knows of the time.
type ClockReading struct {
	// Latest is the latest time of an entry, by the clock of this machine; zero
	// where there is none, or a person said of all that the clock was ahead.
	Latest time.Time
	// Office is the latest time at which the office made an answer, by its own
	// clock; zero where none says it. It is not later than that.
	Office time.Time
}
