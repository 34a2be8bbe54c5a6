// Package failure says of what class an error is. Front ends make exit codes and
// answers to programs of it; whoever made the error knows of neither.
package failure

import (
	"context"
	"errors"
	"slices"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// Class is what a caller may do about an error. It is a stable word for programs.
type Class string

// The classes.
const (
	None        Class = "done"         // no error
	Failed      Class = "failed"       // whatever has no class of its own
	Usage       Class = "usage"        // wrong use or configuration; nothing was done
	Partly      Class = "partly"       // some of several things failed, the others are done
	Credentials Class = "credentials"  // user, key, certificate, host key
	Temporary   Class = "temporary"    // the same request may succeed later
	Refused     Class = "refused"      // by the office
	AlreadySent Class = "already-sent" // these contents went before
	NoAnswer    Class = "no-answer"    // of the office, yet
	Unknown     Class = "unknown"      // a GO was sent and its answer was lost
	Locked      Class = "locked"       // another process is at work
	Interrupted Class = "interrupted"  // by a person or a signal
)

// Error is an error with the class that its maker gives it, and what to do about
// it.
type Error struct {
	Class Class // empty: that of Err
	Err   error
	Hints []lang.Text
}

// New gives err a class, and says what to do about it.
func New(class Class, err error, hints ...lang.Text) *Error { return &Error{class, err, hints} }

// Hint says what to do about err, whose class stays.
func Hint(err error, hints ...lang.Text) *Error { return &Error{"", err, hints} }

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives what was wrapped.
func (e *Error) Unwrap() error { return e.Err }

// all gives the Errors in err, the outermost first.
func all(err error) []*Error {
	var list []*Error
	for {
		var e *Error
		if !errors.As(err, &e) {
			return list
		}
		list, err = append(list, e), e.Err
	}
}

// UsageError is a wrong use of the command, or wrong values in a request; nothing
// was done.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives what is wrong.
func (e *UsageError) Unwrap() error { return e.Err }

// HintsOf gives what the makers of err said about what to do; nil where nobody
// said anything.
func HintsOf(err error) []lang.Text {
	for _, e := range all(err) {
		if len(e.Hints) > 0 {
			return e.Hints
		}
	}
	return nil
}

// GivenClass is the class that the maker of err gave it, or "".
func GivenClass(err error) Class {
	for _, e := range all(err) {
		if e.Class != "" {
			return e.Class
		}
	}
	return ""
}

// ClassOf is the one place where an error gets its class: the one that its maker
// gave it, else that of its type. A nil error is None.
func ClassOf(err error) Class {
	if err == nil {
		return None
	}
	if given := GivenClass(err); given != "" {
		return given
	}
	var (
		usage     *UsageError
		cfg       *config.Error
		held      *lock.HeldError
		already   *inbox.AlreadyError
		unknown   *inbox.UnknownError
		maybe     *inbox.MaybeSentError
		unsettled *inbox.UnsettledError
		sealed    *seal.OtherRecipientError
		host      *hostkey.Error
	)
	is := func(sentinels ...error) bool {
		return slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) })
	}
	switch {
	case errors.As(err, &usage), errors.As(err, &cfg), is(ledger.ErrNoSubmission):
		return Usage
	case errors.As(err, &held), ledger.FailureOf(err) == ledger.Busy:
		return Locked
	case errors.As(err, &unknown), errors.As(err, &unsettled), errors.As(err, &maybe):
		return Unknown
	case errors.As(err, &already):
		return AlreadySent
	case errors.As(err, &sealed), errors.As(err, &host),
		is(sshkey.ErrFormat, sshkey.ErrWeakKey, sshkey.ErrPassphraseNeeded, sshkey.ErrWrongPassphrase, sshkey.ErrNoAgent, proxy.ErrAuthentication):
		return Credentials
	case is(context.Canceled):
		return Interrupted
	}
	switch transport.ClassOf(err) {
	case transport.Authentication, transport.HostKey:
		return Credentials
	case transport.Temporary:
		return Temporary
	case transport.Cancelled:
		return Interrupted
	}
	return Failed
}

// ByUrgency lists the classes of single results, the least urgent first.
func ByUrgency() []Class { return slices.Clone(byUrgency) }

var byUrgency = []Class{None, AlreadySent, Temporary, Failed, Locked, Credentials, Usage, NoAnswer, Refused, Interrupted, Unknown}

func (c Class) urgency() int { return max(0, slices.Index(byUrgency, c)) }

// MostUrgent gives the most urgent of several classes.
func MostUrgent(classes []Class) Class {
	class := None
	for _, c := range classes {
		if c.urgency() > class.urgency() {
			class = c
		}
	}
	return class
}

// Together gives the class of several results as a whole: the most urgent one, or
// Partly where some are done and others failed.
func Together(classes []Class) Class {
	class := MostUrgent(classes)
	// An unknown outcome, a refusal and a missing answer are about what was
	// sent: that other sets are done does not make them less so.
	if slices.Contains(classes, None) && class != None && class.urgency() < NoAnswer.urgency() {
		return Partly
	}
	return class
}

// Tally collects what several things ended with.
type Tally struct {
	Classes []Class
	First   error // the most urgent one
}

// Add counts one result; nil is a success.
func (t *Tally) Add(err error) {
	class := ClassOf(err)
	t.Classes = append(t.Classes, class)
	if err != nil && (t.First == nil || class.urgency() > ClassOf(t.First).urgency()) {
		t.First = err
	}
}

// Result is the error of the whole, nil where all is well. together makes one
// class of all.
func (t *Tally) Result(together func([]Class) Class) error {
	if t.First == nil {
		return nil
	}
	return New(together(t.Classes), t.First)
}

// contactError is a host key that is not accepted, with whom to ask.
type contactError struct {
	error
	contact string
}

func (e *contactError) Unwrap() error { return e.error }

// AskWhom tells an error about a host key whom to ask; other errors, and keys that
// are merely new, stay as they are.
func AskWhom(err error, contact string) error {
	if host, ok := errors.AsType[*hostkey.Error](err); ok && contact != "" && !errors.Is(host, hostkey.ErrUnknown) {
		return &contactError{err, contact}
	}
	return err
}

// ContactOf is whom to ask about an error; empty: nobody in particular.
func ContactOf(err error) string {
	if e, ok := errors.AsType[*contactError](err); ok {
		return e.contact
	}
	return ""
}
