package sftp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
)

// rawSession speaks SFTP on a second channel of the connection, for what
// pkg/sftp cannot do: many READDIR requests in flight, names as the server sent
// them, and a REMOVE that is one request and never removes a directory.
type rawSession struct {
	ch   ssh.Channel
	out  chan []byte   // packets to the server
	done chan struct{} // closed when the reader has ended
	wg   sync.WaitGroup

	mu      sync.Mutex
	pending map[uint32]chan<- reply
	nextID  uint32
	err     error // why the reader ended
}

type reply struct {
	typ  byte
	body []byte // behind the request id
	err  error
}

func newRawSession(ch ssh.Channel, src io.Reader) (*rawSession, error) {
	r := bufio.NewReaderSize(src, 64<<10)
	if _, _, err := exchangeVersions(r, ch); err != nil {
		return nil, err
	}
	raw := &rawSession{
		ch:      ch,
		out:     make(chan []byte, 64),
		done:    make(chan struct{}),
		pending: map[uint32]chan<- reply{},
	}
	raw.wg.Go(func() { raw.read(r) })
	raw.wg.Go(raw.write)
	return raw, nil
}

// close ends the session and everything it started.
func (r *rawSession) close() {
	_ = r.ch.Close()
	r.wg.Wait()
}

func (r *rawSession) outstanding() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}

func (r *rawSession) write() {
	for {
		select {
		case p := <-r.out:
			if _, err := r.ch.Write(p); err != nil {
				_ = r.ch.Close() // ends the reader, which tells everyone
				return
			}
		case <-r.done:
			return
		}
	}
}

// read hands replies to the requests. Each channel has room for all replies to
// its requests, so that one slow caller never holds up the others.
func (r *rawSession) read(src io.Reader) {
	defer close(r.done)
	defer r.ch.Close() //nolint:errcheck // the session is over
	for {
		typ, body, err := readPacket(src)
		if err != nil {
			r.end(err)
			return
		}
		d := decoder{body}
		id, ok := d.uint32()
		r.mu.Lock()
		to := r.pending[id]
		delete(r.pending, id)
		r.mu.Unlock()
		if !ok || to == nil {
			r.end(fmt.Errorf("%w: answer to no request", transport.ErrProtocol))
			return
		}
		to <- reply{typ: typ, body: d.b}
	}
}

func (r *rawSession) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	for id, to := range r.pending {
		delete(r.pending, id)
		to <- reply{err: err}
	}
}

// send queues a request; the reply goes to to, which must have room for it. Only
// an ended context gives an error; to then gets nothing.
func (r *rawSession) send(ctx context.Context, typ byte, arg string, to chan<- reply) error {
	r.mu.Lock()
	if r.err != nil {
		r.mu.Unlock()
		to <- reply{err: r.err}
		return nil
	}
	r.nextID++
	id := r.nextID
	r.pending[id] = to
	r.mu.Unlock()

	p := newPacket(typ)
	p.uint32(id)
	p.string(arg)
	select {
	case r.out <- p.bytes():
		return nil
	case <-r.done: // to has its answer from end
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.pending, id)
		r.mu.Unlock()
		return cancelled(ctx)
	}
}

// release closes a handle without waiting for the answer.
func (r *rawSession) release(handle string) {
	r.spawn(func() {
		_ = r.send(context.Background(), fxpClose, handle, make(chan reply, 1))
	})
}

// spawn runs fn on its own, unless the session has ended.
func (r *rawSession) spawn(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.wg.Go(fn)
	}
}

// call sends one request and waits for the answer. A status other than OK is an
// error.
func (r *rawSession) call(ctx context.Context, typ byte, arg string) (reply, error) {
	to := make(chan reply, 1)
	if err := r.send(ctx, typ, arg, to); err != nil {
		return reply{}, err
	}
	select {
	case rep := <-to:
		return rep, rep.check()
	case <-ctx.Done():
		if typ == fxpOpendir { // whoever waits no longer still owes a CLOSE
			r.spawn(func() {
				if h, err := parseHandle(<-to); err == nil {
					r.release(h)
				}
			})
		}
		return reply{}, cancelled(ctx)
	}
}

func (rep reply) check() error {
	if rep.err == nil && rep.typ == fxpStatus {
		return parseStatus(rep.body)
	}
	return rep.err
}

func (r *rawSession) remove(ctx context.Context, path string) error {
	rep, err := r.call(ctx, fxpRemove, path)
	if err == nil && rep.typ != fxpStatus {
		err = fmt.Errorf("%w: packet of type %d in answer to a remove", transport.ErrProtocol, rep.typ)
	}
	return err
}

// READDIR requests in flight: firstWindow at the start, one more with each
// answer, so that a short listing is cheap and a long one waits for little more
// than one round trip.
const (
	firstWindow = 4
	maxWindow   = 32
	maxEmpty    = 1000 // answers without names in one listing
)

// list streams dir. Errors of yield come back as *yieldError.
func (r *rawSession) list(ctx context.Context, dir string, yield func(transport.Entry) error) error {
	rep, err := r.call(ctx, fxpOpendir, dir)
	if err != nil {
		return err
	}
	handle, err := parseHandle(rep)
	if err != nil {
		return err
	}
	// Also while answers are still on their way: the server works through the
	// requests in order.
	defer r.release(handle)
	replies := make(chan reply, maxWindow)

	var inFlight, empty int
	window := firstWindow
	for eof := false; ; {
		for !eof && inFlight < window {
			if err := r.send(ctx, fxpReaddir, handle, replies); err != nil {
				return err
			}
			inFlight++
		}
		if inFlight == 0 {
			return nil
		}
		var rep reply
		select {
		case rep = <-replies:
		case <-ctx.Done():
			return cancelled(ctx)
		}
		inFlight--
		if rep.err != nil {
			return rep.err
		}
		switch rep.typ {
		case fxpName:
			n, err := parseNames(rep.body, yield)
			if err != nil {
				return err
			}
			if n == 0 {
				if empty++; empty > maxEmpty {
					return fmt.Errorf("%w: listing without names does not end", transport.ErrProtocol)
				}
			}
			window = min(window+1, maxWindow)
		case fxpStatus:
			err := parseStatus(rep.body)
			var st *statusError
			switch {
			case errors.As(err, &st) && st.code == fxEOF:
				eof = true
			case eof:
				// Some servers close the handle at the end by themselves and
				// refuse the requests that were sent ahead.
			case err == nil:
				return fmt.Errorf("%w: OK in answer to a listing", transport.ErrProtocol)
			default:
				return err
			}
		default:
			return fmt.Errorf("%w: packet of type %d in a listing", transport.ErrProtocol, rep.typ)
		}
	}
}

func parseHandle(rep reply) (string, error) {
	if err := rep.check(); err != nil {
		return "", err
	}
	if rep.typ != fxpHandle {
		return "", fmt.Errorf("%w: packet of type %d in answer to an opendir", transport.ErrProtocol, rep.typ)
	}
	d := decoder{rep.body}
	h, ok := d.string()
	if !ok || len(h) > maxHandle {
		return "", fmt.Errorf("%w: damaged handle", transport.ErrProtocol)
	}
	return string(h), nil
}
