package cli

import (
	"os"

	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/problem"
)

// Exit codes, for short.
const (
	exitDone        = contract.ExitDone
	exitFailed      = contract.ExitFailed
	exitUsage       = contract.ExitUsage
	exitPartly      = contract.ExitPartly
	exitCredentials = contract.ExitCredentials
	exitTemporary   = contract.ExitTemporary
	exitRefused     = contract.ExitRefused
	exitAlready     = contract.ExitAlready
	exitNoAnswer    = contract.ExitNoAnswer
	exitUnknown     = contract.ExitUnknown
	exitLocked      = contract.ExitLocked
	exitInterrupted = contract.ExitInterrupted
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

// exitCode is the exit code of an error.
func exitCode(err error) int { return contract.ExitCode(failure.ClassOf(err)) }

// explain says what happened, and what to do next.
func explain(err error) contract.Error { return contract.NewError(err) }

func usagef(format string, args ...any) error {
	return &failure.UsageError{Err: problem.New(format, args...)}
}

func errorf(format string, args ...any) error { return problem.New(format, args...) }

// credentialf is an error about a credential, with what to do about it.
func credentialf(hint lang.Text, format string, args ...any) error {
	return failure.New(failure.Credentials, errorf(format, args...), hint)
}

// displayPath shortens a path below the home directory for people.
func displayPath(path string) string {
	home, err := os.UserHomeDir()
	if err == nil && len(path) > len(home) && path[:len(home)] == home && os.IsPathSeparator(path[len(home)]) {
		return "~" + path[len(home):]
	}
	return path
}
