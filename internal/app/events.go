package app

import (
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// Event is something that happened, for who looks on. The types below are all
// there are.
type Event interface{ event() }

// What happens to declarations.
type (
	// Settling tells that an earlier run left the outcome of so many sets unknown,
	// and that the server is asked what became of them.
	Settling struct{ Sets int }
	// Settled tells what became of one of them.
	Settled struct{ Submission inbox.Submission }
	// SettleFailed tells why only a person can find out what became of the others.
	SettleFailed struct{ Err error }
	// Resumed tells that a set which an earlier run began came to its end, or why not.
	Resumed struct {
		Submission inbox.Submission
		Err        error
	}
	// Sent tells that a set has gone.
	Sent struct{ Submission inbox.Submission }
	// Previewed tells what would become of the files of one declaration.
	Previewed struct{ Result inbox.JobResult }
	// FilesDone tells what became of the files of one declaration. Aside is the
	// directory that holds them now because they are wrong; else empty.
	FilesDone struct {
		Result inbox.JobResult
		Aside  string
	}
	// LeftBehind tells that files of a set that is given up stay on the server,
	// which is no reason not to go on.
	LeftBehind struct{ Err error }
	// Found tells that the outcome of a set could be found out after all.
	Found struct{ Submission inbox.Submission }
)

// What happens in outgoing directories.
type (
	// Foreign tells that files which are no declarations were left alone.
	Foreign struct {
		Dir   string
		Files int
	}
	// NotReady tells that files of one declaration are left for the next time. With
	// Missing they are not all there; with Old for long.
	NotReady struct {
		Files   []string
		Err     error
		Missing bool
		Old     bool
	}
	// Replaced tells that another file took the name of one that was to be moved.
	Replaced struct {
		File string
		Now  string // where it lies; the same name where nothing else was in the way
	}
	// NotMoved tells that a file could not be moved.
	NotMoved struct {
		File, To string
		Err      error
	}
	// DirectoryEmpty tells that there was nothing to send in any directory.
	DirectoryEmpty struct{}
)

// What happens to replies.
type (
	// Fetched tells what one look at the folders brought.
	Fetched struct {
		Config config.Config
		Fetch  FetchResult
	}
	// Waiting tells that waiting for the answers to so many sets begins.
	Waiting struct {
		Sets int
		Max  time.Duration
	}
	// Retry tells that the server could not be reached, and is tried again.
	Retry struct{ Err error }
	// Answered tells where the sets stand that were waited for.
	Answered struct {
		Submissions []inbox.Submission
		TimeUp      bool
		Environment naming.Environment
	}
	// NameUsed tells that somebody else delivered under the names of those of the sets
	// that are in this state.
	NameUsed struct{ Submissions []inbox.Submission }
)

// What concerns the call as a whole.
type (
	// StepFailed tells that a part of the work could not be done; the rest goes on.
	StepFailed struct{ Err error }
	// HookFailed tells that a program of the configuration did not do what it should.
	HookFailed struct {
		Hook, About string
		Result      hook.Result
		Timeout     time.Duration
	}
	// HooksFailed tells why the hooks cannot be called now.
	HooksFailed struct{ Err error }
	// SealFailed tells why not everything could be encrypted.
	SealFailed struct{ Err error }
	// HeartbeatFailed tells why the monitoring did not hear of this run.
	HeartbeatFailed struct{ Err error }
	// MetricsFailed tells why the file of the metrics could not be written.
	MetricsFailed struct {
		Path string
		Err  error
	}
	// Warned tells of a doubt about what was asked for, which does not hold it up.
	Warned struct{ Fault naming.Fault }
	// Finished is the last event before others are told of the run: the result
	// of the call, and its error.
	Finished struct {
		Result any
		Err    error
	}
)

func (Settling) event()        {}
func (Settled) event()         {}
func (SettleFailed) event()    {}
func (Resumed) event()         {}
func (Sent) event()            {}
func (Previewed) event()       {}
func (FilesDone) event()       {}
func (LeftBehind) event()      {}
func (Found) event()           {}
func (Foreign) event()         {}
func (NotReady) event()        {}
func (Replaced) event()        {}
func (NotMoved) event()        {}
func (DirectoryEmpty) event()  {}
func (Fetched) event()         {}
func (Waiting) event()         {}
func (Retry) event()           {}
func (Answered) event()        {}
func (NameUsed) event()        {}
func (StepFailed) event()      {}
func (HookFailed) event()      {}
func (HooksFailed) event()     {}
func (SealFailed) event()      {}
func (HeartbeatFailed) event() {}
func (MetricsFailed) event()   {}
func (Warned) event()          {}
func (Finished) event()        {}

// FetchResult is what was brought from the folders.
type FetchResult struct {
	Begun   bool // the server was asked; before that nothing can have come
	Reports []outbox.Report
	Read    []answers.Result
}
