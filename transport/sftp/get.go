package sftp

import (
	"context"
	"errors"
	"io"
	"os"

	pkgsftp "github.com/pkg/sftp"

	"github.com/socbatch/socbatch/transport"
)

// Get implements transport.Session. Files of known size up to 32 KiB take two
// round trips; the handle is closed behind the caller's back.
func (s *Session) Get(ctx context.Context, path string, w io.Writer, size int64) (int64, error) {
	const op = "get"
	file, err := s.open(ctx, op, path, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	var n int64
	if size >= 0 && size <= smallChunk {
		n, err = s.getSmall(ctx, path, file, w, size)
	} else {
		n, err = s.getLarge(ctx, path, file, w, size)
	}
	var after func()
	if err == nil {
		select {
		case s.closeSlots <- struct{}{}:
			after = func() { <-s.closeSlots }
		case <-ctx.Done():
		}
	}
	s.closeLater(path, file, after)
	return n, s.fail(op, path, err)
}

func (s *Session) getSmall(ctx context.Context, path string, file *pkgsftp.File, w io.Writer, size int64) (int64, error) {
	buf := make([]byte, size)
	read := async(s, func() (int, error) { return file.ReadAt(buf, 0) })
	end := s.checkEnd(file, size)
	n, err := read.wait(ctx)
	switch {
	case err == nil && int64(n) == size:
	case err == nil || errors.Is(err, io.EOF):
		// A connection that breaks off ends a read too; it then gives no size.
		if err := end(ctx); err != nil && !errors.Is(err, transport.ErrSize) {
			return 0, err
		}
		return 0, sizeError("the server delivered", int64(n), size)
	default:
		return 0, err
	}
	if err := end(ctx); err != nil {
		return 0, err
	}
	return writeTo(w, path, buf)
}

func writeTo(w io.Writer, path string, b []byte) (int64, error) {
	n, err := w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return int64(n), localError("get", path, "write local data", err)
	}
	return int64(n), nil
}

// checkEnd asks for a byte at size, where there must be none, and for the size
// by fstat. The function it returns waits for the answers.
//
// A server may refuse either, but not both: something has to say that the file
// ends there.
func (s *Session) checkEnd(file *pkgsftp.File, size int64) func(context.Context) error {
	probe := async(s, func() (int, error) { return file.ReadAt(make([]byte, 1), size) })
	stat := async(s, file.Stat)
	return func(ctx context.Context) error {
		n, probeErr := probe.wait(ctx)
		if n > 0 {
			return sizeError("the server has more than", size, size)
		}
		fi, statErr := stat.wait(ctx)
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		got, err := fileSize(result[os.FileInfo]{fi, statErr})
		switch {
		case err != nil:
			return err
		case got >= 0 && got != size:
			return sizeError("the file has now", got, size)
		case errors.Is(probeErr, io.EOF):
			return nil
		case got == size && isRefusal(probeErr):
			return nil
		}
		return probeErr
	}
}

// piece is one read of a large file.
type piece struct {
	buf  *[]byte
	n    int
	err  error // io.EOF if the file ends within the piece
	done chan struct{}
}

func (s *Session) getLarge(ctx context.Context, path string, file *pkgsftp.File, w io.Writer, size int64) (written int64, err error) {
	var end func(context.Context) error
	if size >= 0 {
		end = s.checkEnd(file, size)
	}
	readCtx, stop := context.WithCancel(ctx)
	defer context.AfterFunc(s.ctx, stop)()
	pieces := make(chan *piece, fileMemory/s.limits.read)
	if !s.spawn(func() { s.readAhead(readCtx, file, size, pieces) }) {
		return 0, transport.ErrClosed
	}
	// Whatever ends this, the pieces that are on their way give their memory back.
	defer func() {
		stop()
		s.drain(pieces)
	}()
	for p := range pieces {
		select {
		case <-p.done:
		case <-ctx.Done():
			s.releaseLater(p)
			return written, cancelled(ctx)
		}
		last := errors.Is(p.err, io.EOF)
		if p.err != nil && !last {
			s.release(p)
			return written, p.err
		}
		n, err := writeTo(w, path, (*p.buf)[:p.n])
		written += n
		s.release(p)
		if err != nil {
			return written, err
		}
		if last {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return written, cancelled(ctx)
	case s.ctx.Err() != nil: // pieces may have ended early
		return written, transport.ErrClosed
	}
	if end != nil {
		if written != size {
			return written, sizeError("the server delivered", written, size)
		}
		return written, end(ctx)
	}
	return written, s.checkSize(ctx, file, async(s, file.Stat), written)
}

// readAhead starts the reads of file in order and hands the pieces on. It
// closes pieces at the end of a known size, or when ctx ends.
func (s *Session) readAhead(ctx context.Context, file *pkgsftp.File, size int64, pieces chan<- *piece) {
	defer close(pieces)
	chunk := int64(s.limits.read)
	for off := int64(0); size < 0 || off < size; off += chunk {
		if s.memory.Acquire(ctx, chunk) != nil {
			return
		}
		want := chunk
		if size >= 0 {
			want = min(chunk, size-off)
		}
		p := &piece{buf: s.buffers.Get().(*[]byte), done: make(chan struct{})}
		ok := s.spawn(func() {
			defer close(p.done)
			s.inFlight.Add(1)
			defer s.inFlight.Add(-1)
			p.n, p.err = file.ReadAt((*p.buf)[:want], off)
		})
		if !ok {
			p.err = transport.ErrClosed
			close(p.done)
		}
		select {
		case pieces <- p:
		case <-ctx.Done():
			s.releaseLater(p)
			return
		}
	}
}

func (s *Session) release(p *piece) {
	s.buffers.Put(p.buf)
	s.memory.Release(int64(s.limits.read))
}

// releaseLater gives back the memory of a piece whose read is under way. In a
// closed session there is nobody left to need it.
func (s *Session) releaseLater(p *piece) {
	s.spawn(func() {
		<-p.done
		s.release(p)
	})
}

func (s *Session) drain(pieces <-chan *piece) {
	s.spawn(func() {
		for p := range pieces {
			<-p.done
			s.release(p)
		}
	})
}
