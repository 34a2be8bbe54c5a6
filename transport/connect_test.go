package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

func TestReasonOf(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no such name", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}}, ErrNameUnknown},
		{"name server silent", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsTimeout: true}}, ErrNameLookup},
		{"refused", dial(refused[0]), ErrRefused},
		{"no way to the host", dial(unreachable[0]), ErrUnreachable},
		{"no way to the network", dial(unreachable[1]), ErrUnreachable},
		{"reset", dial(hungUp[0]), ErrHungUp},
		{"the system gave up", dial(timedOut[0]), ErrTimedOut},
		{"we gave up", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, ErrTimedOut},
		{"the context gave up", context.DeadlineExceeded, ErrTimedOut},
		{"something else", io.ErrUnexpectedEOF, nil},
	} {
		if got := ReasonOf(c.err); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// As it comes from the system.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = net.Dial("tcp", l.Addr().String())
	if !errors.Is(ReasonOf(err), ErrRefused) {
		t.Errorf("%v: %v", err, ReasonOf(err))
	}
}

func TestConnectError(t *testing.T) {
	e := &ConnectError{Reason: ErrRefused, Err: io.EOF}
	if got, want := e.Error(), ErrRefused.Error()+": EOF"; got != want || !errors.Is(e, ErrRefused) || !errors.Is(e, io.EOF) {
		t.Errorf("%q, want %q", got, want)
	}
	if e.Reason = nil; e.Error() != "EOF" || !errors.Is(e, io.EOF) {
		t.Errorf("%q", e)
	}
}
