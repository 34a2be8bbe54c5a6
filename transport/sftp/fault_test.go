package sftp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// Tests against an in-process server with faults.

// memory is the file system of the server, with the faults that it shall have.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	names []string // the listing, if set

	failWrite  error // of every write at an offset above failAfter
	failAfter  int64
	failClose  error
	keep       int   // bytes stored per file at most; 0 is all
	failStat   error // of STAT and FSTAT
	vanish     bool  // files are taken away as soon as they are closed
	failRemove error
	truncReads int // reads deliver at most up to this offset; 0 is all
}

type memFile struct {
	m    *memory
	path string
	data []byte
}

func (m *memory) Fileread(r *pkgsftp.Request) (io.ReaderAt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.files[r.Filepath]
	if !ok {
		return nil, os.ErrNotExist
	}
	if m.truncReads > 0 {
		b = b[:min(len(b), m.truncReads)]
	}
	return bytes.NewReader(b), nil
}

func (m *memory) Filewrite(r *pkgsftp.Request) (io.WriterAt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[r.Filepath] = nil
	return &memFile{m: m, path: r.Filepath}, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.failWrite != nil && off >= f.m.failAfter {
		return 0, f.m.failWrite
	}
	if end := int(off) + len(b); end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[off:], b)
	if f.m.keep > 0 {
		f.data = f.data[:min(len(f.data), f.m.keep)]
	}
	f.m.files[f.path] = f.data
	return len(b), nil
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.vanish {
		delete(f.m.files, f.path)
	}
	return f.m.failClose
}

func (m *memory) Filecmd(r *pkgsftp.Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Method != "Remove" {
		return pkgsftp.ErrSSHFxOpUnsupported
	}
	if m.failRemove != nil {
		return m.failRemove
	}
	if _, ok := m.files[r.Filepath]; !ok {
		return os.ErrNotExist
	}
	delete(m.files, r.Filepath)
	return nil
}

type memInfo struct {
	name string
	size int64
	mode os.FileMode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() os.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Unix(1e9, 0) }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }

type memList []os.FileInfo

func (l memList) ListAt(out []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(out, l[off:])
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) Filelist(r *pkgsftp.Request) (pkgsftp.ListerAt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var l memList
	if r.Method == "List" {
		for _, n := range m.names {
			l = append(l, memInfo{n, 1, 0o600})
		}
		return l, nil
	}
	if m.failStat != nil {
		return nil, m.failStat
	}
	b, ok := m.files[r.Filepath]
	if !ok {
		return nil, os.ErrNotExist
	}
	return memList{memInfo{r.Filepath, int64(len(b)), 0o600}}, nil
}

// tcpPair returns the ends of a loopback connection. net.Pipe has no buffer, and
// SSH begins with both sides writing.
func tcpPair() (client, server net.Conn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	server, err = ln.Accept()
	return client, server, err
}

// fakeServer is an SSH server behind a loopback connection of its own.
type fakeServer struct {
	t       *testing.T
	config  *ssh.ServerConfig
	signer  ssh.Signer // of host and user alike
	serve   func(ch ssh.Channel, n int)
	wrap    func(net.Conn) net.Conn // of the client's side
	refuse2 bool                    // more than one channel

	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

func newFake(t *testing.T, serve func(ch ssh.Channel, n int)) *fakeServer {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{t: t, signer: signer, serve: serve, config: &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), signer.PublicKey().Marshal()) {
				return nil, errors.New("no")
			}
			return nil, nil
		}}}
	f.config.AddHostKey(signer)
	t.Cleanup(func() {
		f.mu.Lock()
		for _, c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func newMemory(t *testing.T) (*memory, *fakeServer) {
	m := &memory{files: map[string][]byte{}}
	return m, newFake(t, func(ch ssh.Channel, _ int) {
		_ = pkgsftp.NewRequestServer(ch, pkgsftp.Handlers{FileGet: m, FilePut: m, FileCmd: m, FileList: m}).Serve()
	})
}

func (f *fakeServer) dialContext(context.Context, string, string) (net.Conn, error) {
	client, server, err := tcpPair()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.conns = append(f.conns, server)
	f.mu.Unlock()
	f.wg.Go(func() { f.handle(server) })
	if f.wrap != nil {
		client = f.wrap(client)
	}
	return client, nil
}

func (f *fakeServer) handle(c net.Conn) {
	defer c.Close()
	conn, chans, reqs, err := ssh.NewServerConn(c, f.config)
	if err != nil {
		return
	}
	defer conn.Close()
	f.wg.Go(func() {
		for r := range reqs {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	})
	n := 0
	for nc := range chans {
		if n++; n > 1 && f.refuse2 {
			_ = nc.Reject(ssh.ResourceShortage, "one is enough")
			continue
		}
		ch, reqs, err := nc.Accept()
		if err != nil {
			continue
		}
		f.wg.Go(func() {
			for r := range reqs {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		})
		no := n
		f.wg.Go(func() { defer ch.Close(); f.serve(ch, no) })
	}
}

func (f *fakeServer) endpoint() Endpoint {
	hk, err := hostkey.New([]string{hostkey.Fingerprint(f.signer.PublicKey())})
	if err != nil {
		f.t.Fatal(err)
	}
	return Endpoint{Host: "fake", User: "EXP1", Keys: []ssh.Signer{f.signer}, HostKeys: hk}
}

func (f *fakeServer) dial(e Endpoint) *Session {
	f.t.Helper()
	s, err := Dial(f.t.Context(), e, Options{DialContext: f.dialContext})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close() })
	return s
}

// dialed is a session with the server.
func (f *fakeServer) dialed() *Session {
	f.t.Helper()
	return f.dial(f.endpoint())
}

const kib32 = 32 << 10

// anew does something as often as a caller has to: twice or thrice at most.
func anew(t *testing.T, do func() error) error {
	t.Helper()
	for range 3 {
		if err := do(); !errors.Is(err, transport.ErrBeginAnew) {
			return err
		}
	}
	return errors.New("it never comes to an end")
}

func TestPutFaults(t *testing.T) {
	quota := errors.New("Disk quota exceeded")
	refused := pkgsftp.ErrSSHFxFailure
	for _, size := range []int{10, kib32, 10 * kib32} {
		tests := []struct {
			name string
			set  func(*memory)
			kind error // nil: must succeed
		}{
			{"none", func(*memory) {}, nil},
			{"write refused", func(m *memory) { m.failWrite = refused }, transport.ErrFailure},
			{"last write refused", func(m *memory) { m.failWrite = refused; m.failAfter = int64(size-1) / kib32 * kib32 }, transport.ErrFailure},
			{"no permission", func(m *memory) { m.failWrite = pkgsftp.ErrSSHFxPermissionDenied }, transport.ErrPermission},
			{"quota at close", func(m *memory) { m.failClose = quota }, transport.ErrNoSpace},
			{"stores less", func(m *memory) { m.keep = size - 1 }, transport.ErrSize},
			{"fstat not permitted", func(m *memory) { m.failStat = pkgsftp.ErrSSHFxPermissionDenied }, nil},
			{"fstat not supported", func(m *memory) { m.failStat = pkgsftp.ErrSSHFxOpUnsupported }, nil},
			{"fstat fails", func(m *memory) { m.failStat = refused }, nil},
			{"fstat finds nothing", func(m *memory) { m.failStat = os.ErrNotExist }, nil},
			{"taken away after close", func(m *memory) { m.vanish = true }, nil},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%d %s", size, tt.name), func(t *testing.T) {
				m, f := newMemory(t)
				tt.set(m)
				s := f.dial(f.endpoint())
				err := anew(t, func() error {
					return s.Put(t.Context(), "/IN/x", bytes.NewReader(pattern(size)), int64(size))
				})
				if tt.kind == nil {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				if !errors.Is(err, tt.kind) || transport.ClassOf(err) != transport.Permanent {
					t.Fatalf("got %v, want %v", err, tt.kind)
				}
				if !strings.HasPrefix(err.Error(), "put /IN/x: ") {
					t.Errorf("message %q", err)
				}
			})
		}
	}
}

func TestPutEmptyIsOpenAndClose(t *testing.T) {
	// A server that refuses everything else must still take a GO.
	m, f := newMemory(t)
	m.failStat, m.failWrite = pkgsftp.ErrSSHFxPermissionDenied, os.ErrPermission
	s := f.dial(f.endpoint())
	if err := s.Put(t.Context(), "/IN/GO", nil, 0); err != nil {
		t.Fatal(err)
	}
	if b, ok := m.files["/IN/GO"]; !ok || len(b) != 0 {
		t.Errorf("GO is %v, %v", b, ok)
	}
	m.failClose = errors.New("refused")
	if err := s.Put(t.Context(), "/IN/GO", nil, 0); !errors.Is(err, transport.ErrFailure) {
		t.Errorf("error at close: %v", err)
	}
}

func TestGetFaults(t *testing.T) {
	for _, size := range []int{10, kib32, 10*kib32 + 3} {
		tests := []struct {
			name  string
			set   func(*memory)
			known int64
			kind  error
		}{
			{"none", func(*memory) {}, int64(size), nil},
			{"none, size unknown", func(*memory) {}, -1, nil},
			{"listed too small", func(*memory) {}, int64(size) - 1, transport.ErrSize},
			{"listed too large", func(*memory) {}, int64(size) + 1, transport.ErrSize},
			{"delivers less", func(m *memory) { m.truncReads = size - 1 }, int64(size), transport.ErrSize},
			{"delivers less, size unknown", func(m *memory) { m.truncReads = size - 1 }, -1, transport.ErrSize},
			{"fstat refused", func(m *memory) { m.failStat = pkgsftp.ErrSSHFxPermissionDenied }, int64(size), nil},
			{"fstat refused, size unknown", func(m *memory) { m.failStat = pkgsftp.ErrSSHFxPermissionDenied }, -1, nil},
			{"absent", func(m *memory) { m.files = nil }, int64(size), transport.ErrNotFound},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%d %s", size, tt.name), func(t *testing.T) {
				m, f := newMemory(t)
				data := pattern(size)
				m.files["/OUT/x"] = data
				tt.set(m)
				s := f.dial(f.endpoint())
				var b bytes.Buffer
				n, err := s.Get(t.Context(), "/OUT/x", &b, tt.known)
				if n != int64(b.Len()) {
					t.Errorf("returned %d, wrote %d", n, b.Len())
				}
				if !errors.Is(err, tt.kind) {
					t.Fatalf("got %v, want %v", err, tt.kind)
				}
				if tt.kind == nil && !bytes.Equal(b.Bytes(), data) {
					t.Error("other content")
				}
			})
		}
	}
}

func TestListHostileNames(t *testing.T) {
	m, f := newMemory(t)
	m.names = []string{"a\nb", "nul\x00", "\x1b[2J", "\xff", strings.Repeat("x", 5000), "dup", "dup", `C:\x`, "CON", "..", ".", "path/inner", ""}
	s := f.dial(f.endpoint())
	var got []string
	if err := s.List(t.Context(), "/", func(e transport.Entry) error {
		if e.Type != transport.TypeFile || e.Size != 1 || !e.ModTime.Equal(time.Unix(1e9, 0)) {
			t.Errorf("entry %+v", e)
		}
		got = append(got, e.Name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(m.names), func(s string) bool { return s == "." || s == ".." })
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	m.names = slices.Repeat([]string{"n"}, 5000)
	n := 0
	if err := s.List(t.Context(), "/", func(transport.Entry) error { n++; return nil }); err != nil || n != 5000 {
		t.Errorf("%d names, %v", n, err)
	}
}

func TestRemoveIsOneRequest(t *testing.T) {
	m, f := newMemory(t)
	m.files["/x"] = nil
	s := f.dial(f.endpoint())
	if err := s.Remove(t.Context(), "/x"); err != nil {
		t.Fatal(err)
	}
	m.failRemove = pkgsftp.ErrSSHFxPermissionDenied
	if err := s.Remove(t.Context(), "/x"); !errors.Is(err, transport.ErrPermission) {
		t.Error(err)
	}
}

// countingConn runs onLimit once more than limit bytes were received.
type countingConn struct {
	net.Conn
	limit   atomic.Int64 // 0: none
	got     int64
	onLimit func(net.Conn)
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if l := c.limit.Load(); l > 0 {
		if c.got += int64(n); c.got > l {
			c.onLimit(c.Conn)
		}
	}
	return n, err
}

func TestConnectionCut(t *testing.T) {
	m, f := newMemory(t)
	m.files["/big"] = pattern(4 << 20)
	var conn *countingConn
	f.wrap = func(c net.Conn) net.Conn {
		conn = &countingConn{Conn: c, onLimit: func(c net.Conn) { _ = c.Close() }}
		return conn
	}
	s := f.dial(f.endpoint())
	conn.limit.Store(1 << 20)
	n, err := s.Get(t.Context(), "/big", io.Discard, 4<<20)
	if n >= 4<<20 || !errors.Is(err, transport.ErrConnection) || transport.ClassOf(err) != transport.Temporary {
		t.Errorf("%d bytes, %v (%v)", n, err, transport.ClassOf(err))
	}
	for name, err := range map[string]error{
		"put":    s.Put(t.Context(), "/x", strings.NewReader("x"), 1),
		"list":   s.List(t.Context(), "/", nil),
		"remove": s.Remove(t.Context(), "/x"),
	} {
		if transport.ClassOf(err) != transport.Temporary || !errors.Is(err, transport.ErrConnection) {
			t.Errorf("%s on the dead session: %v (%v)", name, err, transport.ClassOf(err))
		}
	}
}

// blackHole swallows what is written and delivers nothing more once it is on.
type blackHole struct {
	net.Conn
	on chan struct{}
}

func (b *blackHole) Write(p []byte) (int, error) {
	select {
	case <-b.on:
		return len(p), nil
	default:
		return b.Conn.Write(p)
	}
}

func TestBlackHole(t *testing.T) {
	ops := map[string]func(*Session) error{
		"put":   func(s *Session) error { return s.Put(t.Context(), "/x", strings.NewReader("x"), 1) },
		"large": func(s *Session) error { return s.Put(t.Context(), "/x", bytes.NewReader(pattern(9<<20)), 9<<20) },
		"get":   func(s *Session) error { _, err := s.Get(t.Context(), "/x", io.Discard, -1); return err },
		"list":  func(s *Session) error { return s.List(t.Context(), "/", nil) },
		"stat":  func(s *Session) error { _, err := s.Stat(t.Context(), "/x"); return err },
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, f := newMemory(t)
			hole := &blackHole{on: make(chan struct{})}
			f.wrap = func(c net.Conn) net.Conn { hole.Conn = c; return hole }
			e := f.endpoint()
			e.StallTimeout = 300 * time.Millisecond
			s := f.dial(e)
			close(hole.on)
			err := op(s)
			if !errors.Is(err, transport.ErrStalled) || !errors.Is(err, transport.ErrConnection) || transport.ClassOf(err) != transport.Temporary {
				t.Errorf("got %v (%v)", err, transport.ClassOf(err))
			}
		})
	}
	t.Run("cancel", func(t *testing.T) { // with the default StallTimeout of a minute
		_, f := newMemory(t)
		hole := &blackHole{on: make(chan struct{})}
		f.wrap = func(c net.Conn) net.Conn { hole.Conn = c; return hole }
		s := f.dial(f.endpoint())
		close(hole.on)
		for name, op := range map[string]func(context.Context) error{
			"put":    func(ctx context.Context) error { return s.Put(ctx, "/x", strings.NewReader("x"), 1) },
			"get":    func(ctx context.Context) error { _, err := s.Get(ctx, "/x", io.Discard, 5); return err },
			"list":   func(ctx context.Context) error { return s.List(ctx, "/", nil) },
			"remove": func(ctx context.Context) error { return s.Remove(ctx, "/x") },
			"stat":   func(ctx context.Context) error { _, err := s.Stat(ctx, "/x"); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if err := op(ctx); transport.ClassOf(err) != transport.Cancelled || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
	})
}

func TestIdleSessionStaysAlive(t *testing.T) {
	// Longer than the stall timeout without a request: only keepalives keep it.
	m, f := newMemory(t)
	m.files["/x"] = []byte("x")
	var reads atomic.Int64
	enough := make(chan struct{})
	f.wrap = func(c net.Conn) net.Conn {
		return &countingReads{Conn: c, fn: func() {
			if reads.Add(1) == 60 {
				close(enough)
			}
		}}
	}
	e := f.endpoint()
	e.StallTimeout, e.KeepAlive = 2*time.Second, 20*time.Millisecond
	s := f.dial(e)
	<-enough // that many answers arrived, most of them to keepalives
	if _, err := s.Stat(t.Context(), "/x"); err != nil {
		t.Error(err)
	}
}

type countingReads struct {
	net.Conn
	fn func()
}

func (c *countingReads) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.fn()
	return n, err
}

func TestServerAnswersOnlyKeepalives(t *testing.T) {
	f := newFake(t, script(func(ssh.Channel, uint32) {}))
	for name, op := range map[string]func(*Session) error{
		"put":  func(s *Session) error { return s.Put(t.Context(), "/x", strings.NewReader("x"), 1) },
		"list": func(s *Session) error { return s.List(t.Context(), "/", nil) },
	} {
		e := f.endpoint()
		e.KeepAlive, e.AnswerTimeout = 10*time.Millisecond, 100*time.Millisecond
		s := f.dial(e)
		if err := op(s); !errors.Is(err, transport.ErrStalled) || transport.ClassOf(err) != transport.Temporary {
			t.Errorf("%s: %v (%v)", name, err, transport.ClassOf(err))
		}
	}
}

func TestHandshakeStalls(t *testing.T) {
	stuck := func(context.Context, string, string) (net.Conn, error) {
		c, s, err := tcpPair()
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
		}
		return c, err
	}
	_, f := newMemory(t)
	e := f.endpoint()
	e.HandshakeTimeout = 50 * time.Millisecond
	_, err := Dial(t.Context(), e, Options{DialContext: stuck})
	if transport.ClassOf(err) != transport.Temporary || !errors.Is(err, transport.ErrStalled) {
		t.Errorf("silent server: %v (%v)", err, transport.ClassOf(err))
	}
	e.HandshakeTimeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, e, Options{DialContext: stuck}); transport.ClassOf(err) != transport.Cancelled {
		t.Errorf("cancelled: %v (%v)", err, transport.ClassOf(err))
	}
	// SFTP that never starts.
	mute := newFake(t, func(ch ssh.Channel, _ int) { _, _ = io.Copy(io.Discard, ch) })
	e = mute.endpoint()
	e.HandshakeTimeout = 300 * time.Millisecond
	if _, err := Dial(t.Context(), e, Options{DialContext: mute.dialContext}); !errors.Is(err, transport.ErrStalled) {
		t.Errorf("mute sftp: %v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	_, f := newMemory(t)
	e := f.endpoint()
	fail := func(err error) Options {
		return Options{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	_, err := Dial(t.Context(), e, fail(&net.OpError{Op: "dial", Err: errors.New("connection refused")}))
	if transport.ClassOf(err) != transport.Temporary || !errors.Is(err, transport.ErrConnection) {
		t.Errorf("refused: %v (%v)", err, transport.ClassOf(err))
	}
	_, err = Dial(t.Context(), e, fail(&net.DNSError{IsNotFound: true}))
	if transport.ClassOf(err) != transport.Permanent {
		t.Errorf("no such host: %v", err)
	}
	e.Keys = nil
	if _, err := Dial(t.Context(), e, Options{}); transport.ClassOf(err) != transport.Authentication {
		t.Errorf("no keys: %v", err)
	}
}

func TestPassword(t *testing.T) {
	_, f := newMemory(t)
	f.config.PublicKeyCallback = nil
	f.config.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		if string(p) != "geheim" {
			return nil, errors.New("no")
		}
		return nil, nil
	}
	e := f.endpoint()
	e.Password = func(context.Context) (string, error) { return "geheim", nil }
	if i := f.dial(e).Info(); i.LoginAlgorithm != "password" || i.LoginKey != "" {
		t.Errorf("info %+v", i)
	}
	e.Password = func(context.Context) (string, error) { return "wrong-secret", nil }
	_, err := Dial(t.Context(), e, Options{DialContext: f.dialContext})
	if transport.ClassOf(err) != transport.Authentication || strings.Contains(fmt.Sprint(err), "wrong-secret") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestClose(t *testing.T) {
	m, f := newMemory(t)
	m.files["/x"] = pattern(100)
	s := f.dial(f.endpoint())
	if _, err := s.Get(t.Context(), "/x", io.Discard, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	for name, err := range map[string]error{
		"put": s.Put(t.Context(), "/x", nil, 0), "list": s.List(t.Context(), "/", nil), "remove": s.Remove(t.Context(), "/x"),
	} {
		if !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
}

func TestCloseEndsTransfers(t *testing.T) {
	m, f := newMemory(t)
	m.files["/x"] = pattern(8 << 20)
	s := f.dial(f.endpoint())
	started := make(chan struct{})
	var once sync.Once
	errs := make(chan error, 2)
	go func() {
		_, err := s.Get(t.Context(), "/x", writerFunc(func(b []byte) (int, error) {
			once.Do(func() { close(started) })
			return len(b), nil
		}), 8<<20)
		errs <- err
	}()
	<-started
	endless := make(chan struct{})
	go func() {
		var once sync.Once
		errs <- s.Put(t.Context(), "/y", readerFunc(func(b []byte) (int, error) {
			once.Do(func() { close(endless) })
			return len(b), nil
		}), -1)
	}()
	<-endless
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		// The download may have been complete already.
		if err := <-errs; err != nil && !errors.Is(err, transport.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// script answers the version and then sends its bytes for the first request.
func script(after func(ch ssh.Channel, id uint32)) func(ssh.Channel, int) {
	return func(ch ssh.Channel, _ int) {
		if typ, _, err := readPacket(ch); err != nil || typ != fxpInit {
			return
		}
		v := newPacket(fxpVersion)
		v.uint32(3)
		_, _ = ch.Write(v.bytes())
		for {
			_, body, err := readPacket(ch)
			if err != nil {
				return
			}
			d := decoder{body}
			id, _ := d.uint32()
			after(ch, id)
		}
	}
}

func TestNonsense(t *testing.T) {
	raw := func(b string) func(ssh.Channel, uint32) {
		return func(ch ssh.Channel, _ uint32) { _, _ = io.WriteString(ch, b) }
	}
	answers := map[string]func(ssh.Channel, uint32){
		"length zero":      raw("\x00\x00\x00\x00"),
		"length huge":      raw("\xff\xff\xff\xff\x65"),
		"no id":            raw("\x00\x00\x00\x01\x65"),
		"id of no request": raw("\x00\x00\x00\x09\x65\x99\x99\x99\x99\x00\x00\x00\x00"),
		"text":             raw("This account is currently not available.\n"),
		"wrong type": func(ch ssh.Channel, id uint32) {
			p := newPacket(fxpName)
			p.uint32(id)
			p.uint32(1 << 30)
			_, _ = ch.Write(p.bytes())
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, script(answer))
			for op, fn := range map[string]func(*Session) error{
				"put":  func(s *Session) error { return s.Put(t.Context(), "/x", strings.NewReader("x"), 1) },
				"list": func(s *Session) error { return s.List(t.Context(), "/", nil) },
			} {
				s := f.dial(f.endpoint())
				err := fn(s)
				if err == nil || transport.ClassOf(err) == transport.Temporary {
					t.Errorf("%s: %v (%v)", op, err, transport.ClassOf(err))
				}
			}
		})
	}
	t.Run("instead of the version", func(t *testing.T) {
		f := newFake(t, func(ch ssh.Channel, _ int) {
			_, _, _ = readPacket(ch)
			_, _ = io.WriteString(ch, "Welcome to the server!\r\n")
		})
		_, err := Dial(t.Context(), f.endpoint(), Options{DialContext: f.dialContext})
		if !errors.Is(err, transport.ErrProtocol) || transport.ClassOf(err) != transport.Permanent {
			t.Errorf("got %v (%v)", err, transport.ClassOf(err))
		}
	})
}

func TestSecondChannelRefused(t *testing.T) {
	m, f := newMemory(t)
	m.names = []string{"a", "b"}
	m.files["/a"] = nil
	f.refuse2 = true
	s := f.dial(f.endpoint())
	if got := names(t, s, "/"); !slices.Equal(got, m.names) {
		t.Errorf("got %q", got)
	}
	if err := s.Remove(t.Context(), "/a"); err != nil {
		t.Error(err)
	}
}

func TestShortReads(t *testing.T) {
	data := pattern(100<<10 + 5)
	f := newFake(t, func(ch ssh.Channel, n int) { serveShort(ch, data) })
	s := f.dial(f.endpoint())
	for _, size := range []int64{int64(len(data)), -1} {
		var b bytes.Buffer
		if _, err := s.Get(t.Context(), fmt.Sprint("/", size), &b, size); err != nil || !bytes.Equal(b.Bytes(), data) {
			t.Errorf("size %d: %d bytes, %v", size, b.Len(), err)
		}
	}
}

// serveShort answers every READ with at most 1 KiB, and FSTAT without a size.
func serveShort(ch ssh.Channel, data []byte) {
	answer(ch, func(typ byte, d *decoder, p *packet) {
		switch typ {
		case fxpOpen:
			path, _ := d.string()
			p.b[4] = fxpHandle
			p.string(string(path))
		case 5: // READ
			_, _ = d.string()
			off, _ := d.uint64()
			n, _ := d.uint32()
			if off >= uint64(len(data)) {
				p.uint32(fxEOF)
				break
			}
			p.b[4] = 103 // DATA
			p.string(string(data[off:min(off+uint64(min(n, 1024)), uint64(len(data)))]))
		case fxpClose:
			p.uint32(fxOK)
		case 8: // FSTAT: attributes without a size
			p.b[4] = 105
			p.uint32(0)
		default:
			p.uint32(fxOpUnsupported)
		}
	})
}

// answer serves SFTP one request at a time: each fills in the packet that answers
// a request of a type, a STATUS unless it makes it another.
func answer(ch ssh.Channel, each func(typ byte, d *decoder, p *packet)) {
	if typ, _, err := readPacket(ch); err != nil || typ != fxpInit {
		return
	}
	v := newPacket(fxpVersion)
	v.uint32(3)
	_, _ = ch.Write(v.bytes())
	for {
		typ, body, err := readPacket(ch)
		if err != nil {
			return
		}
		d := decoder{body}
		id, _ := d.uint32()
		p := newPacket(fxpStatus)
		p.uint32(id)
		each(typ, &d, p)
		if _, err := ch.Write(p.bytes()); err != nil {
			return
		}
	}
}
