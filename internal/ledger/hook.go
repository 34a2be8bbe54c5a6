package ledger

import "time"

// Hooks: what a program of the user may be told of.
const (
	OnReply   = "on_reply"   // a reply was stored and read
	OnRefused = "on_refused" // a set became refused
	OnError   = "on_error"   // a run failed
)

// Results of a call that has no end yet. The others are those of the program.
const (
	CallDue   = "due"
	CallBegun = "begun" // or the run that had begun it was killed
	// CallNotStarted: the program could not be started. The call stays due.
	CallNotStarted = "not-started"
)

// HookCall is one thing that a hook is told of.
type HookCall struct {
	ID           int64
	Hook         string
	ReplyID      int64  // of OnReply
	Reply        string // its name
	SubmissionID int64  // of OnRefused
	DueAt        time.Time
	BegunAt      time.Time // zero while it is due
	CallResult
}

// CallResult is what came of a call.
type CallResult struct {
	Result   string
	ExitCode int
	Duration time.Duration
	Problem  string // why it could not be started
}

// Run is how the last run of a command for an environment ended.
type Run struct {
	Command     string
	Environment string
	EndedAt     time.Time
	Class       string    // of failures (package failure); Succeeded: none
	SucceededAt time.Time // the last run that succeeded; zero: none
}

// Succeeded is the class of a run in which nothing failed.
const Succeeded = "done"
