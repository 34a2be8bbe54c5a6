package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/socbatch/socbatch/transport"
)

// Put implements transport.Session. Files up to 32 KiB take three round trips
// (open, write, close; what is asked besides travels with these), empty ones two. r is read only during the call; a read
// that waits is not interrupted by ctx.
func (s *Session) Put(ctx context.Context, path string, r io.Reader, size int64) error {
	const op = "put"
	if r == nil {
		r = bytes.NewReader(nil)
	}
	// One byte more than belongs there tells small files from large ones, and
	// shows a reader that delivers too much before the server is touched.
	room := int64(smallChunk)
	if size >= 0 && size < room {
		room = size
	}
	head := make([]byte, room+1)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	switch {
	case err == nil && size >= 0 && size <= smallChunk:
		return s.fail(op, path, sizeError("local data has at least", int64(n), size))
	case err == nil:
		return s.putLarge(ctx, path, io.MultiReader(bytes.NewReader(head), r), size)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return localError(op, path, "read local data", err)
	case size >= 0 && int64(n) != size:
		return s.fail(op, path, sizeError("local data has", int64(n), size))
	}
	return s.putSmall(ctx, path, head)
}

const putFlags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC

func (s *Session) putSmall(ctx context.Context, path string, data []byte) error {
	f, err := s.open(ctx, "put", path, putFlags)
	if err != nil {
		return err
	}
	size := int64(-1)
	if len(data) > 0 {
		size, err = s.writeSmall(ctx, f, data)
	}
	return s.finishPut(ctx, f, int64(len(data)), size, err)
}

// writeSmall writes data in one request, and returns the size by FSTAT where that
// is of use. FSTAT follows the write without waiting for its answer, and so costs
// no round trip.
func (s *Session) writeSmall(ctx context.Context, f *file, data []byte) (size int64, err error) {
	left, forget := s.traffic.await(fxpWrite, f.opened, 0)
	defer forget()
	written := make(chan struct{})
	write := async(s, func() (int, error) {
		defer close(written)
		return f.WriteAt(data, 0)
	})
	var stat future[os.FileInfo]
	if !s.sizes.statGives.Load() {
		stat = async(s, func() (os.FileInfo, error) {
			select {
			case <-left:
			case <-written: // it never left
			case <-s.ctx.Done():
			}
			return f.Stat()
		})
	}
	if _, err := write.wait(ctx); err != nil || stat == nil {
		return -1, err
	}
	return s.openSize(ctx, f, stat, int64(len(data)))
}

// finishPut closes the file, whose last word on quotas and the like may come
// only now, and reports err, or the error of the close, or a size that is not want.
// before is the size by FSTAT, or -1.
func (s *Session) finishPut(ctx context.Context, f *file, want, before int64, err error) error {
	const op = "put"
	if ctx.Err() != nil {
		s.closeLater(f, nil)
		if err == nil {
			err = cancelled(ctx)
		}
		return s.conclude(op, f, err)
	}
	left, forget := s.traffic.await(fxpClose, f.opened, 0)
	defer forget()
	answered := make(chan struct{})
	closed := async(s, func() (struct{}, error) {
		defer f.leave()
		defer close(answered)
		return struct{}{}, f.Close()
	})
	// STAT follows the close without waiting for its answer.
	var after future[os.FileInfo]
	if err == nil && want > 0 && !s.sizes.statRefused.Load() {
		if f.oneRequest {
			left = answered
		}
		after = async(s, func() (os.FileInfo, error) {
			select {
			case <-left:
			case <-answered: // it never left
			case <-s.ctx.Done():
			}
			return s.client.Stat(f.path)
		})
	}
	_, closeErr := closed.wait(ctx)
	if err == nil {
		err = closeErr
	}
	if err == nil && want > 0 && !s.traffic.isShared(f.opened) {
		err = s.checkStored(ctx, f, want, after, before)
	}
	return s.conclude(op, f, err)
}

func (s *Session) putLarge(ctx context.Context, path string, r io.Reader, size int64) error {
	f, err := s.open(ctx, "put", path, putFlags)
	if err != nil {
		return err
	}
	f.several = true
	n, err := s.writeAll(ctx, f, r, size)
	before := int64(-1)
	if err == nil && !s.sizes.statGives.Load() {
		before, err = s.openSize(ctx, f, async(s, f.Stat), n)
	}
	return s.finishPut(ctx, f, n, before, err)
}

// writeAll writes r to file with many requests in flight, and returns the
// number of bytes once all of them are acknowledged. The requests leave in the
// order of their offsets: servers exist that append what comes, or take only the
// next byte. Where it is known that even this confuses the server, each request
// waits for the answer to the one before.
func (s *Session) writeAll(caller context.Context, f *file, r io.Reader, size int64) (int64, error) {
	ctx, stop := context.WithCancelCause(caller)
	defer stop(nil)
	defer context.AfterFunc(s.ctx, func() { stop(transport.ErrClosed) })()
	// why tells the caller's end of ctx from ours.
	why := func() error {
		if caller.Err() != nil {
			return cancelled(caller)
		}
		return context.Cause(ctx)
	}
	chunk := s.limits.write
	maxChunks := fileMemory / chunk
	if f.oneRequest {
		maxChunks = 1
	}
	slots := make(chan struct{}, maxChunks)
	var off int64
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return off, why()
		}
		if err := s.memory.Acquire(ctx, int64(chunk)); err != nil {
			return off, why()
		}
		buf := s.buffers.Get().(*[]byte)
		release := func() {
			s.buffers.Put(buf)
			s.memory.Release(int64(chunk))
			<-slots
		}
		n, err := io.ReadFull(r, (*buf)[:chunk])
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !last:
			release()
			return off, localError("put", f.path, "read local data", err)
		case size >= 0 && off+int64(n) > size:
			release()
			return off, sizeError("local data has at least", off+int64(n), size)
		case n == 0:
			release()
		default:
			at := off
			left, forget := s.traffic.await(fxpWrite, f.opened, at)
			written := make(chan struct{})
			ok := s.spawn(func() {
				defer release()
				defer close(written)
				defer forget()
				s.inFlight.Add(1)
				defer s.inFlight.Add(-1)
				if _, err := f.WriteAt((*buf)[:n], at); err != nil {
					stop(unexplained(err))
				}
			})
			if !ok {
				forget()
				release()
				return off, transport.ErrClosed
			}
			off += int64(n)
			select {
			case <-left:
			case <-written: // it never left
			case <-ctx.Done():
				return off, why()
			}
		}
		if last {
			break
		}
	}
	if size >= 0 && off != size {
		return off, sizeError("local data has", off, size)
	}
	for range cap(slots) { // all slots free: all acknowledged
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return off, why()
		}
	}
	// The last failure may have freed the last slot.
	return off, why()
}
