package ledgertest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// due writes what is due as "hook reply-or-set", one a line.
func due(t *testing.T, l ledger.Ledger) string {
	t.Helper()
	calls, err := l.DueCalls(t.Context(), ledger.OnReply, ledger.OnRefused)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range calls {
		out = append(out, fmt.Sprintf("%s %d %d", c.Hook, c.ReplyID, c.SubmissionID))
	}
	return strings.Join(out, "\n")
}

func (kit suite) TestHooksAreToldOnce(t *testing.T) {
	t.Parallel()
	l := kit.ledger(t)
	s := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeAccepted)) // nobody is to be told
	l.Tell(ledger.OnReply, ledger.OnRefused)
	if got := due(t, l); got != "" {
		t.Fatalf("due of the time before: %s", got)
	}
	r := stored(t, l, naming.Test)
	if got := due(t, l); got != "" {
		t.Errorf("a reply is told before it is read: %s", got)
	}
	a := notified(s, 1, ledger.OutcomeRefused)
	a.Position = 1
	for _, err := range []error{
		l.AddAnswers(t.Context(), r, []ledger.Answer{a}),
		func() error { _, err := l.ReadReply(t.Context(), r); return err }(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("on_reply %d 0\non_refused 0 %d", r.ID, s.ID)
	if got := due(t, l); got != want {
		t.Fatalf("due: %s, want %s", got, want)
	}
	// Its signature comes later: it is read again, and not told again.
	calls, err := l.DueCalls(t.Context(), ledger.OnReply, ledger.OnRefused)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if ok, err := l.BeginCall(t.Context(), c.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if err := l.AddSignature(t.Context(), r.ID, outbox.File{Name: "FS", Path: "x/FS", Size: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReadReply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := due(t, l); got != "" {
		t.Errorf("read again: %s", got)
	}
}

func (kit suite) TestCallsAreBegunOnce(t *testing.T) {
	t.Parallel()
	place := kit.places(t)
	l := open(t, place, testkit.Now)
	l.Tell(ledger.OnReply)
	s := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	answer(t, l, naming.Test, receipt(s, ledger.OutcomeRefused, "ACRF-1"))
	calls, err := l.DueCalls(t.Context(), ledger.OnReply, ledger.OnRefused)
	if err != nil || len(calls) != 1 {
		t.Fatalf("%+v, %v", calls, err)
	}
	id := calls[0].ID
	var begun atomic.Int32
	var wg sync.WaitGroup
	for range 4 { // several processes at once
		other := open(t, place, testkit.Now)
		wg.Go(func() {
			ok, err := other.BeginCall(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			if ok {
				begun.Add(1)
			}
		})
	}
	wg.Wait()
	if begun.Load() != 1 {
		t.Errorf("begun %d times", begun.Load())
	}
	// A run that was killed now leaves it begun, and nobody begins it again.
	if got := due(t, l); got != "" {
		t.Errorf("begun and due: %s", got)
	}
	end := func(r ledger.CallResult) ledger.HookCall {
		t.Helper()
		if err := l.EndCall(t.Context(), id, r); err != nil {
			t.Fatal(err)
		}
		calls, err := l.HookCalls(t.Context(), s.ID)
		if err != nil || len(calls) != 1 {
			t.Fatalf("%+v, %v", calls, err)
		}
		return calls[0]
	}
	if c := end(ledger.CallResult{Result: ledger.CallNotStarted, Problem: "no such program"}); c.Problem == "" || due(t, l) == "" {
		t.Errorf("what was not started is not due: %+v", c)
	}
	if ok, err := l.BeginCall(t.Context(), id); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	c := end(ledger.CallResult{Result: "failed", ExitCode: 7, Duration: 1500 * time.Millisecond})
	if c.Result != "failed" || c.ExitCode != 7 || c.Duration != 1500*time.Millisecond || c.Problem != "" || c.Reply == "" || c.BegunAt != testkit.Now() || due(t, l) != "" {
		t.Errorf("%+v", c)
	}
	if c := end(ledger.CallResult{Result: "done"}); c.Result != "failed" {
		t.Errorf("ended twice: %+v", c)
	}
	if ok, err := l.BeginCall(t.Context(), id); ok || err != nil {
		t.Errorf("begun after its end: %v, %v", ok, err)
	}
}

func (kit suite) TestErrorCalls(t *testing.T) {
	t.Parallel()
	l := kit.ledger(t)
	id, err := l.BeginErrorCall(t.Context(), "fetch")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := l.BeginCall(t.Context(), id); ok || err != nil {
		t.Errorf("begun twice: %v, %v", ok, err)
	}
	if again, err := l.BeginErrorCall(t.Context(), "fetch"); err != nil || again == id {
		t.Errorf("another run: %d, %v", again, err)
	}
}

func (kit suite) TestRuns(t *testing.T) {
	t.Parallel()
	now := testkit.Now()
	l := open(t, kit.places(t), func() time.Time { return now })
	for _, class := range []string{"temporary", ledger.Succeeded, "failed"} {
		if err := l.RecordRun(t.Context(), "fetch", "R", class); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	want := ledger.Run{Command: "fetch", Environment: "R", EndedAt: testkit.Now().Add(2 * time.Hour), Class: "failed", SucceededAt: testkit.Now().Add(time.Hour)}
	if runs, err := l.Runs(t.Context()); err != nil || len(runs) != 1 || runs[0] != want {
		t.Errorf("%+v, %v", runs, err)
	}
}
