package sftp

import (
	"context"
	"errors"
	"fmt"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/sync/semaphore"

	"github.com/socbatch/socbatch/transport"
)

// file is a file on the server, from its OPEN to the answer to its CLOSE.
type file struct {
	*pkgsftp.File
	*opened
	path  string
	leave func() // gives its place among the open files to others

	// How it is treated: the session may become more careful meanwhile.
	oneRequest, oneFile bool
	several             bool // it takes several requests
}

// room bounds the files that are open at once.
type room struct {
	places *semaphore.Weighted
	all    int64
}

// unbounded is more files than anybody opens on one connection.
const unbounded = 1 << 30

func newRoom(maxOpen int) *room {
	all := int64(maxOpen)
	if maxOpen <= 0 {
		all = unbounded
	}
	return &room{semaphore.NewWeighted(all), all}
}

// enter waits until one more file may be open; where one file at a time is
// needed, until no other is.
func (s *Session) enter(ctx context.Context) (leave func(), alone bool, err error) {
	for {
		alone = s.oneFile.Load()
		places := int64(1)
		if alone {
			places = s.room.all
		}
		if s.room.places.Acquire(ctx, places) != nil {
			return nil, false, cancelled(ctx)
		}
		leave = func() { s.room.places.Release(places) }
		if alone == s.oneFile.Load() {
			return leave, alone, nil
		}
		leave() // it was seen to be needed meanwhile
	}
}

// open opens a file. If ctx ends first, the handle is closed when it comes.
func (s *Session) open(ctx context.Context, op, name string, flags int) (*file, error) {
	if ctx.Err() != nil {
		return nil, s.fail(op, name, cancelled(ctx))
	}
	leave, alone, err := s.enter(ctx)
	if err != nil {
		return nil, s.fail(op, name, err)
	}
	claim, done, err := s.traffic.claim(ctx, name)
	if err != nil {
		leave()
		return nil, s.fail(op, name, err)
	}
	oneRequest := s.oneRequest.Load()
	answer := async(s, func() (*pkgsftp.File, error) { return s.client.OpenFile(name, flags) })
	finish := func(r result[*pkgsftp.File]) (*file, error) {
		done()
		if r.err != nil {
			leave()
			return nil, s.failOpen(op, name, r.err)
		}
		return &file{File: r.value, opened: claim, path: name, leave: leave, oneRequest: oneRequest, oneFile: alone}, nil
	}
	select {
	case r := <-answer:
		return finish(r)
	case <-ctx.Done():
		s.spawn(func() {
			if f, err := finish(<-answer); err == nil {
				_ = f.Close()
				leave()
			}
		})
		return nil, s.fail(op, name, cancelled(ctx))
	}
}

// closeLater closes f without waiting; Remove of the same path waits for it,
// since some systems cannot delete an open file. after, if set, runs at the end.
func (s *Session) closeLater(f *file, after func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		f.leave()
		if after != nil {
			after()
		}
		return
	}
	p := s.handles[f.path]
	if p == nil {
		p = &pendingClose{done: make(chan struct{})}
		s.handles[f.path] = p
	}
	p.count++
	s.wg.Go(func() {
		_ = f.Close()
		f.leave()
		s.mu.Lock()
		if p.count--; p.count == 0 {
			delete(s.handles, f.path)
			close(p.done)
		}
		s.mu.Unlock()
		if after != nil {
			after()
		}
	})
}

// disorder is a failure that a server may show which takes the requests of a
// file in their order only, or one at a time.
type disorder struct{ err error }

func (e *disorder) Error() string { return e.err.Error() }
func (e *disorder) Unwrap() error { return e.err }

// unexplained marks err as disorder where the server gave no reason that explains it
// otherwise.
func unexplained(err error) error {
	var st *statusError
	if !errors.As(fromPkg(err), &st) {
		return err
	}
	_, kind := st.kind()
	if errors.Is(kind, transport.ErrFailure) || errors.Is(kind, transport.ErrUnsupported) || errors.Is(kind, transport.ErrProtocol) {
		return &disorder{err}
	}
	return err
}

// conclude gives the error of an operation on f its class, and learns from it how
// the server must be treated.
func (s *Session) conclude(op string, f *file, err error) error {
	if transport.ClassOf(err) == transport.Cancelled && err != nil {
		return s.fail(op, f.path, err)
	}
	if s.traffic.isShared(f.opened) {
		s.learn(&s.oneFile, "one handle for several files: one file at a time from now on")
		e := &transport.Error{Op: op, Path: f.path, Kind: transport.ErrSharedHandle}
		if !f.oneFile {
			e.Class, e.Err = transport.Temporary, transport.ErrBeginAnew
		}
		return e
	}
	var d *disorder
	if errors.As(err, &d) && f.several && !f.oneRequest {
		s.learn(&s.oneRequest, "requests in flight confuse the server: one at a time from now on", "error", err)
		err = s.fail(op, f.path, d.err)
		var e *transport.Error
		if errors.As(err, &e) {
			e.Class, e.Err = transport.Temporary, fmt.Errorf("%w: %w", transport.ErrBeginAnew, e.Err)
		}
		return err
	}
	return s.fail(op, f.path, err)
}
