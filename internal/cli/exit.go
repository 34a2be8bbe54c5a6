package cli

import (
	"os"

	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/wording"
)

// Exit codes. docs/exit-codes.md and exitCodes say the same.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitCredentials = 4
	exitTemporary   = 5
	exitRefused     = 6
	exitAlready     = 7
	exitNoAnswer    = 8
	exitUnknown     = 9
	exitLocked      = 11
	exitInterrupted = 130
)

// exitCodes are the exit codes, what they mean, and what to do then, in English.
var exitCodes = []struct {
	code      int
	means, do string
}{
	{exitDone, "done", ""},
	{exitFailed, "failed", "Read the message: it says what was not done, and often which command comes next."},
	{exitUsage, "wrong use or configuration", "Correct the command or the configuration. Nothing was done."},
	{exitPartly, "partly done: some files or sets failed, the others are done", "Read the messages of those that failed. The same command, given again, sends nothing twice."},
	{exitCredentials, "credentials, certificate or host key", "See to what the message names: the user, the SSH key, the certificate or the key of the server."},
	{exitTemporary, "temporary failure: the same command may succeed later", "Give the same command again later. It goes on where it stopped."},
	{exitRefused, "refused by the authority", "\"socbatch status NAME\" shows the error codes. Correct the file and submit it."},
	{exitAlready, "already sent", "There is nothing to do, if the first sending was meant."},
	{exitNoAnswer, "no answer yet", "Give \"socbatch fetch\" later."},
	{exitUnknown, "outcome unknown: a GO was sent and its answer was lost", "Give \"socbatch resume\". Do not send the declaration another way in the meantime."},
	{exitLocked, "another process is at work", "Wait, or add --lock-wait 5m."},
	{exitInterrupted, "interrupted", "Give the same command again. It goes on where it stopped."},
}

// codes are the exit codes of the classes of errors.
var codes = map[failure.Class]int{
	failure.None: exitDone, failure.Failed: exitFailed, failure.Usage: exitUsage, failure.Partly: exitPartly,
	failure.Credentials: exitCredentials, failure.Temporary: exitTemporary, failure.Refused: exitRefused,
	failure.AlreadySent: exitAlready, failure.NoAnswer: exitNoAnswer, failure.Unknown: exitUnknown,
	failure.Locked: exitLocked, failure.Interrupted: exitInterrupted,
}

// exitCode is the exit code of an error.
func exitCode(err error) int { return codes[failure.ClassOf(err)] }

// explanation is an error as --json prints it.
type explanation struct {
	Code    int         `json:"code"`  // exit code
	Class   string      `json:"class"` // stable word for programs
	Message lang.Text   `json:"message"`
	Hints   []lang.Text `json:"hints"`
}

// explain says what happened, to which file, what was not done, and what to do
// next.
func explain(err error) explanation {
	x := wording.Explain(err)
	return explanation{Code: codes[x.Class], Class: x.Kind, Message: x.Message, Hints: x.Hints}
}

// of gives the error of a whole the class that all together have.
func (x explanation) of(class failure.Class) explanation {
	x.Code, x.Class = codes[class], string(class)
	return x
}

func usagef(format string, args ...any) error {
	return &failure.UsageError{Err: problem.New(format, args...)}
}

func errorf(format string, args ...any) error { return problem.New(format, args...) }

// displayPath shortens a path below the home directory for people.
func displayPath(path string) string {
	home, err := os.UserHomeDir()
	if err == nil && len(path) > len(home) && path[:len(home)] == home && os.IsPathSeparator(path[len(home)]) {
		return "~" + path[len(home):]
	}
	return path
}
