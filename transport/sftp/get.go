package sftp

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/socbatch/socbatch/transport"
)

// Get implements transport.Session. Files of known size up to 32 KiB take two
// round trips; the handle is closed behind the caller's back.
func (s *Session) Get(ctx context.Context, path string, w io.Writer, size int64) (int64, error) {
	const op = "get"
	f, err := s.open(ctx, op, path, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	var n int64
	if size >= 0 && size <= smallChunk {
		n, err = s.getSmall(ctx, f, w, size)
	} else {
		f.several = true
		n, err = s.getLarge(ctx, f, w, size)
	}
	err = s.conclude(op, f, err)
	switch {
	case err == nil:
		var after func()
		select {
		case s.closeSlots <- struct{}{}:
			after = func() { <-s.closeSlots }
		case <-ctx.Done():
		}
		s.closeLater(f, after)
	case errors.Is(err, transport.ErrBeginAnew):
		// Nothing of this attempt is under way when the next one begins.
		closed := make(chan struct{})
		s.closeLater(f, func() { close(closed) })
		select {
		case <-closed:
		case <-ctx.Done():
		}
	default:
		s.closeLater(f, nil)
	}
	return n, err
}

func (s *Session) getSmall(ctx context.Context, f *file, w io.Writer, size int64) (int64, error) {
	buf := make([]byte, size)
	done := make(chan struct{})
	left, forget := s.traffic.await(fxpRead, f.opened, 0)
	defer forget()
	read := async(s, func() (int, error) {
		defer close(done)
		return f.ReadAt(buf, 0)
	})
	if f.oneRequest {
		left = done
	}
	end := s.checkEnd(f, size, left, done)
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
	return writeTo(w, f.path, buf)
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
// by FSTAT, once the last READ has left, or is done. The function it returns waits
// for the answers.
//
// A server may refuse either, but not both: something has to say that the file
// ends there.
func (s *Session) checkEnd(f *file, size int64, left, done <-chan struct{}) func(context.Context) error {
	wait := func() {
		select {
		case <-left:
		case <-done:
		case <-s.ctx.Done():
		}
	}
	asked := make(chan struct{})
	probeLeft, forget := s.traffic.await(fxpRead, f.opened, size)
	probe := async(s, func() (int, error) {
		defer close(asked)
		defer forget()
		wait()
		return f.ReadAt(make([]byte, 1), size)
	})
	if f.oneRequest {
		probeLeft = asked
	}
	stat := async(s, func() (os.FileInfo, error) {
		select {
		case <-probeLeft:
		case <-asked:
		case <-s.ctx.Done():
		}
		return f.Stat()
	})
	return func(ctx context.Context) error {
		n, probeErr := probe.wait(ctx)
		if n > 0 {
			return sizeError("the server has more than", size, size)
		}
		fi, statErr := stat.wait(ctx)
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		got, err := fileSize(fi, statErr)
		switch atEnd := errors.Is(probeErr, io.EOF); {
		case err != nil:
			return err
		case got == 0 && atEnd: // some servers give 0 for whatever is open
			return nil
		case got >= 0 && got != size:
			return sizeError("the file has now", got, size)
		case atEnd:
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

func (s *Session) getLarge(ctx context.Context, f *file, w io.Writer, size int64) (written int64, err error) {
	readCtx, stop := context.WithCancel(ctx)
	defer context.AfterFunc(s.ctx, stop)()
	pieces := make(chan *piece, fileMemory/s.limits.read)
	end := make(chan func(context.Context) error, 1)
	if !s.spawn(func() { s.readAhead(readCtx, f, size, pieces, end) }) {
		stop()
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
			return written, unexplained(p.err)
		}
		n, err := writeTo(w, f.path, (*p.buf)[:p.n])
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
	case size < 0:
		got, err := s.openSize(ctx, f, async(s, f.Stat), written)
		if err == nil && got > 0 && got != written {
			err = sizeError("the file has now", got, written)
		}
		return written, err
	case written != size:
		return written, sizeError("the server delivered", written, size)
	}
	return written, (<-end)(ctx) // asked when the last piece was
}

// readAhead starts the reads of a file and hands the pieces on. The requests
// leave in the order of their offsets; where it is known that even this confuses
// the server, each waits for the answer to the one before. It closes pieces at the
// end of a known size, where it gives checkEnd to end, or when ctx ends.
func (s *Session) readAhead(ctx context.Context, f *file, size int64, pieces chan<- *piece, end chan<- func(context.Context) error) {
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
		left, forget := s.traffic.await(fxpRead, f.opened, off)
		if f.oneRequest {
			left = p.done
		}
		ok := s.spawn(func() {
			defer close(p.done)
			s.inFlight.Add(1)
			defer s.inFlight.Add(-1)
			p.n, p.err = f.ReadAt((*p.buf)[:want], off)
		})
		if !ok {
			p.err = transport.ErrClosed
			close(p.done)
		}
		select {
		case <-left:
		case <-p.done: // it never left
		case <-ctx.Done():
		}
		forget()
		select {
		case pieces <- p:
		case <-ctx.Done():
			s.releaseLater(p)
			return
		}
	}
	now := make(chan struct{})
	close(now)
	end <- s.checkEnd(f, size, now, now)
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
