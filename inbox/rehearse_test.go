package inbox_test

import (
	"context"
	"errors"
	"path"
	"slices"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/transport"
)

// Whatever goes wrong: no GO is asked for, the set is given up, and what may be
// left on the server is said.
func TestRehearse(t *testing.T) {
	fi := func(s *inbox.Submission) string { return "INTEST/" + s.Set.FI(1).String() }
	both := func(a, b func(string, string) error) func(string, string) error {
		return func(op, p string) error { return errors.Join(a(op, p), b(op, p)) }
	}
	for _, c := range []struct {
		name   string
		before func(op, path string) error
		err    error
		behind bool // the error says that files may be left
		left   bool // files are left
		looked bool
	}{
		{"all goes well", nil, nil, false, false, true},
		{"nothing may be written", failOn("put", "", errDenied), transport.ErrPermission, false, false, false},
		{"nothing may be written or deleted", both(failOn("put", "", errDenied), failOn("remove", "", errDenied)), transport.ErrPermission, true, false, false},
		{"the connection breaks at the upload", both(failOn("put", "", errTemporary), failOn("remove", "", errTemporary)), transport.ErrConnection, true, false, false},
		{"a TD is refused", failOn("put", "TD", errDenied), transport.ErrPermission, false, false, true},
		{"a TD is refused and nothing may be deleted", both(failOn("put", "TD", errDenied), failOn("remove", "", errDenied)), transport.ErrPermission, true, true, true},
		{"nothing may be deleted: the TD does it", failOn("remove", "", errDenied), nil, false, true, true},
		{"the connection breaks after the TD", failOn("remove", "TD", errTemporary), transport.ErrConnection, true, true, true},
		{"the connection breaks after the TD is removed", failOn("remove", "FI", errTemporary), transport.ErrConnection, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.prepared(1)
			w.server.before = c.before
			looked := false
			err := w.deliverer().Rehearse(t.Context(), s, "a test", func(_ context.Context, p string) {
				looked = slices.Contains(w.server.names(), p) && p == fi(s)
			})
			if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Errorf("%v instead of %v", err, c.err)
			}
			var behind *inbox.LeftBehindError
			if errors.As(err, &behind) != c.behind {
				t.Errorf("left behind: %v", err)
			}
			if left := w.server.names(); (len(left) > 0) != c.left {
				t.Errorf("on the server: %v", left)
			}
			if looked != c.looked {
				t.Errorf("looked at the FI: %t", looked)
			}
			w.wantState(s, inbox.Cancelled)
			w.wantGOs(0)
		})
	}
}

// The set is given up before anything is uploaded: a run that dies in the
// middle leaves nothing that resume would send.
func TestRehearseGivesUpFirst(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(1)
	w.server.before = func(op, p string) error {
		if got := w.stored(s.ID).State; got != inbox.Cancelled {
			t.Errorf("%s %s while the set is %s", op, path.Base(p), got)
		}
		return nil
	}
	if err := w.deliverer().Rehearse(t.Context(), s, "a test", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.deliverer().Deliver(t.Context(), s); err == nil {
		t.Error("it can be sent afterwards")
	}
	w.wantGOs(0)

	w = newWorld(t)
	s = w.prepared(1)
	err := w.delivererWith(failingLedger{Ledger: w.ledger, before: at("move cancelled")}).Rehearse(t.Context(), s, "a test", nil)
	if !errors.Is(err, errLedger) || len(w.server.log) > 0 {
		t.Errorf("%v, and the server got %v", err, w.server.log)
	}
	w = newWorld(t)
	sent := w.unknown(1)
	var state *inbox.StateError
	if err := w.deliverer().Rehearse(t.Context(), sent, "a test", nil); !errors.As(err, &state) {
		t.Errorf("a set whose GO was asked for: %v", err)
	}
}

// After Ctrl-C it is cleaned up all the same.
func TestRehearseInterrupted(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(1)
	ctx, stop := context.WithCancel(t.Context())
	err := w.deliverer().Rehearse(ctx, s, "a test", func(context.Context, string) { stop() })
	if err != nil || len(w.server.names()) > 0 {
		t.Errorf("%v, left %v", err, w.server.names())
	}
	w.wantGOs(0)
}
