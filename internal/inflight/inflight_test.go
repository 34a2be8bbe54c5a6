package inflight

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server that allows few open files slows the work down and fails none.
func TestLimitFindsWhatTheServerAllows(t *testing.T) {
	t.Parallel()
	const allowed = 5
	l := New(64)
	var mu sync.Mutex
	open, peak, done := 0, 0, 0
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			err := l.Do(context.Background(), func() error {
				mu.Lock()
				if open >= allowed {
					mu.Unlock()
					return &transport.Error{Op: "put", Kind: transport.ErrTooManyOpen}
				}
				open++
				peak = max(peak, open)
				mu.Unlock()
				mu.Lock()
				open--
				done++
				mu.Unlock()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done != 500 || peak > allowed {
		t.Errorf("%d done, at most %d open", done, peak)
	}
}

// A refusal that is not about the number of files ends, at a bound of one.
func TestLimitGivesUp(t *testing.T) {
	t.Parallel()
	l := New(8)
	calls := 0
	err := l.Do(context.Background(), func() error {
		calls++
		return &transport.Error{Op: "put", Kind: transport.ErrTooManyOpen}
	})
	if !errors.Is(err, transport.ErrTooManyOpen) || calls != 4 || l.Max() != 1 {
		t.Errorf("%v after %d calls, bound %d", err, calls, l.Max())
	}
	other := errors.New("other")
	if err := l.Do(context.Background(), func() error { return other }); !errors.Is(err, other) {
		t.Error(err)
	}
}

// What a session wants done anew is done anew, and comes to an end.
func TestLimitBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ times, calls int }{{0, 1}, {1, 2}, {2, 3}, {100, maxAnew + 1}} {
		calls := 0
		err := New(8).Do(context.Background(), func() error {
			if calls++; calls <= c.times {
				return &transport.Error{Op: "put", Kind: transport.ErrSharedHandle, Err: transport.ErrBeginAnew}
			}
			return nil
		})
		if calls != c.calls || (err != nil) != (c.times > maxAnew) {
			t.Errorf("%d times: %d calls, %v", c.times, calls, err)
		}
	}
}

func TestLimitBoundsAndStops(t *testing.T) {
	t.Parallel()
	l := New(3)
	ctx, cancel := context.WithCancel(context.Background())
	var running, peak, ran atomic.Int64
	var wg sync.WaitGroup
	entered := make(chan struct{}, 100)
	hold := make(chan struct{})
	for range 20 {
		wg.Go(func() {
			_ = l.Do(ctx, func() error {
				if n := running.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				ran.Add(1)
				entered <- struct{}{}
				<-hold
				running.Add(-1)
				return nil
			})
		})
	}
	for range 3 {
		<-entered
	}
	cancel() // those who wait give up
	close(hold)
	wg.Wait()
	if peak.Load() > 3 || ran.Load() != 3 {
		t.Errorf("%d at once, %d ran", peak.Load(), ran.Load())
	}
	if err := l.Do(context.Background(), func() error { return nil }); err != nil {
		t.Errorf("a slot was lost: %v", err)
	}
}
