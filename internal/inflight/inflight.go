// Package inflight bounds how many files are under way at once, and lowers the
// bound when a server turns out to allow fewer open files.
package inflight

import (
	"context"
	"errors"
	"sync"

	"github.com/socbatch/socbatch/transport"
)

// Limit is a bound on what runs at once. It is safe for use by several
// goroutines.
type Limit struct {
	mu      sync.Mutex
	max     int
	running int
	waiting []chan struct{} // first come, first served
}

// New makes a limit of at least one.
func New(bound int) *Limit { return &Limit{max: max(bound, 1)} }

// Max is the bound as it is now.
func (l *Limit) Max() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.max
}

func (l *Limit) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.running < l.max && len(l.waiting) == 0 {
		l.running++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	l.running-- // the turn came at the same moment: pass it on
	l.next()
	return ctx.Err()
}

// next lets those run whose turn it is. The caller holds mu.
func (l *Limit) next() {
	for l.running < l.max && len(l.waiting) > 0 {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.running++
	}
}

func (l *Limit) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.next()
}

// halve lowers the bound, unless another caller did since it was seen to be
// seen. It reports whether trying again makes sense.
func (l *Limit) halve(seen int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.max < seen:
		return true
	case l.max == 1:
		return false
	}
	l.max /= 2
	return true
}

// maxAnew bounds how often one f is begun anew at the wish of a session, which
// learns two things about a server at most.
const maxAnew = 4

// Once runs f when there is room for it, a single time whatever comes of it.
func (l *Limit) Once(ctx context.Context, f func() error) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	return f()
}

// Do runs f when there is room for it. A server that opens no more files
// (transport.ErrTooManyOpen) lowers the bound by half, and f is run again; so it
// is where the session asks for it (transport.ErrBeginAnew), a few times. f must
// then begin anew. The error is that of f, or of ctx.
func (l *Limit) Do(ctx context.Context, f func() error) error {
	for anew := 0; ; {
		if err := l.acquire(ctx); err != nil {
			return err
		}
		seen := l.Max()
		err := f()
		l.release()
		switch {
		case errors.Is(err, transport.ErrBeginAnew) && anew < maxAnew:
			anew++
		case !errors.Is(err, transport.ErrTooManyOpen) || !l.halve(seen):
			return err
		}
	}
}
