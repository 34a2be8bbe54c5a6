package inbox_test

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/transport"
)

func TestDeliverInOrder(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(3)
	if err := w.deliverer().Deliver(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Sent)
	w.wantGOs(1)
	if n := len(w.server.log); n != 7 || w.server.log[6] != "put "+s.Set.GO().String() {
		t.Errorf("requests: %q", w.server.log)
	}
	for _, p := range s.Parts {
		fi := w.server.files["INTEST/"+s.Set.FI(p.Number).String()]
		equalBytes(t, "FI", []byte(fi), mustRead(t, p.Source))
		equalBytes(t, "FS", []byte(w.server.files["INTEST/"+s.Set.FS(p.Number).String()]), mustRead(t, w.spool.FS(s.Spool, p.Number)))
	}
	if c, there := w.server.files["INTEST/"+s.Set.GO().String()]; !there || c != "" {
		t.Errorf("GO is there: %t, with %q", there, c)
	}
	if w.stored(s.ID).SentAt.IsZero() {
		t.Error("the time of sending is not recorded")
	}
	history, err := w.ledger.History(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	var states []inbox.State
	for _, e := range history {
		states = append(states, e.State)
	}
	if want := []inbox.State{inbox.Prepared, inbox.Uploading, inbox.Unknown, inbox.Sent}; !slices.Equal(states, want) {
		t.Errorf("history %v, want %v", states, want)
	}
	// A set that is sent is not delivered again.
	var state *inbox.StateError
	if err := w.deliverer().Deliver(t.Context(), s); !errors.As(err, &state) {
		t.Errorf("delivered again: %v", err)
	}
	w.wantGOs(1)
}

func TestDeliverFailsBeforeGO(t *testing.T) {
	for _, c := range []struct {
		name  string
		fail  func(op, path string) error
		after bool // the bytes are there and the answer is lost
		want  inbox.State
	}{
		{"FI, for now", failOn("put", "FI", errTemporary), false, inbox.Uploading},
		{"FS, for now", failOn("put", "FS", errTemporary), false, inbox.Uploading},
		{"FI, answer lost", failOn("put", "FI", errTemporary), true, inbox.Uploading},
		{"FI, for good", failOn("put", "FI", errDenied), false, inbox.Failed},
		{"FS, for good", failOn("put", "FS", errDenied), false, inbox.Failed},
		{"unknown error", failOn("put", "FI", errors.New("odd")), false, inbox.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.prepared(2)
			if c.after {
				w.server.after = c.fail
			} else {
				w.server.before = c.fail
			}
			err := w.deliverer().Deliver(t.Context(), s)
			var unknown *inbox.UnknownError
			if err == nil || errors.As(err, &unknown) {
				t.Fatalf("got %v", err)
			}
			w.wantState(s, c.want)
			w.wantGOs(0)
			if note := w.stored(s.ID).Note; note == "" {
				t.Error("the ledger does not say what happened")
			}
			w.server.before, w.server.after = nil, nil
			again := w.stored(s.ID)
			if err := w.deliverer().Deliver(t.Context(), &again); err != nil {
				t.Fatal(err)
			}
			w.wantState(&again, inbox.Sent)
			w.wantGOs(1)
			if again.Set != s.Set {
				t.Errorf("the name changed from %s to %s", s.Set, again.Set)
			}
		})
	}
}

// A cancellation that one failure causes must not hide the failure.
func TestDeliverNamesTheFirstFailure(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(4)
	w.server.before = func(op, p string) error {
		if strings.HasSuffix(p, ".4.3") {
			return errDenied
		}
		return nil
	}
	if err := w.deliverer().Deliver(t.Context(), s); !errors.Is(err, transport.ErrPermission) {
		t.Errorf("got %v", err)
	}
	w.wantState(s, inbox.Failed)
}

func TestDeliverFailsDuringGO(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		s := w.prepared(1)
		if after {
			w.server.after = failOn("put", "GO", errTemporary)
		} else {
			w.server.before = failOn("put", "GO", errDenied)
		}
		err := w.deliverer().Deliver(t.Context(), s)
		var unknown *inbox.UnknownError
		if !errors.As(err, &unknown) || unknown.Set != s.Set || unknown.Taken {
			t.Fatalf("got %+v", err)
		}
		w.wantState(s, inbox.Unknown)
		var state *inbox.StateError
		if err := w.deliverer().Deliver(t.Context(), s); !errors.As(err, &state) {
			t.Errorf("delivered again: %v", err)
		}
		if err := w.deliverer().Cancel(t.Context(), s, ""); !errors.As(err, &state) {
			t.Errorf("cancelled after GO: %v", err)
		}
		w.wantState(s, inbox.Unknown)
		w.wantGOs(1)
	}
}

// A GO whose handle the server gave to another file as well was created all the
// same: it is not asked for again. A declaration is sent again.
func TestDeliverGOWithSharedHandle(t *testing.T) {
	shared := &transport.Error{Op: "put", Class: transport.Temporary, Kind: transport.ErrSharedHandle, Err: transport.ErrBeginAnew}
	w := newWorld(t)
	s := w.prepared(1)
	puts := 0
	w.server.after = func(op, p string) error {
		if op != "put" || strings.HasPrefix(path.Base(p), "FS") {
			return nil
		}
		if puts++; strings.HasPrefix(path.Base(p), "FI") && puts > 1 {
			return nil
		}
		return shared
	}
	if err := w.deliverer().Deliver(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Sent)
	w.wantGOs(1)
	if puts != 3 {
		t.Errorf("FI and GO were put %d times in all", puts)
	}
}

func TestDeliverStopsBeforeGO(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(1)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.after = func(_, p string) error {
		if len(w.server.log) == 2 { // the last of FI and FS
			cancel()
		}
		return nil
	}
	if err := w.deliverer().Deliver(ctx, s); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	w.wantState(s, inbox.Uploaded)
	w.wantGOs(0)
	w.server.after = nil
	if err := w.deliverer().Deliver(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Sent)
	w.wantGOs(1)
}

func TestDeliverStoppedWhileUploading(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(2)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.before = func(string, string) error { cancel(); return cancelled(ctx) }
	if err := w.deliverer().Deliver(ctx, s); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	w.wantState(s, inbox.Uploading)
	w.wantGOs(0)
}

func TestDeliverCompletesGO(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(1)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.before = func(_, p string) error {
		if strings.HasPrefix(p, "INTEST/GO") {
			cancel()
		}
		return nil
	}
	if err := w.deliverer().Deliver(ctx, s); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Sent)
	w.wantGOs(1)
}

func TestDeliverAlteredSpool(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(file string) error
	}{
		{"other bytes", func(f string) error {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(f, b, 0o600)
		}},
		{"shorter", func(f string) error { return os.Truncate(f, 10) }},
		{"longer", func(f string) error {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			return os.WriteFile(f, append(b, ' '), 0o600)
		}},
		{"gone", os.Remove},
	} {
		for _, kind := range []string{"FI", "FS"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				w := newWorld(t)
				s := w.prepared(1)
				file := w.spool.FI(s.Spool, 1)
				if kind == "FS" {
					file = w.spool.FS(s.Spool, 1)
				}
				if err := c.alter(file); err != nil {
					t.Fatal(err)
				}
				var spool *inbox.SpoolError
				if err := w.deliverer().Deliver(t.Context(), s); !errors.As(err, &spool) || spool.Path != file {
					t.Fatalf("got %v", err)
				}
				w.wantState(s, inbox.Failed)
				w.wantGOs(0)
			})
		}
	}
}

func TestDeliverLedgerFails(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after func(string) error
		gos           int
		unknown       bool
		state         inbox.State // in the ledger
	}{
		{"at the start", at("move uploading"), nil, 0, false, inbox.Prepared},
		{"before GO", at("move unknown"), nil, 0, false, inbox.Uploading},
		{"before GO, answer lost", nil, at("move unknown"), 0, false, inbox.Unknown},
		{"after GO", at("move sent"), nil, 1, true, inbox.Unknown},
		{"after GO, answer lost", nil, at("move sent"), 1, true, inbox.Sent},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.prepared(1)
			err := w.delivererWith(failingLedger{w.ledger, c.before, c.after}).Deliver(t.Context(), s)
			if !errors.Is(err, errLedger) {
				t.Fatalf("got %v", err)
			}
			var unknown *inbox.UnknownError
			if errors.As(err, &unknown) != c.unknown {
				t.Errorf("got %v, outcome unknown should be %t", err, c.unknown)
			}
			if c.unknown && !unknown.Taken {
				t.Error("it does not say that the server took the GO")
			}
			w.wantGOs(c.gos)
			if got := w.stored(s.ID).State; got != c.state {
				t.Errorf("the ledger says %s, want %s", got, c.state)
			}
		})
	}
}

// The receipt may be fetched by another process before the GO is recorded as
// taken.
func TestDeliverOvertakenByReceipt(t *testing.T) {
	w := newWorld(t)
	s := w.prepared(1)
	l := failingLedger{Ledger: w.ledger, before: func(what string) error {
		if what == "move sent" {
			return w.ledger.Move(t.Context(), s.ID, inbox.Received, "")
		}
		return nil
	}}
	if err := w.delivererWith(l).Deliver(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Received)
}

func TestCancel(t *testing.T) {
	uploaded := func(w *world) *inbox.Submission {
		s := w.prepared(2)
		w.server.before = failOn("put", "FS", errTemporary)
		if err := w.deliverer().Deliver(t.Context(), s); err == nil {
			t.Fatal("no error")
		}
		w.server.before = nil
		return s
	}
	t.Run("removes what is there", func(t *testing.T) {
		w := newWorld(t)
		s := uploaded(w)
		w.server.files["INTEST/other"] = "x"
		if err := w.deliverer().Cancel(t.Context(), s, "wrong quarter"); err != nil {
			t.Fatal(err)
		}
		w.wantState(s, inbox.Cancelled)
		if got := w.server.names(); !slices.Equal(got, []string{"INTEST/other"}) {
			t.Errorf("on the server: %q", got)
		}
		if note := w.stored(s.ID).Note; note != "wrong quarter" {
			t.Errorf("note %q", note)
		}
	})
	t.Run("TD where removing is refused", func(t *testing.T) {
		w := newWorld(t)
		s := uploaded(w)
		w.server.before = failOn("remove", "F", errDenied)
		if err := w.deliverer().Cancel(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
		w.wantState(s, inbox.Cancelled)
		if got := w.server.names(); !slices.Contains(got, "INTEST/"+s.Set.TD().String()) {
			t.Errorf("no TD among %q", got)
		}
		w.wantGOs(0)
	})
	t.Run("stays when the server does not answer", func(t *testing.T) {
		w := newWorld(t)
		s := uploaded(w)
		w.server.before = failOn("remove", "F", errTemporary)
		if err := w.deliverer().Cancel(t.Context(), s, ""); !errors.Is(err, transport.ErrConnection) {
			t.Fatalf("got %v", err)
		}
		w.wantState(s, inbox.Uploading)
		w.server.before = func(op, p string) error {
			if op == "remove" {
				return errDenied
			}
			return errTemporary
		}
		var left *inbox.LeftBehindError
		if err := w.deliverer().Cancel(t.Context(), s, ""); !errors.As(err, &left) || left.Set != s.Set {
			t.Fatalf("no word of the TD that failed: %v", err)
		}
		// The TD may have arrived all the same: the name is never used again.
		w.wantState(s, inbox.Cancelled)
		if err := w.deliverer().Cancel(t.Context(), s, ""); !errors.As(err, &left) {
			t.Fatalf("cleaned up again: %v", err)
		}
	})
	t.Run("cleans up again", func(t *testing.T) {
		for _, removing := range []error{nil, errDenied} {
			w := newWorld(t)
			s := uploaded(w)
			w.server.before = func(op, p string) error {
				if op == "remove" {
					return errDenied
				}
				return errTemporary
			}
			if err := w.deliverer().Cancel(t.Context(), s, "wrong quarter"); err == nil {
				t.Fatal("no word of the TD that failed")
			}
			w.server.before = failOn("remove", "F", removing)
			if err := w.deliverer().Cancel(t.Context(), s, "again"); err != nil {
				t.Fatal(err)
			}
			td := slices.Contains(w.server.names(), "INTEST/"+s.Set.TD().String())
			if gone := len(w.server.names()) == 0; td != (removing != nil) || gone == td {
				t.Errorf("removing %v: on the server: %q", removing, w.server.names())
			}
			w.wantState(s, inbox.Cancelled)
			if note := w.stored(s.ID).Note; note != "wrong quarter" {
				t.Errorf("note %q", note)
			}
			w.wantGOs(0)
		}
	})
	t.Run("nothing was sent", func(t *testing.T) {
		w := newWorld(t)
		s := w.prepared(1)
		d := inbox.NewDeliverer(nil, w.ledger, nil, inbox.Options{})
		if err := d.Cancel(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
		w.wantState(s, inbox.Cancelled)
	})
}

func TestAbandon(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(op, path string) error
		err    error
		left   []string // kinds on the server
	}{
		{"takes everything away", nil, nil, nil},
		{"TD where removing is refused", failOn("remove", "F", errDenied), nil, []string{"FI", "FI", "FS", "FS", "TD"}},
		{"no answer to removing", failOn("remove", "FS", errTemporary), transport.ErrConnection, []string{"FI", "FS", "FS"}},
		{"nothing is allowed", func(string, string) error { return errDenied }, transport.ErrPermission, []string{"FI", "FI", "FS", "FS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.unknown(2)
			w.server.before = c.before
			err := w.deliverer().Abandon(t.Context(), s, "the office says so")
			if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			w.wantState(s, inbox.Cancelled)
			var left []string
			for _, n := range w.server.names() {
				left = append(left, strings.TrimPrefix(n, "INTEST/")[:2])
			}
			if !slices.Equal(left, c.left) {
				t.Errorf("on the server: %q, want %q", left, c.left)
			}
			w.wantGOs(1)
		})
	}
	// Nothing is removed before the ledger knows: a look would else take the
	// missing FI for a set that was processed.
	w := newWorld(t)
	s := w.unknown(1)
	l := failingLedger{Ledger: w.ledger, before: at("move cancelled")}
	if err := w.delivererWith(l).Abandon(t.Context(), s, ""); !errors.Is(err, errLedger) {
		t.Errorf("got %v", err)
	}
	w.wantState(s, inbox.Unknown)
	if n := len(w.server.names()); n != 2 {
		t.Errorf("on the server: %q", w.server.names())
	}
	var state *inbox.StateError
	w = newWorld(t)
	if err := w.deliverer().Abandon(t.Context(), w.prepared(1), ""); !errors.As(err, &state) {
		t.Errorf("abandoned a set that can be cancelled: %v", err)
	}
}
