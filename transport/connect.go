package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
)

// Reasons of a *ConnectError: where on the way to a server a connection failed.
// What is silent after it accepted the connection is an ErrStalled.
var (
	ErrNameUnknown = errors.New("the name of the server is not known")
	ErrNameLookup  = errors.New("the name of the server cannot be looked up")
	ErrRefused     = errors.New("the connection was refused, by the server or by a firewall")
	ErrTimedOut    = errors.New("nothing answers, as behind a firewall")
	ErrUnreachable = errors.New("no way leads to the server")
	ErrHungUp      = errors.New("closed by the server during the handshake")
	ErrNotSSH      = errors.New("what answers is no SSH server")
)

// ConnectError is a failure of the network on the way to a server. It stands in
// an *Error whose Kind is ErrConnection, or ErrProtocol where something else
// than an SSH server answers.
type ConnectError struct {
	Reason error // one of the above, or nil where none fits: Err says it
	Err    error
}

// Error names the reason and the cause.
func (e *ConnectError) Error() string {
	if e.Reason == nil {
		return e.Err.Error()
	}
	return e.Reason.Error() + ": " + e.Err.Error()
}

// Unwrap gives the reason and the cause.
func (e *ConnectError) Unwrap() []error {
	if e.Reason == nil {
		return []error{e.Err}
	}
	return []error{e.Reason, e.Err}
}

// ReasonOf is why a connection could not be made, by what net.Dialer says: a
// reason of a *ConnectError, or nil.
func ReasonOf(err error) error {
	var dns *net.DNSError
	var n net.Error
	is := func(numbers []error) bool {
		return slices.ContainsFunc(numbers, func(number error) bool { return errors.Is(err, number) })
	}
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return ErrNameUnknown
	case errors.As(err, &dns):
		return ErrNameLookup
	case is(refused):
		return ErrRefused
	case is(unreachable):
		return ErrUnreachable
	case is(hungUp):
		return ErrHungUp
	case is(timedOut), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return ErrTimedOut
	}
	return nil
}
