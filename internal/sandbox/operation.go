package sandbox

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Operation is one SFTP request.
type Operation struct {
	N    int64 // number of the request on this server, from 1
	Conn int   // number of the connection, from 1
	// Kind is init, open, close, read, write, lstat, fstat, setstat, fsetstat,
	// list (OPENDIR), readdir, remove, mkdir, rmdir, realpath, stat, rename,
	// readlink, symlink or extended.
	Kind string
	// Path is as the client wrote it; for a request on a handle, that of the
	// request that opened it.
	Path string
	Size int64 // bytes to write or to read
	// Writing is true for an open that writes or creates.
	Writing bool
}

// Hooks are called for every SFTP request, outside of any lock that the server
// shares between connections. A hook may block: the other connections go on.
type Hooks struct {
	// Before is called when the request has arrived and nothing was done. The
	// request is carried out afterwards, also if the client is gone by then, as
	// with a packet that was on its way.
	Before func(Operation)
	// Drop is called after Before: if it returns true, the request is lost and the
	// connection is cut.
	Drop func(Operation) bool
	// After is called when the request was carried out and the answer was not yet
	// sent. Answers leave in the order of their requests.
	After func(Operation)
}

// Packet types of SFTP version 3.
const (
	fxpInit    = 1
	fxpVersion = 2
	fxpOpen    = 3
	fxpClose   = 4
	fxpRead    = 5
	fxpWrite   = 6
	fxpOpendir = 11
	fxpHandle  = 102
)

var operationKinds = map[byte]string{
	fxpInit: "init", fxpOpen: "open", fxpClose: "close", fxpRead: "read", fxpWrite: "write", 7: "lstat", 8: "fstat",
	9: "setstat", 10: "fsetstat", fxpOpendir: "list", 12: "readdir", 13: "remove", 14: "mkdir", 15: "rmdir",
	16: "realpath", 17: "stat", 18: "rename", 19: "readlink", 20: "symlink", 200: "extended",
}

// onHandle reports whether the packet's first string is a handle.
func onHandle(t byte) bool {
	switch t {
	case fxpClose, fxpRead, fxpWrite, 8, 10, 12:
		return true
	}
	return false
}

// maxFrame bounds a packet; clients send at most 256 KiB of content in one.
const maxFrame = 1 << 20

var errCut = errors.New("connection cut by the scenario")

// tap sits between the SSH channel and the SFTP server of one connection. It
// sees every packet in both directions, which is how hooks see every request,
// and carries out the faults of the wire: cuts and delays.
type tap struct {
	srv  *Server
	conn int
	ch   ssh.Channel
	cut  func() // ends the connection without a word

	// Reading side, one goroutine.
	in       []byte // frame being handed on
	unread   []byte
	received int64 // bytes of file content

	// Writing side; pkg/sftp writes under its own lock.
	out []byte

	mu      sync.Mutex
	flight  map[uint32]flight
	handles map[string]string

	late delayLine
}

type flight struct {
	op      Operation
	arrived time.Time
}

func newTap(srv *Server, conn int, ch ssh.Channel, cut func()) *tap {
	return &tap{srv: srv, conn: conn, ch: ch, cut: cut, flight: map[uint32]flight{}, handles: map[string]string{}}
}

func (t *tap) Read(p []byte) (int, error) {
	if len(t.unread) == 0 {
		if err := t.nextFrame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, t.unread)
	t.unread = t.unread[n:]
	return n, nil
}

func (t *tap) nextFrame() error {
	var head [4]byte
	if _, err := io.ReadFull(t.ch, head[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < 1 || n > maxFrame {
		t.cut()
		return errors.New("packet of impossible length")
	}
	if cap(t.in) < n+4 {
		t.in = make([]byte, n+4, max(n+4, 64<<10))
	}
	t.in = t.in[:n+4]
	copy(t.in, head[:])
	if _, err := io.ReadFull(t.ch, t.in[4:]); err != nil {
		return err
	}
	op, id := t.parse(t.in[4:])
	op.N = t.srv.operations.Add(1)
	hooks := t.srv.cfg.Hooks
	if hooks.Before != nil {
		hooks.Before(op)
	}
	if hooks.Drop != nil && hooks.Drop(op) {
		t.cut()
		return errCut
	}
	if op.Kind == "write" {
		t.received += op.Size
		if t.srv.cuts(t.received) {
			t.srv.journal.add(Event{Kind: FaultInjected, Conn: t.conn, Detail: "cut"})
			t.cut()
			return errCut
		}
	}
	t.mu.Lock()
	t.flight[id] = flight{op, time.Now()}
	t.mu.Unlock()
	t.unread = t.in
	return nil
}

// parse reads what an Operation holds. A malformed packet gives a part of it;
// refusing it is pkg/sftp's business.
func (t *tap) parse(p []byte) (op Operation, id uint32) {
	op = Operation{Conn: t.conn, Kind: operationKinds[p[0]]}
	kind := p[0]
	if kind == fxpInit || len(p) < 5 {
		return op, 0
	}
	id = binary.BigEndian.Uint32(p[1:])
	text, rest, ok := cutString(p[5:])
	if !ok {
		return op, id
	}
	op.Path = text
	if onHandle(kind) {
		t.mu.Lock()
		op.Path = t.handles[text]
		t.mu.Unlock()
	}
	switch {
	case kind == fxpOpen && len(rest) >= 4:
		op.Writing = binary.BigEndian.Uint32(rest)&^1 != 0
	case (kind == fxpRead || kind == fxpWrite) && len(rest) >= 12:
		op.Size = int64(binary.BigEndian.Uint32(rest[8:]))
	}
	return op, id
}

func cutString(p []byte) (text string, rest []byte, ok bool) {
	if len(p) < 4 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint32(p))
	if n < 0 || n > len(p)-4 {
		return "", nil, false
	}
	return string(p[4 : 4+n]), p[4+n:], true
}

// Write takes pieces of answers and passes on whole ones.
func (t *tap) Write(p []byte) (int, error) {
	t.out = append(t.out, p...)
	for len(t.out) >= 5 {
		n := int(binary.BigEndian.Uint32(t.out)) + 4
		if len(t.out) < n {
			break
		}
		if err := t.answer(t.out[:n]); err != nil {
			return 0, err
		}
		t.out = t.out[:copy(t.out, t.out[n:])]
	}
	return len(p), nil
}

func (t *tap) answer(frame []byte) error {
	var id uint32
	if frame[4] != fxpVersion && len(frame) >= 9 {
		id = binary.BigEndian.Uint32(frame[5:])
	}
	t.mu.Lock()
	f, known := t.flight[id]
	delete(t.flight, id)
	if known && frame[4] == fxpHandle {
		if h, _, ok := cutString(frame[9:]); ok {
			t.handles[h] = f.op.Path
		}
	}
	t.mu.Unlock()
	if known && t.srv.cfg.Hooks.After != nil {
		t.srv.cfg.Hooks.After(f.op)
	}
	slow := time.Duration(t.srv.faults().Slow)
	return t.late.send(t.ch, frame, f.arrived.Add(slow), slow > 0)
}

func (t *tap) Close() error {
	err := t.ch.Close()
	t.late.stop()
	return err
}

// delayLine sends frames not before their time, in order. It costs nothing as
// long as nothing is to be delayed.
type delayLine struct {
	mu      sync.Mutex
	queue   chan delayed
	stopped chan struct{}
	done    chan struct{}
}

type delayed struct {
	frame []byte
	due   time.Time
}

// queuedFrames bounds the memory of a delay line; a client has fewer requests
// in flight than this.
const queuedFrames = 4096

func (d *delayLine) send(w io.Writer, frame []byte, due time.Time, late bool) error {
	d.mu.Lock()
	if d.queue == nil && late && d.stopped == nil {
		d.queue, d.stopped, d.done = make(chan delayed, queuedFrames), make(chan struct{}), make(chan struct{})
		go d.run(w)
	}
	queue, stopped, done := d.queue, d.stopped, d.done
	d.mu.Unlock()
	if queue == nil {
		_, err := w.Write(frame)
		return err
	}
	select {
	case queue <- delayed{append([]byte(nil), frame...), due}:
		return nil
	case <-stopped:
		return io.ErrClosedPipe
	case <-done:
		return io.ErrClosedPipe
	}
}

func (d *delayLine) run(w io.Writer) {
	defer close(d.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-d.stopped:
			return
		case f := <-d.queue:
			if wait := time.Until(f.due); wait > 0 {
				timer.Reset(wait)
				select {
				case <-d.stopped:
					return
				case <-timer.C:
				}
			}
			if _, err := w.Write(f.frame); err != nil {
				return
			}
		}
	}
}

func (d *delayLine) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped == nil {
		d.stopped = make(chan struct{})
		return
	}
	select {
	case <-d.stopped:
	default:
		close(d.stopped)
	}
	if d.done != nil {
		<-d.done
	}
}
