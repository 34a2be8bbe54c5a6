package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	pkgsftp "github.com/pkg/sftp"

	"github.com/socbatch/socbatch/transport"
)

// Status codes, from draft-ietf-secsh-filexfer-02; those above 8 are from
// later drafts, which some servers use on version 3.
const (
	fxOK               = 0
	fxEOF              = 1
	fxNoSuchFile       = 2
	fxPermissionDenied = 3
	fxFailure          = 4
	fxBadMessage       = 5
	fxNoConnection     = 6
	fxConnectionLost   = 7
	fxOpUnsupported    = 8
	fxNoSuchPath       = 10
	fxWriteProtect     = 12
	fxNoSpace          = 14
	fxQuotaExceeded    = 15
)

// statusError is a status reply that is not OK.
type statusError struct {
	code uint32
	text string // the server's words: hostile, shown quoted
}

func (e *statusError) Error() string {
	text := e.text
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Sprintf("server says %q (code %d)", text, e.code)
}

// fromPkg turns the errors of pkg/sftp into ours.
func fromPkg(err error) error {
	var s *pkgsftp.StatusError
	if errors.As(err, &s) {
		// The text is not exported; Error prints it quoted.
		text := s.Error()
		if i, j := strings.IndexByte(text, '"'), strings.LastIndexByte(text, '"'); i >= 0 && j > i {
			if words, err := strconv.Unquote(text[i : j+1]); err == nil {
				text = words
			}
		}
		return &statusError{code: s.Code, text: text}
	}
	return err
}

// fail returns err as a *transport.Error for op on path; nil stays nil. It is
// the one place where errors of a session get their class.
func (s *Session) fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var done *transport.Error
	if errors.As(err, &done) {
		return err
	}
	e := &transport.Error{Op: op, Path: path, Err: err}
	// Cancelled only by the caller: the library's own time-outs are not these.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		e.Class = transport.Cancelled
		return e
	}
	err = fromPkg(err)
	e.Err = err
	var st *statusError
	switch {
	case errors.Is(err, transport.ErrClosed):
		e.Kind = transport.ErrClosed
	case errors.Is(err, os.ErrNotExist):
		e.Kind, e.Err = transport.ErrNotFound, nil
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Err = transport.ErrPermission, nil
	case errors.As(err, &st):
		e.Class, e.Kind = st.kind()
	case s.isClosed():
		e.Kind, e.Err = transport.ErrClosed, nil
	case isConnectionError(err) || s.broken(err) != nil:
		cause := s.broken(err)
		if cause == nil {
			cause = err
		}
		e.Err = cause
		e.Kind, e.Class = transport.ErrConnection, transport.Temporary
		if errors.Is(cause, transport.ErrProtocol) {
			e.Kind, e.Class = transport.ErrProtocol, transport.Permanent
		}
	case errors.Is(err, transport.ErrProtocol):
		e.Kind = transport.ErrProtocol
	case errors.Is(err, transport.ErrSize):
		e.Kind = transport.ErrSize
	}
	return e
}

// kind returns the class and the kind of a status reply.
func (e *statusError) kind() (transport.Class, error) {
	switch e.code {
	case fxNoSuchFile, fxNoSuchPath:
		return transport.Permanent, transport.ErrNotFound
	case fxPermissionDenied, fxWriteProtect:
		return transport.Permanent, transport.ErrPermission
	case fxNoSpace, fxQuotaExceeded:
		return transport.Permanent, transport.ErrNoSpace
	case fxOpUnsupported:
		return transport.Permanent, transport.ErrUnsupported
	case fxNoConnection, fxConnectionLost:
		return transport.Temporary, transport.ErrConnection
	case fxFailure:
		// Version 3 has no code for a full disk: only the words tell.
		text := strings.ToLower(e.text)
		for _, w := range []string{"no space", "disk full", "quota", "disk is full", "not enough space"} {
			if strings.Contains(text, w) {
				return transport.Permanent, transport.ErrNoSpace
			}
		}
		return transport.Permanent, transport.ErrFailure
	case fxBadMessage, fxEOF:
		return transport.Permanent, transport.ErrProtocol
	}
	return transport.Permanent, transport.ErrFailure
}

// failOpen is fail for an OPEN request.
func (s *Session) failOpen(op, path string, err error) error {
	err = s.fail(op, path, err)
	var e *transport.Error
	if errors.As(err, &e) && errors.Is(e.Kind, transport.ErrFailure) {
		e.Kind = transport.ErrTooManyOpen
	}
	return err
}

// cancelled returns the error of a context that has ended: always one that
// errors.Is finds as such, and the cause where the caller gave one.
func cancelled(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the same error, not one that wraps it
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// localError is an error of the caller's own reader or writer, which must not
// be taken for one of the connection.
func localError(op, path, what string, err error) error {
	e := &transport.Error{Op: op, Path: path, Err: fmt.Errorf("%s: %w", what, err)}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		e.Class = transport.Cancelled
	}
	return e
}

func isConnectionError(err error) bool {
	var ne net.Error
	return errors.Is(err, pkgsftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, transport.ErrStalled) || errors.As(err, &ne)
}

// isRefusal reports that the server answered a request for attributes with a
// no, of whatever sort: that says nothing about the file.
func isRefusal(err error) bool {
	var st *pkgsftp.StatusError
	return errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) || errors.As(err, &st) || errors.Is(err, io.EOF)
}

func sizeError(what string, got, want int64) error {
	return fmt.Errorf("%w: %s %d bytes, expected %d", transport.ErrSize, what, got, want)
}
