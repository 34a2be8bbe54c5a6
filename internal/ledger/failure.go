package ledger

import "errors"

var (
	// ErrClosed is given for a change after Close.
	ErrClosed = errors.New("ledger is closed")
	// ErrOlder is given for a ledger that an older program wrote, where it is not
	// to be changed: opening it for writing brings it up to date.
	ErrOlder = errors.New("the ledger is that of an older version of socbatch")
	// ErrNoSubmission says that no set of that name is in the ledger.
	ErrNoSubmission = errors.New("no such set in the ledger")
)

// Failure is what is wrong with the place where a ledger is kept.
type Failure string

// What can be wrong with the place.
const (
	NoFailure Failure = ""
	Busy      Failure = "busy"      // another process writes, and did not end in time
	Damaged   Failure = "damaged"   // not a ledger, or no longer one
	ReadOnly  Failure = "read-only" // it cannot be written
	Full      Failure = "full"      // no space is left
	Unusable  Failure = "unusable"  // it cannot be opened or read
)

// Error is an error of the place where a ledger is kept. It says what Err says.
type Error struct {
	Failure Failure
	Err     error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// FailureOf says whether an error is about the place where the ledger is kept,
// and what is wrong with it.
func FailureOf(err error) Failure {
	var e *Error
	if errors.As(err, &e) {
		return e.Failure
	}
	return NoFailure
}
