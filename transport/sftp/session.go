package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/semaphore"

	"github.com/socbatch/socbatch/transport"
)

// Memory for the large files of one session, in bytes, however many there are.
// One connection carries at most 2 MiB per direction and round trip.
const (
	sessionMemory = 16 << 20
	fileMemory    = 4 << 20
)

// maxPendingCloses bounds the handles that are being closed while their
// callers have gone on.
const maxPendingCloses = 1024

// Session is one SSH connection. It implements transport.Session.
type Session struct {
	log     *slog.Logger
	conn    *liveConn
	ssh     *ssh.Client
	client  *pkgsftp.Client
	in      *answerReader // what client reads from
	traffic *traffic      // what passes between client and server
	limits  limits
	info    Info

	// What the server has shown to need; see manner.
	oneRequest, oneFile atomic.Bool
	room                *room       // for open files
	sizes               sizeSources // what may be asked about the sizes of files

	memory     *semaphore.Weighted
	buffers    sync.Pool // of *[]byte with room for one request
	closeSlots chan struct{}

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // everything the session started

	inFlight   atomic.Int64 // requests through pkg/sftp, and the opening of the second channel
	lastAnswer atomic.Int64 // when a whole packet came on an SFTP channel, in Unix nanoseconds

	mu      sync.Mutex
	closed  bool
	handles map[string]*pendingClose // by path

	rawOnce  sync.Once
	rawReady chan struct{}
	raw      *rawSession // nil after rawReady: the server refused it
}

type pendingClose struct {
	count int
	done  chan struct{}
}

var _ transport.Session = (*Session)(nil)

func newSession(conn *liveConn, client *ssh.Client, log *slog.Logger, maxOpen int) *Session {
	ctx, stop := context.WithCancel(context.Background())
	return &Session{
		ctx: ctx, stop: stop,
		log: log, conn: conn, ssh: client,
		memory:     semaphore.NewWeighted(sessionMemory),
		closeSlots: make(chan struct{}, maxPendingCloses),
		handles:    map[string]*pendingClose{},
		rawReady:   make(chan struct{}),
		traffic:    newTraffic(),
		room:       newRoom(maxOpen),
	}
}

// start begins SFTP on the connection.
func (s *Session) start(keepAlive, answer time.Duration) error {
	ch, err := openChannel(s.ssh)
	if err != nil {
		return err
	}
	s.in = &answerReader{Reader: ch, last: &s.lastAnswer, collects: true, traffic: s.traffic}
	if s.client, s.limits, err = startClient(ch, s.in, s.traffic); err != nil {
		return err
	}
	if err := s.conn.established(); err != nil {
		return err
	}
	size := max(s.limits.read, s.limits.write)
	s.buffers.New = func() any { b := make([]byte, size); return &b }
	s.info.MaxRead, s.info.MaxWrite = s.limits.read, s.limits.write
	s.spawn(func() { s.keepAlive(keepAlive, answer) })
	s.spawn(s.watch)
	return nil
}

// Info describes the connection.
func (s *Session) Info() Info {
	i := s.info
	i.OneRequest, i.OneFile = s.oneRequest.Load(), s.oneFile.Load()
	return i
}

// keepAlive makes the server send something, and ends a session whose requests
// stay without an answer. A server that sends nothing at all runs into the read
// deadline before. The requests run on their own, one at a time: a server may
// leave them unanswered and send other things.
func (s *Session) keepAlive(every, answer time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	idle := time.Now()
	var asking atomic.Bool
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		quiet := time.Since(time.Unix(0, s.lastAnswer.Load()))
		if s.outstanding() == 0 {
			idle = time.Now()
		} else if min(quiet, time.Since(idle)) > answer {
			s.conn.fail(fmt.Errorf("%w: no request answered within %v", transport.ErrStalled, answer))
			return
		}
		if asking.CompareAndSwap(false, true) {
			s.spawn(func() {
				_, _, _ = s.ssh.SendRequest("keepalive@openssh.com", true, nil)
				asking.Store(false)
			})
		}
	}
}

// outstanding returns the number of requests without an answer.
func (s *Session) outstanding() int {
	n := int(s.inFlight.Load())
	select {
	case <-s.rawReady:
		if s.raw != nil {
			n += s.raw.outstanding()
		}
	default:
	}
	return n
}

// watch closes the connection once SFTP on it has ended: nothing else can be
// done with it.
func (s *Session) watch() {
	s.conn.fail(s.ended())
	_ = s.ssh.Close()
}

// ended waits for the end of SFTP and says why.
func (s *Session) ended() error {
	err := s.client.Wait()
	switch cause := s.conn.why(); {
	case cause != nil:
		return cause
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: closed by the server", transport.ErrConnection)
	default:
		return fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
}

// broken returns why the connection is unusable, or nil. err is an error that
// an operation has just met.
func (s *Session) broken(err error) error {
	if errors.Is(err, pkgsftp.ErrSSHFxConnectionLost) && s.client != nil {
		return s.ended() // it has, or is about to
	}
	return s.conn.why()
}

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// learn sets what the server has shown to need, and tells it once.
func (s *Session) learn(need *atomic.Bool, what string, args ...any) {
	if !need.Swap(true) {
		s.log.Debug(what, args...)
	}
}

// spawn runs fn on its own; Close waits for it. It returns false if the session
// is closed.
func (s *Session) spawn(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(fn)
	return true
}

// Close ends the connection. Handles that are being closed in the background
// get a moment, because some servers take a file for delivered only then.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wg.Wait()
		return nil
	}
	s.closed = true
	pending := make([]*pendingClose, 0, len(s.handles))
	for _, p := range s.handles {
		pending = append(pending, p)
	}
	s.mu.Unlock()

	grace := time.NewTimer(min(5*time.Second, s.conn.stall))
	defer grace.Stop()
waiting:
	for _, p := range pending {
		select {
		case <-p.done:
		case <-grace.C:
			break waiting
		}
	}
	s.stop()
	_ = s.conn.Close()
	_ = s.ssh.Close()
	_ = s.ssh.Wait()
	s.wg.Wait()
	if s.raw != nil {
		s.raw.close()
	}
	return nil
}

// future is the result of a request that runs on its own.
type future[T any] chan result[T]

type result[T any] struct {
	value T
	err   error
}

// async starts fn, which pkg/sftp gives no context. The result has room, so
// that nobody needs to wait for it.
func async[T any](s *Session, fn func() (T, error)) future[T] {
	f := make(future[T], 1)
	ok := s.spawn(func() {
		s.inFlight.Add(1)
		v, err := fn()
		s.inFlight.Add(-1)
		f <- result[T]{v, err}
	})
	if !ok {
		f <- result[T]{err: transport.ErrClosed}
	}
	return f
}

// wait returns the result, or the cause of ctx if that ends first.
func (f future[T]) wait(ctx context.Context) (T, error) {
	select {
	case r := <-f:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, cancelled(ctx)
	}
}

// Stat implements transport.Session.
func (s *Session) Stat(ctx context.Context, name string) (transport.Entry, error) {
	if ctx.Err() != nil {
		return transport.Entry{}, s.fail("stat", name, cancelled(ctx))
	}
	fi, err := async(s, func() (os.FileInfo, error) { return s.client.Stat(name) }).wait(ctx)
	if err != nil {
		return transport.Entry{}, s.fail("stat", name, err)
	}
	e := entryOf(fi)
	e.Name = path.Base(name)
	return e, nil
}

// entryOf converts what pkg/sftp read. It does not tell whether the server sent
// a size: attributes that are all zero count as not sent.
func entryOf(fi os.FileInfo) transport.Entry {
	e := transport.Entry{Name: fi.Name(), Size: -1}
	st, ok := fi.Sys().(*pkgsftp.FileStat)
	if !ok {
		return e
	}
	if e.Type = typeFromMode(st.Mode); e.Type == typeUnsent {
		e.Type = transport.TypeOther
	}
	if st.Mtime != 0 {
		e.ModTime = time.Unix(int64(st.Mtime), 0).UTC()
	}
	if sent := st.Size != 0 || st.Mode != 0 || st.Mtime != 0; sent && st.Size < 1<<63 {
		e.Size = int64(st.Size)
	}
	return e
}

// second returns the second SFTP session of the connection, started at the
// first call, or nil if the server does not give one.
func (s *Session) second(ctx context.Context) (*rawSession, error) {
	s.rawOnce.Do(func() {
		open := func() {
			s.inFlight.Add(1)
			defer s.inFlight.Add(-1)
			defer close(s.rawReady)
			ch, err := openChannel(s.ssh)
			if err == nil {
				var raw *rawSession
				if raw, err = newRawSession(ch, &answerReader{Reader: ch, last: &s.lastAnswer}); err == nil {
					s.raw = raw
					return
				}
				_ = ch.Close()
			}
			s.log.Debug("no second sftp channel", "error", err)
		}
		if !s.spawn(open) {
			close(s.rawReady)
		}
	})
	select {
	case <-s.rawReady:
	case <-ctx.Done():
		return nil, cancelled(ctx)
	}
	if s.isClosed() {
		return nil, transport.ErrClosed
	}
	return s.raw, nil
}

// List implements transport.Session. Where the server gives no second channel,
// a name with a slash arrives without what is before the slash, and a listing of
// more than maxCollected entries is an error: pkg/sftp collects it in memory.
func (s *Session) List(ctx context.Context, dir string, yield func(transport.Entry) error) error {
	if ctx.Err() != nil {
		return s.fail("list", dir, cancelled(ctx))
	}
	raw, err := s.second(ctx)
	if err != nil {
		return s.fail("list", dir, err)
	}
	if raw != nil {
		err := raw.list(ctx, dir, yield)
		var own *yieldError
		if errors.As(err, &own) {
			return own.err
		}
		return s.fail("list", dir, err)
	}
	s.in.begin()
	infos, err := async(s, func() ([]os.FileInfo, error) { return s.client.ReadDirContext(ctx, dir) }).wait(ctx)
	if err != nil {
		return s.fail("list", dir, err)
	}
	for _, fi := range infos {
		if ctx.Err() != nil {
			return s.fail("list", dir, cancelled(ctx))
		}
		if err := yield(entryOf(fi)); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements transport.Session in one round trip.
func (s *Session) Remove(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return s.fail("remove", name, cancelled(ctx))
	}
	s.mu.Lock()
	pending := s.handles[name]
	s.mu.Unlock()
	if pending != nil {
		select {
		case <-pending.done:
		case <-ctx.Done():
			return s.fail("remove", name, cancelled(ctx))
		}
	}
	raw, err := s.second(ctx)
	if err != nil {
		return s.fail("remove", name, err)
	}
	if raw != nil {
		return s.fail("remove", name, raw.remove(ctx, name))
	}
	// pkg/sftp would go on to try RMDIR.
	_, err = async(s, func() (struct{}, error) {
		if fi, err := s.client.Lstat(name); err == nil && fi.IsDir() {
			return struct{}{}, &statusError{code: fxFailure, text: "is a directory"}
		}
		err := s.client.Remove(name)
		return struct{}{}, err
	}).wait(ctx)
	return s.fail("remove", name, err)
}
