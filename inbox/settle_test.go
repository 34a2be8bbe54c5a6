package inbox_test

import (
	"context"
	"errors"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/transport"
)

func TestSettle(t *testing.T) {
	goName := func(s *inbox.Submission) string { return "INTEST/" + s.Set.GO().String() }
	for _, c := range []struct {
		name  string
		set   func(w *world, s *inbox.Submission)
		want  inbox.State
		err   error
		gos   int // all in all; the first is the one without an answer
		lists int
	}{
		{"GO is still there", func(w *world, s *inbox.Submission) { w.server.files[goName(s)] = "" }, inbox.Sent, nil, 1, 1},
		{"everything was taken", func(w *world, s *inbox.Submission) { clear(w.server.files) }, inbox.Sent, nil, 1, 1},
		{"one FI was taken", func(w *world, s *inbox.Submission) {
			delete(w.server.files, "INTEST/"+s.Set.FI(2).String())
		}, inbox.Sent, nil, 1, 1},
		{"GO never arrived", func(*world, *inbox.Submission) {}, inbox.Sent, nil, 2, 2},
		{"GO arrives between two looks", func(w *world, s *inbox.Submission) {
			w.server.listHook = func(n int) error {
				if n == 2 {
					w.server.files[goName(s)] = ""
				}
				return nil
			}
		}, inbox.Sent, nil, 1, 2},
		{"taken between two looks", func(w *world, s *inbox.Submission) {
			w.server.listHook = func(n int) error {
				if n == 2 {
					clear(w.server.files)
				}
				return nil
			}
		}, inbox.Sent, nil, 1, 2},
		{"an FI has another size", func(w *world, s *inbox.Submission) {
			w.server.files["INTEST/"+s.Set.FI(1).String()] = "short"
		}, inbox.Sent, nil, 2, 2},
		{"an FS is missing", func(w *world, s *inbox.Submission) {
			delete(w.server.files, "INTEST/"+s.Set.FS(1).String())
		}, inbox.Sent, nil, 2, 2},
		{"listing is forbidden", func(w *world, s *inbox.Submission) {
			w.server.listHook = func(int) error { return errForbidden }
		}, inbox.Unknown, transport.ErrPermission, 1, 1},
		{"listing fails the second time", func(w *world, s *inbox.Submission) {
			w.server.listHook = func(n int) error {
				if n == 2 {
					return errTemporary
				}
				return nil
			}
		}, inbox.Unknown, transport.ErrConnection, 1, 2},
		{"a receipt comes between two looks", func(w *world, s *inbox.Submission) {
			w.server.listHook = func(n int) error {
				if n == 2 {
					return w.ledger.Move(context.Background(), s.ID, inbox.Received, "")
				}
				return nil
			}
		}, inbox.Received, nil, 1, 2},
		{"a receipt came before", func(w *world, s *inbox.Submission) {
			clear(w.server.files)
			if err := w.ledger.Move(context.Background(), s.ID, inbox.Received, ""); err != nil {
				w.t.Fatal(err)
			}
		}, inbox.Received, nil, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.unknown(2)
			w.server.twice = true
			c.set(w, s)
			err := w.deliverer().Settle(t.Context(), []*inbox.Submission{s})
			if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			w.wantState(s, c.want)
			w.wantGOs(c.gos)
			if w.server.lists != c.lists {
				t.Errorf("%d looks, want %d", w.server.lists, c.lists)
			}
			if c.gos == 2 {
				for _, p := range s.Parts {
					equalBytes(t, "FI", []byte(w.server.files["INTEST/"+s.Set.FI(p.Number).String()]), mustRead(t, p.Source))
				}
			}
		})
	}
}

func TestSettleStopped(t *testing.T) {
	w := newWorld(t)
	s := w.unknown(1)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.listHook = func(int) error { cancel(); return nil }
	d := inbox.NewDeliverer(w.server, w.ledger, w.spool, inbox.Options{}) // pauses for seconds
	if err := d.Settle(ctx, []*inbox.Submission{s}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.wantState(s, inbox.Unknown)
	w.wantGOs(1)
}

// The GO that is sent again is lost too, then another look finds it.
func TestSettleAgain(t *testing.T) {
	w := newWorld(t)
	s := w.unknown(1)
	w.server.twice = true
	w.server.after = failOn("put", "GO", errTemporary)
	var unknown *inbox.UnknownError
	if err := w.deliverer().Settle(t.Context(), []*inbox.Submission{s}); !errors.As(err, &unknown) {
		t.Fatalf("got %v", err)
	}
	w.wantState(s, inbox.Unknown)
	if err := w.deliverer().Settle(t.Context(), []*inbox.Submission{s}); err != nil {
		t.Fatal(err)
	}
	w.wantState(s, inbox.Sent)
	w.wantGOs(2)
}

func TestSettleOthers(t *testing.T) {
	w := newWorld(t)
	s := w.unknown(1)
	clear(w.server.files)
	sent := *s
	sent.State = inbox.Sent
	var state *inbox.StateError
	if err := w.deliverer().Settle(t.Context(), []*inbox.Submission{&sent, s}); !errors.As(err, &state) {
		t.Errorf("got %v", err)
	}
	w.wantState(s, inbox.Sent)
	if err := w.deliverer().Settle(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
