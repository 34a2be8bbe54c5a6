package contract

import (
	"maps"
	"slices"

	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/wording"
)

// Error is an error as --json prints it.
type Error struct {
	Code    int         `json:"code"`  // exit code
	Class   string      `json:"class"` // stable word for programs
	Message lang.Text   `json:"message"`
	Hints   []lang.Text `json:"hints"`
}

// NewError says what happened, to which file, what was not done, and what to do
// next.
func NewError(err error) Error {
	x := wording.Explain(err)
	return Error{Code: ExitCode(x.Class), Class: x.Kind, Message: x.Message, Hints: x.Hints}
}

// Of gives the error of a whole the class that all together have.
func (x Error) Of(class failure.Class) Error {
	x.Code, x.Class = ExitCode(class), string(class)
	return x
}

// Whole is the error of several results together.
func Whole(err error) Error { return NewError(err).Of(failure.ClassOf(err)) }

// Exit codes of the command line. docs/exit-codes.md says the same.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitPartly      = 3
	ExitCredentials = 4
	ExitTemporary   = 5
	ExitRefused     = 6
	ExitAlready     = 7
	ExitNoAnswer    = 8
	ExitUnknown     = 9
	ExitLocked      = 11
	ExitInterrupted = 130
)

var exitCodes = map[failure.Class]int{
	failure.None: ExitDone, failure.Failed: ExitFailed, failure.Usage: ExitUsage, failure.Partly: ExitPartly,
	failure.Credentials: ExitCredentials, failure.Temporary: ExitTemporary, failure.Refused: ExitRefused,
	failure.AlreadySent: ExitAlready, failure.NoAnswer: ExitNoAnswer, failure.Unknown: ExitUnknown,
	failure.Locked: ExitLocked, failure.Interrupted: ExitInterrupted,
}

// ExitCode is what the command line makes of a class. This table is the only one:
// the number is told to programs too.
func ExitCode(class failure.Class) int { return exitCodes[class] }

// Classes are the words for the classes of errors; an Error has one of them, or
// one that says more.
func Classes() []failure.Class { return slices.Sorted(maps.Keys(exitCodes)) }
