package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sshkey"
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

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{errorf(format, args...)} }

// codedError is an error whose exit code is decided where it is made.
type codedError struct {
	error
	code int
}

func (c codedError) Unwrap() error { return c.error }

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	var (
		coded   codedError
		usage   usageError
		cfg     *config.Error
		held    *lock.HeldError
		already *inbox.AlreadyError
		unknown *inbox.UnknownError
		maybe   *inbox.MaybeSentError
		still   unsettledError
		cred    credentialError
		sealed  *seal.OtherRecipientError
		host    *hostkey.Error
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage), errors.As(err, &cfg), errors.Is(err, ledger.ErrNoSubmission):
		return exitUsage
	case errors.As(err, &held), ledger.TroubleOf(err) == ledger.Busy:
		return exitLocked
	case errors.As(err, &unknown), errors.As(err, &still), errors.As(err, &maybe):
		return exitUnknown
	case errors.As(err, &already):
		return exitAlready
	case errors.As(err, &cred), errors.As(err, &sealed), errors.Is(err, sshkey.ErrFormat), errors.Is(err, sshkey.ErrWeakKey),
		errors.Is(err, sshkey.ErrPassphraseNeeded), errors.Is(err, sshkey.ErrWrongPassphrase), errors.Is(err, sshkey.ErrNoAgent),
		errors.As(err, &host), errors.Is(err, proxy.ErrAuthentication):
		return exitCredentials
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch transport.ClassOf(err) {
	case transport.Authentication, transport.HostKey:
		return exitCredentials
	case transport.Temporary:
		return exitTemporary
	case transport.Cancelled:
		return exitInterrupted
	}
	return exitFailed
}

// worst gives the exit code of several results: the most urgent one, or
// exitPartly when some are done and others failed.
func worst(codes []int) int {
	done, code := false, exitDone
	for _, c := range codes {
		if c == exitDone {
			done = true
		} else if code == exitDone || urgency(c) > urgency(code) {
			code = c
		}
	}
	// An unknown outcome, a refusal and a missing answer are about what was
	// sent: that other sets are done does not make them less so.
	if done && urgency(code) < urgency(exitNoAnswer) && code != exitDone {
		return exitPartly
	}
	return code
}

// mostUrgent gives the most urgent of several exit codes.
func mostUrgent(codes []int) int {
	code := exitDone
	for _, c := range codes {
		if urgency(c) > urgency(code) {
			code = c
		}
	}
	return code
}

// byUrgency are the exit codes of single results, the least urgent first.
var byUrgency = []int{exitDone, exitAlready, exitTemporary, exitFailed, exitLocked, exitCredentials, exitUsage, exitNoAnswer, exitRefused, exitInterrupted, exitUnknown}

func urgency(code int) int { return max(0, slices.Index(byUrgency, code)) }

// displayPath shortens a path below the home directory for people.
func displayPath(path string) string {
	home, err := os.UserHomeDir()
	if err == nil && len(path) > len(home) && path[:len(home)] == home && os.IsPathSeparator(path[len(home)]) {
		return "~" + path[len(home):]
	}
	return path
}
