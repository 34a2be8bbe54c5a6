package sftp

import (
	"context"
	"errors"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"github.com/socbatch/socbatch/transport"
)

// sizeSources is what a server lets know about the sizes of files that were stored.
type sizeSources struct {
	statGives   atomic.Bool // STAT has told a size
	statRefused atomic.Bool
	listRefused atomic.Bool

	mu    sync.Mutex
	looks map[string]*look // that have not begun, by folder
	under map[string]bool  // folders that are being listed
}

// fileSize returns the size in an answer to STAT or FSTAT, or -1 where the server
// refuses or sends none. An error is one of the connection.
func fileSize(fi os.FileInfo, err error) (int64, error) {
	switch {
	case err == nil:
		return entryOf(fi).Size, nil
	case isRefusal(err):
		return -1, nil
	}
	return -1, err
}

// openSize asks for the size of an open file, by FSTAT, and once more if it is
// not want: the first answer may have overtaken a write. It is -1 where the server
// does not tell. A file that is not closed yet may have another size at last.
func (s *Session) openSize(ctx context.Context, f *file, stat future[os.FileInfo], want int64) (size int64, err error) {
	for again := false; ; again = true {
		fi, err := stat.wait(ctx)
		if size, err = fileSize(fi, err); err != nil || size < 0 || size == want || again {
			return size, err
		}
		stat = async(s, f.Stat)
	}
}

// checkStored compares the size of a file that is closed with what was written
// and acknowledged: by STAT, whose first answer is after; where that is refused by
// a listing of its folder; else by before, which FSTAT gave before the close. A
// server that says nothing, or has taken the file away already, is no error.
func (s *Session) checkStored(ctx context.Context, f *file, want int64, after future[os.FileInfo], before int64) error {
	if after != nil {
		fi, err := after.wait(ctx)
		if err == nil && entryOf(fi).Size != want {
			// It may have been answered before the close.
			fi, err = async(s, func() (os.FileInfo, error) { return s.client.Stat(f.path) }).wait(ctx)
		}
		if errors.Is(err, os.ErrNotExist) {
			return contradicts(before, want, before <= 0)
		}
		size, err := fileSize(fi, err)
		switch {
		case err != nil:
			return err
		case size >= 0:
			s.sizes.statGives.Store(true)
			return contradicts(size, want, false)
		case !s.sizes.statGives.Load():
			s.sizes.statRefused.Store(true)
		}
	}
	for range 2 {
		size, err := s.listedSize(ctx, f.path)
		if err != nil {
			return err
		}
		if size <= 0 { // none told: some servers give 0 then
			break
		}
		if before = size; size == want {
			return nil
		}
	}
	return contradicts(before, want, before < 0)
}

// contradicts is the error of a size that is not what was acknowledged.
func contradicts(size, want int64, unknown bool) error {
	if unknown || size == want {
		return nil
	}
	return &disorder{sizeError("the server stored", size, want)}
}

// look is one listing of a folder, for all who asked before it began.
type look struct {
	done  chan struct{}
	sizes map[string]int64
	err   error
}

// maxLooked bounds the entries of a folder that is listed for sizes.
const maxLooked = 100_000

// listedSize returns the size of a file by a listing that began after the call, or
// -1 where there is none. One listing serves all who wait for it. An error is one
// of the connection, or of ctx.
func (s *Session) listedSize(ctx context.Context, name string) (int64, error) {
	if s.sizes.listRefused.Load() {
		return -1, nil
	}
	dir := path.Dir(name)
	s.sizes.mu.Lock()
	l := s.sizes.looks[dir]
	if l == nil {
		l = &look{done: make(chan struct{}), sizes: map[string]int64{}}
		if s.sizes.looks == nil {
			s.sizes.looks, s.sizes.under = map[string]*look{}, map[string]bool{}
		}
		s.sizes.looks[dir] = l
		if !s.sizes.under[dir] {
			s.sizes.under[dir] = true
			if !s.spawn(func() { s.lookInto(dir) }) {
				s.sizes.under[dir] = false
				s.sizes.mu.Unlock()
				return -1, transport.ErrClosed
			}
		}
	}
	s.sizes.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return -1, cancelled(ctx)
	}
	switch size, ok := l.sizes[path.Base(name)]; {
	case l.err != nil && transport.ClassOf(l.err) != transport.Permanent, errors.Is(l.err, transport.ErrClosed):
		return -1, l.err
	case l.err != nil:
		s.sizes.listRefused.Store(true)
		return -1, nil
	case !ok:
		return -1, nil
	default:
		return size, nil
	}
}

// lookInto lists a folder as long as somebody waits for a listing of it.
func (s *Session) lookInto(dir string) {
	for {
		s.sizes.mu.Lock()
		l := s.sizes.looks[dir]
		delete(s.sizes.looks, dir)
		if l == nil {
			delete(s.sizes.under, dir)
		}
		s.sizes.mu.Unlock()
		if l == nil {
			return
		}
		l.err = s.List(s.ctx, dir, func(e transport.Entry) error {
			if len(l.sizes) == maxLooked {
				return errTooMany
			}
			l.sizes[e.Name] = e.Size
			return nil
		})
		if s.ctx.Err() != nil {
			l.err = transport.ErrClosed
		}
		close(l.done)
	}
}

var errTooMany = errors.New("too many entries")
