package sftp

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
)

// traffic follows the files that pkg/sftp has open, by the packets that leave
// and come. From it a session knows when a request has left, so that the next
// one follows it, and which files a server has given one handle to.
type traffic struct {
	mu      sync.Mutex
	left    uint64                      // packets that left so far
	opening map[uint32]*opened          // OPEN and OPENDIR without an answer, by request id
	closing map[uint32]*opened          // CLOSE without an answer
	open    map[string][]*opened        // by handle: one each, from a server that is right
	claims  map[string]*opened          // what is about to be opened, by path
	awaited map[departure]chan struct{} // see await
}

// departure is a request on an open file that is to leave.
type departure struct {
	typ    byte
	handle string
	offset uint64
}

// opened is a file or directory from its OPEN to the answer to its CLOSE.
type opened struct {
	handle   string
	openLeft uint64 // as traffic.left counts
	closed   uint64 // when CLOSE left; 0: it has not
	shared   bool   // another one had the handle at the same time
	claimed  chan struct{}
}

func newTraffic() *traffic {
	return &traffic{
		opening: map[uint32]*opened{}, closing: map[uint32]*opened{}, open: map[string][]*opened{},
		claims: map[string]*opened{}, awaited: map[departure]chan struct{}{},
	}
}

// claim announces that path is about to be opened. What is opened under that
// path until done is called is the file that is returned; another one who wants
// the path waits for it.
func (t *traffic) claim(ctx context.Context, path string) (o *opened, done func(), err error) {
	for {
		t.mu.Lock()
		before := t.claims[path]
		if before == nil {
			o = &opened{claimed: make(chan struct{})}
			t.claims[path] = o
			t.mu.Unlock()
			return o, func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.claims, path)
				close(o.claimed)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-before.claimed:
		case <-ctx.Done():
			return nil, nil, cancelled(ctx)
		}
	}
}

// await gives a channel that is closed when a request on a file has left: a READ
// or WRITE at an offset, or a CLOSE. forget is called when the channel is no
// longer of use.
func (t *traffic) await(typ byte, o *opened, offset int64) (left <-chan struct{}, forget func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := departure{typ, o.handle, uint64(offset)} //nolint:gosec // an offset is not negative
	c := make(chan struct{})
	t.awaited[d] = c
	return c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.awaited[d] == c {
			delete(t.awaited, d)
		}
	}
}

// isShared reports whether the server has given the handle of a file to another
// one while it was open: what was written or read may belong to the other.
func (t *traffic) isShared(o *opened) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return o.shared
}

// leaves notes a packet that is about to be sent; the function that it returns
// is called when it was.
func (t *traffic) leaves(packet []byte) (sent func()) {
	sent = func() {}
	if len(packet) < 9 {
		return sent
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left++
	typ, id := packet[4], binary.BigEndian.Uint32(packet[5:])
	d := decoder{packet[9:]}
	name, ok := d.string() // a path or a handle
	if !ok {
		return sent
	}
	switch typ {
	case fxpOpen, fxpOpendir:
		o := t.claims[string(name)]
		if o == nil || o.openLeft != 0 {
			o = &opened{}
		}
		o.openLeft = t.left
		t.opening[id] = o
		return sent
	case fxpClose:
		for _, o := range t.open[string(name)] {
			if o.closed == 0 {
				o.closed = t.left
				t.closing[id] = o
				break
			}
		}
	case fxpRead, fxpWrite:
	default:
		return sent
	}
	offset := uint64(0)
	if typ != fxpClose {
		offset, _ = d.uint64()
	}
	at := departure{typ, string(name), offset}
	if c := t.awaited[at]; c != nil {
		delete(t.awaited, at)
		return func() { close(c) }
	}
	return sent
}

// comes notes an answer: its type, the id of its request, and the handle in it.
func (t *traffic) comes(typ byte, id uint32, handle []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.opening[id]
	switch {
	case o != nil && typ == fxpHandle:
		o.handle = string(handle)
		for _, other := range t.open[o.handle] {
			// A server may give a handle anew that it was told to close before.
			if other.closed == 0 || other.closed > o.openLeft {
				other.shared, o.shared = true, true
			}
		}
		t.open[o.handle] = append(t.open[o.handle], o)
	case o == nil:
		if o = t.closing[id]; o == nil {
			return
		}
		delete(t.closing, id)
		rest := slices.DeleteFunc(t.open[o.handle], func(x *opened) bool { return x == o })
		if len(rest) == 0 {
			delete(t.open, o.handle)
		} else {
			t.open[o.handle] = rest
		}
		return
	}
	delete(t.opening, id)
}
