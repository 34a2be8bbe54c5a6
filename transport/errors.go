package transport

import (
	"context"
	"errors"
	"fmt"
)

// Class says what a caller may do about an error. The zero value is Permanent,
// so that an error nobody classed is never repeated.
type Class uint8

// The classes of errors.
const (
	Permanent      Class = iota // also everything unknown: the same request is expected to fail again
	Temporary                   // the connection or the server gave way; a new connection may succeed
	Authentication              // the server refused every key that was offered
	HostKey                     // the server is not known to be the one that was asked for
	Cancelled                   // the caller's context ended
)

// String returns the class in lower case.
func (c Class) String() string {
	switch c {
	case Temporary:
		return "temporary"
	case Authentication:
		return "authentication"
	case HostKey:
		return "host key"
	case Cancelled:
		return "cancelled"
	default:
		return "permanent"
	}
}

// Kinds of errors, for errors.Is. Each is found in an *Error both through its
// Kind and through the wrapped error.
var (
	ErrNotFound       = errors.New("no such file")
	ErrPermission     = errors.New("permission denied")
	ErrNoSpace        = errors.New("no space or quota left on the server")
	ErrUnsupported    = errors.New("not supported by the server")
	ErrSize           = errors.New("byte counts differ")
	ErrConnection     = errors.New("connection failed")
	ErrStalled        = errors.New("no answer from the server") // always together with ErrConnection
	ErrProtocol       = errors.New("malformed answer from the server")
	ErrClosed         = errors.New("session is closed")
	ErrAuthentication = errors.New("login refused")
	ErrHostKey        = errors.New("host key not accepted")
	ErrAlgorithm      = errors.New("no common algorithm with the server")
	ErrFailure        = errors.New("refused by the server") // a refusal without a reason (SSH_FX_FAILURE)

	// ErrTooManyOpen is an OPEN that was refused without a reason, which is how
	// servers report that too many files are open: callers may halve the number
	// of files in flight and try that file again. errors.Is(err, ErrFailure)
	// holds as well.
	ErrTooManyOpen = fmt.Errorf("open %w", ErrFailure)

	// ErrBeginAnew is the failure of a file on a server that a session treats more
	// carefully from then on: the same Put or Get, begun anew, may succeed. A
	// session gives it a few times for one file at most, so that a caller who
	// begins anew each time comes to an end.
	ErrBeginAnew = errors.New("to be done once more, with care")

	// ErrSharedHandle is a file whose handle the server gave to another file as
	// well: what was read or written may be the other's. The file was opened, and
	// so created where that was asked. errors.Is(err, ErrBeginAnew) holds as well,
	// unless no other file of this session was open.
	ErrSharedHandle = errors.New("the server gave one handle to several files")
)

// Error is the error of one operation on one object.
type Error struct {
	Op    string // "put", "get", "list", "stat", "remove", "connect", "log in", …
	Path  string // the remote path, or host:port for a connection
	Class Class
	Kind  error // one of the Err… sentinels, or nil
	Err   error // the cause; nil where Kind says everything
}

// Error returns "op path: kind: cause".
func (e *Error) Error() string {
	s := e.Op
	if e.Path != "" {
		s += " " + quotePath(e.Path)
	}
	if e.Kind != nil && (e.Err == nil || !errors.Is(e.Err, e.Kind)) {
		s += ": " + e.Kind.Error()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives errors.Is and errors.As both the kind and the cause.
func (e *Error) Unwrap() []error {
	switch {
	case e.Kind == nil && e.Err == nil:
		return nil
	case e.Kind == nil:
		return []error{e.Err}
	case e.Err == nil:
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// ClassOf returns the class of err: that of the outermost *Error in it,
// Cancelled for a bare context error, and Permanent for nil and for everything
// unknown.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Cancelled
	}
	return Permanent
}

// quotePath leaves ordinary paths alone and quotes those that could disturb a
// terminal or a log: remote names are hostile input.
func quotePath(p string) string {
	for _, r := range p {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' || r >= 0x80 && r <= 0x9f || isFormat(r) {
			return fmt.Sprintf("%q", p)
		}
	}
	return p
}
