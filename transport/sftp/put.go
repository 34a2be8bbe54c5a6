package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	pkgsftp "github.com/pkg/sftp"

	"github.com/socbatch/socbatch/transport"
)

// Put implements transport.Session. Files up to 32 KiB take three round trips
// (open, write, close), empty ones two. r is read only during the call; a read
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
	const op = "put"
	file, err := s.open(ctx, op, path, putFlags)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		// fstat follows the write without waiting for its answer, and so costs no
		// round trip. What it says is believed at once only if it is what it
		// should be in the end.
		left, forget := s.out.announce(data)
		written := make(chan struct{})
		write := async(s, func() (int, error) {
			defer close(written)
			return file.WriteAt(data, 0)
		})
		stat := async(s, func() (os.FileInfo, error) {
			select {
			case <-left:
			case <-written: // it never left
			case <-s.ctx.Done():
			}
			return file.Stat()
		})
		_, err = write.wait(ctx)
		forget()
		if err == nil {
			err = s.checkSize(ctx, file, stat, int64(len(data)))
		}
	}
	return s.finishPut(ctx, path, file, err)
}

// checkSize compares the size by fstat with what was written and acknowledged.
// stat may have been answered before the write: then fstat is asked again. A
// server that refuses, or has taken the file away already, is no error.
func (s *Session) checkSize(ctx context.Context, file *pkgsftp.File, stat future[os.FileInfo], want int64) error {
	var size int64
	for again := false; ; again = true {
		fi, err := stat.wait(ctx)
		if size, err = fileSize(result[os.FileInfo]{fi, err}); err != nil {
			return err
		}
		if size < 0 || size == want {
			return nil
		}
		if again {
			return sizeError("the server stored", size, want)
		}
		stat = async(s, file.Stat)
	}
}

// finishPut closes the file, whose last word on quotas and the like may come
// only now, and reports err or the error of the close.
func (s *Session) finishPut(ctx context.Context, path string, file *pkgsftp.File, err error) error {
	const op = "put"
	if ctx.Err() != nil {
		s.closeLater(path, file, nil)
		if err == nil {
			err = cancelled(ctx)
		}
		return s.fail(op, path, err)
	}
	closed := async(s, func() (struct{}, error) { return struct{}{}, file.Close() })
	_, closeErr := closed.wait(ctx)
	if err == nil {
		err = closeErr
	}
	return s.fail(op, path, err)
}

func (s *Session) putLarge(ctx context.Context, path string, r io.Reader, size int64) error {
	const op = "put"
	file, err := s.open(ctx, op, path, putFlags)
	if err != nil {
		return err
	}
	n, err := s.writeAll(ctx, path, file, r, size)
	if err == nil {
		err = s.checkSize(ctx, file, async(s, file.Stat), n)
	}
	return s.finishPut(ctx, path, file, err)
}

// writeAll writes r to file with many requests in flight, and returns the
// number of bytes once all of them are acknowledged. The requests leave in the
// order of their offsets: servers exist that append what comes, or take only the
// next byte.
func (s *Session) writeAll(caller context.Context, path string, file *pkgsftp.File, r io.Reader, size int64) (int64, error) {
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
	slots := make(chan struct{}, fileMemory/chunk)
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
			return off, localError("put", path, "read local data", err)
		case size >= 0 && off+int64(n) > size:
			release()
			return off, sizeError("local data has at least", off+int64(n), size)
		case n == 0:
			release()
		default:
			at := off
			left, forget := s.out.announce((*buf)[:n])
			written := make(chan struct{})
			ok := s.spawn(func() {
				defer release()
				defer close(written)
				defer forget()
				s.inFlight.Add(1)
				defer s.inFlight.Add(-1)
				if _, err := file.WriteAt((*buf)[:n], at); err != nil {
					stop(err)
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
