package sftp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/socbatch/socbatch/transport"
)

// liveConn is a connection on which nothing waits for ever: every read and
// every write has a deadline, and the first failure is kept, because the layers
// above reduce it to "connection lost".
type liveConn struct {
	net.Conn
	greeting *greetingConn
	stall    time.Duration

	// until is the absolute deadline of the handshake in Unix nanoseconds; 0
	// once it is over, when each call has the stall timeout.
	until atomic.Int64

	mu    sync.Mutex
	cause error
}

func newLiveConn(c net.Conn, stall, handshake time.Duration) *liveConn {
	g := &greetingConn{Conn: c}
	l := &liveConn{Conn: g, greeting: g, stall: stall}
	l.until.Store(time.Now().Add(handshake).UnixNano())
	return l
}

// established ends the handshake phase. A read that is waiting gets the new
// deadline as well.
func (l *liveConn) established() error {
	l.until.Store(0)
	return l.SetDeadline(l.deadline())
}

func (l *liveConn) deadline() time.Time {
	if ns := l.until.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Now().Add(l.stall)
}

func (l *liveConn) Read(b []byte) (int, error) {
	if err := l.SetReadDeadline(l.deadline()); err != nil {
		return 0, l.failed(err)
	}
	n, err := l.Conn.Read(b)
	return n, l.failed(err)
}

func (l *liveConn) Write(b []byte) (int, error) {
	if err := l.SetWriteDeadline(l.deadline()); err != nil {
		return 0, l.failed(err)
	}
	n, err := l.Conn.Write(b)
	return n, l.failed(err)
}

func (l *liveConn) failed(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if l.until.Load() != 0 {
			err = fmt.Errorf("%w: handshake took too long", transport.ErrStalled)
		} else {
			err = fmt.Errorf("%w within %v", transport.ErrStalled, l.stall)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = err
	}
	return err
}

// fail closes the connection because of err, unless it failed before.
func (l *liveConn) fail(err error) {
	_ = l.failed(err)
	_ = l.Close()
}

// why returns the first failure, or nil.
func (l *liveConn) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}
