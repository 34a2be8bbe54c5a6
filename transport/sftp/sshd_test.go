package sftp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// Tests against the real OpenSSH server.

func endpointOf(t *testing.T, srv *testsshd.Server) Endpoint {
	t.Helper()
	hk, err := hostkey.New(nil, srv.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	return Endpoint{Host: srv.Host, Port: srv.Port, User: srv.User, Keys: []ssh.Signer{srv.UserSigner}, HostKeys: hk}
}

func dial(t *testing.T, e Endpoint) *Session {
	t.Helper()
	s, err := Dial(t.Context(), e, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// pattern returns size bytes that differ from place to place.
func pattern(size int) []byte {
	b := make([]byte, size)
	sum := sha256.Sum256([]byte("socbatch"))
	for i := 0; i < len(b); i += len(sum) {
		copy(b[i:], sum[:])
		sum = sha256.Sum256(sum[:])
	}
	return b
}

var sizes = []int{0, 1, 32767, 32768, 32769, 1<<20 + 7, 20 << 20}

func TestOpenSSHTransfers(t *testing.T) {
	for _, external := range []bool{false, true} {
		t.Run(map[bool]string{false: "internal-sftp", true: "sftp-server"}[external], func(t *testing.T) {
			srv := testsshd.Start(t, testsshd.Options{External: external})
			s := dial(t, endpointOf(t, srv))
			ctx := t.Context()
			if s.Info().MaxRead != largeChunk || s.Info().MaxWrite != largeChunk {
				t.Errorf("limits of OpenSSH not used: %+v", s.Info())
			}
			for _, size := range sizes {
				for _, known := range []bool{true, false} {
					name := fmt.Sprintf("f%d", size)
					data, announced := pattern(size), int64(-1)
					if known {
						announced = int64(size)
					}
					if err := s.Put(ctx, name, bytes.NewReader(data), announced); err != nil {
						t.Fatalf("put %d: %v", size, err)
					}
					onDisk, err := os.ReadFile(filepath.Join(srv.Dir, name))
					if err != nil || !bytes.Equal(onDisk, data) {
						t.Fatalf("put %d: other content on the server (%v)", size, err)
					}
					var got bytes.Buffer
					n, err := s.Get(ctx, name, &got, announced)
					if err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), data) {
						t.Fatalf("get %d: %d bytes, %v", size, n, err)
					}
					e, err := s.Stat(ctx, name)
					if err != nil || e.Size != int64(size) || e.Type != transport.TypeFile || e.Name != name || e.ModTime.IsZero() {
						t.Fatalf("stat %d: %+v, %v", size, e, err)
					}
				}
			}
			// A shorter file replaces a longer one completely.
			if err := s.Put(ctx, "f32769", strings.NewReader("x"), 1); err != nil {
				t.Fatal(err)
			}
			if b, _ := os.ReadFile(filepath.Join(srv.Dir, "f32769")); string(b) != "x" {
				t.Errorf("replaced file has %d bytes", len(b))
			}
			if got := names(t, s, "."); len(got) != len(sizes) {
				t.Errorf("listed %q", got)
			}
			for _, size := range sizes {
				if err := s.Remove(ctx, fmt.Sprintf("f%d", size)); err != nil {
					t.Error(err)
				}
			}
			if got := names(t, s, "."); len(got) != 0 {
				t.Errorf("left over: %q", got)
			}
		})
	}
}

func names(t *testing.T, s transport.Session, dir string) []string {
	t.Helper()
	var out []string
	if err := s.List(t.Context(), dir, func(e transport.Entry) error { out = append(out, e.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestOpenSSHErrors(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	s := dial(t, endpointOf(t, srv))
	ctx := t.Context()
	if err := os.Mkdir(filepath.Join(srv.Dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(srv.Dir, "five"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, statErr := s.Stat(ctx, "absent")
	_, getErr := s.Get(ctx, "absent", io.Discard, 1)
	_, shortErr := s.Get(ctx, "five", io.Discard, 4)
	_, longErr := s.Get(ctx, "five", io.Discard, 6)
	_, longErr2 := s.Get(ctx, "five", io.Discard, 1<<20)
	for name, c := range map[string]struct {
		err  error
		kind error
	}{
		"stat absent":          {statErr, transport.ErrNotFound},
		"get absent":           {getErr, transport.ErrNotFound},
		"get more than listed": {shortErr, transport.ErrSize},
		"get less than listed": {longErr, transport.ErrSize},
		"get far less":         {longErr2, transport.ErrSize},
		"remove absent":        {s.Remove(ctx, "absent"), transport.ErrNotFound},
		"remove directory":     {s.Remove(ctx, "sub"), transport.ErrFailure},
		"list absent":          {s.List(ctx, "absent", nil), transport.ErrNotFound},
		"put into absent":      {s.Put(ctx, "absent/x", strings.NewReader("x"), 1), transport.ErrNotFound},
		"put over directory":   {s.Put(ctx, "sub", strings.NewReader("x"), 1), transport.ErrTooManyOpen},
		"reader has less":      {s.Put(ctx, "y", strings.NewReader("x"), 2), transport.ErrSize},
		"reader has more":      {s.Put(ctx, "y", strings.NewReader("xyz"), 2), transport.ErrSize},
		"large reader, less":   {s.Put(ctx, "z", bytes.NewReader(pattern(1<<20)), 1<<20+1), transport.ErrSize},
		"large reader, more":   {s.Put(ctx, "z", bytes.NewReader(pattern(1<<20)), 1<<20-1), transport.ErrSize},
	} {
		if !errors.Is(c.err, c.kind) || transport.ClassOf(c.err) != transport.Permanent {
			t.Errorf("%s: %v (%v), want %v", name, c.err, transport.ClassOf(c.err), c.kind)
		}
	}
	if _, err := os.Stat(filepath.Join(srv.Dir, "sub")); err != nil {
		t.Errorf("remove took a directory: %v", err)
	}
	stop := errors.New("enough")
	if err := s.List(ctx, ".", func(transport.Entry) error { return stop }); err != stop {
		t.Errorf("error of yield came back as %v", err)
	}
	if got := names(t, s, "."); len(got) != 3 { // five, sub, z
		t.Errorf("session not usable after errors: %q", got)
	}
}

func TestOpenSSHListing(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	var want []string
	for i := range 2500 {
		n := fmt.Sprintf("FO.DMNO.999999.20261125.%05d.R.1.1", i)
		want = append(want, n)
		if err := os.WriteFile(filepath.Join(srv.Dir, n), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dial(t, endpointOf(t, srv)), "."); !slices.Equal(got, want) {
		t.Errorf("pipelined: %d names", len(got))
	}
	t.Run("no second channel", func(t *testing.T) {
		one := testsshd.Start(t, testsshd.Options{Config: []string{"MaxSessions 1"}})
		for _, n := range want[:300] {
			if err := os.WriteFile(filepath.Join(one.Dir, n), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := dial(t, endpointOf(t, one))
		if got := names(t, s, "."); !slices.Equal(got, want[:300]) {
			t.Errorf("%d names", len(got))
		}
		if err := s.Remove(t.Context(), want[0]); err != nil {
			t.Error(err)
		}
		if err := os.Mkdir(filepath.Join(one.Dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), "sub"); !errors.Is(err, transport.ErrFailure) {
			t.Errorf("remove of a directory: %v", err)
		}
	})
}

func TestOpenSSHManyInFlight(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	s := dial(t, endpointOf(t, srv))
	const files = 1024
	each := func(fn func(i int) error) {
		t.Helper()
		work, errs := make(chan int), make(chan error, files)
		for range 512 {
			go func() {
				for i := range work {
					errs <- fn(i)
				}
			}()
		}
		go func() {
			for i := range files {
				work <- i
			}
			close(work)
		}()
		for range files {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := t.Context()
	data := pattern(4096)
	name := func(i int) string { return fmt.Sprintf("f%04d", i) }
	each(func(i int) error { return s.Put(ctx, name(i), bytes.NewReader(data[:i]), int64(i)) })
	each(func(i int) error {
		var b bytes.Buffer
		if _, err := s.Get(ctx, name(i), &b, int64(i)); err != nil {
			return err
		}
		if !bytes.Equal(b.Bytes(), data[:i]) {
			return fmt.Errorf("%s has other content", name(i))
		}
		return s.Remove(ctx, name(i))
	})
	if got := names(t, s, "."); len(got) != 0 {
		t.Errorf("left over: %d", len(got))
	}
}

func TestOpenSSHLogin(t *testing.T) {
	tests := []struct {
		name      string
		config    string
		allow     bool
		prefer    string
		algorithm string // "" means refused
		conns     int
	}{
		{"default", "", false, "", "rsa-sha2-512", 1},
		{"only sha2-512", "PubkeyAcceptedAlgorithms rsa-sha2-512", false, "", "rsa-sha2-512", 1},
		{"only sha2-256", "PubkeyAcceptedAlgorithms rsa-sha2-256", false, "", "rsa-sha2-256", 2},
		{"only ssh-rsa, not allowed", "PubkeyAcceptedAlgorithms ssh-rsa", false, "", "", 2},
		{"only ssh-rsa, preferred but not allowed", "PubkeyAcceptedAlgorithms ssh-rsa", false, "ssh-rsa", "", 2},
		{"only ssh-rsa, allowed", "PubkeyAcceptedAlgorithms ssh-rsa", true, "", "ssh-rsa", 3},
		{"only ssh-rsa, remembered", "PubkeyAcceptedAlgorithms ssh-rsa", true, "ssh-rsa", "ssh-rsa", 1},
		{"allowed but not needed", "", true, "", "rsa-sha2-512", 1},
		{"no RSA at all", "PubkeyAcceptedAlgorithms ssh-ed25519", true, "", "", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o testsshd.Options
			if tt.config != "" {
				o.Config = []string{tt.config}
			}
			srv := testsshd.Start(t, o)
			e := endpointOf(t, srv)
			e.AllowSSHRSA, e.PreferLogin = tt.allow, tt.prefer
			s, err := Dial(t.Context(), e, Options{})
			if got := srv.Connections(); got != tt.conns {
				t.Errorf("%d connections, want %d", got, tt.conns)
			}
			if tt.algorithm == "" {
				if transport.ClassOf(err) != transport.Authentication || !errors.Is(err, transport.ErrAuthentication) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			info := s.Info()
			if info.LoginAlgorithm != tt.algorithm || info.Legacy != (tt.algorithm == "ssh-rsa") || info.Connections != tt.conns {
				t.Errorf("info %+v", info)
			}
			if info.LoginKey != ssh.FingerprintSHA256(srv.UserSigner.PublicKey()) {
				t.Errorf("login key %s", info.LoginKey)
			}
		})
	}
}

func TestOpenSSHHostKeys(t *testing.T) {
	all := testsshd.Start(t, testsshd.Options{})
	addr := endpointOf(t, all).Address()
	known := func(typ string) string {
		f := filepath.Join(t.TempDir(), "known_hosts")
		if err := hostkey.Accept(f, addr, all.HostKeys[typ]); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, typ := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run("known "+typ, func(t *testing.T) {
			e := endpointOf(t, all)
			e.HostKeys, _ = hostkey.New(nil, known(typ))
			before := all.Connections()
			if got := dial(t, e).Info().HostKey; got != hostkey.Fingerprint(all.HostKeys[typ]) {
				t.Errorf("host key %s", got)
			}
			if n := all.Connections() - before; n != 1 {
				t.Errorf("%d connections", n)
			}
		})
		t.Run("pinned "+typ, func(t *testing.T) {
			e := endpointOf(t, all)
			e.HostKeys, _ = hostkey.New([]string{hostkey.Fingerprint(all.HostKeys[typ])})
			if got := dial(t, e).Info().HostKey; got != hostkey.Fingerprint(all.HostKeys[typ]) {
				t.Errorf("host key %s", got)
			}
		})
	}
	refused := func(name string, hk *hostkey.Verifier, reason error) {
		t.Run(name, func(t *testing.T) {
			e := endpointOf(t, all)
			e.HostKeys = hk
			_, err := Dial(t.Context(), e, Options{})
			var he *hostkey.Error
			if transport.ClassOf(err) != transport.HostKey || !errors.Is(err, reason) || !errors.As(err, &he) {
				t.Fatalf("got %v (%v)", err, transport.ClassOf(err))
			}
			if he.Host != addr || he.Key == nil || he.Fingerprint == "" {
				t.Errorf("details %+v", he)
			}
		})
	}
	other := testsshd.Start(t, testsshd.Options{})
	wrong := filepath.Join(t.TempDir(), "known_hosts")
	if err := hostkey.Accept(wrong, addr, other.HostKeys["ed25519"]); err != nil {
		t.Fatal(err)
	}
	changed, _ := hostkey.New(nil, wrong)
	refused("changed", changed, hostkey.ErrChanged)
	pinned, _ := hostkey.New([]string{hostkey.Fingerprint(other.HostKeys["rsa"])})
	refused("other pin", pinned, hostkey.ErrChanged)
	empty, _ := hostkey.New(nil)
	refused("unknown", empty, hostkey.ErrUnknown)
	refused("no verifier", nil, hostkey.ErrUnknown)

	t.Run("ssh-rsa host key", func(t *testing.T) {
		legacy := testsshd.Start(t, testsshd.Options{HostKeys: []string{"rsa"}, Config: []string{"HostKeyAlgorithms ssh-rsa"}})
		e := endpointOf(t, legacy)
		if _, err := Dial(t.Context(), e, Options{}); !errors.Is(err, transport.ErrAlgorithm) || !strings.Contains(err.Error(), "ssh-rsa is not allowed") {
			t.Errorf("without the opt-in: %v", err)
		}
		e.AllowSSHRSA = true
		if i := dial(t, e).Info(); !i.Legacy || i.HostKeyAlgorithm != "ssh-rsa" || i.LoginAlgorithm != "rsa-sha2-512" {
			t.Errorf("info %+v", i)
		}
	})
	t.Run("old algorithms", func(t *testing.T) {
		legacy := testsshd.Start(t, testsshd.Options{Config: []string{"KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes128-cbc", "MACs hmac-sha1"}})
		e := endpointOf(t, legacy)
		if _, err := Dial(t.Context(), e, Options{}); !errors.Is(err, transport.ErrAlgorithm) {
			t.Errorf("by default: %v", err)
		}
		e.Algorithms = Algorithms{KeyExchanges: []string{"diffie-hellman-group14-sha1"}, Ciphers: []string{"aes128-cbc"}}
		if i := dial(t, e).Info(); i.Cipher != "aes128-cbc" || i.KeyExchange != "diffie-hellman-group14-sha1" {
			t.Errorf("info %+v", i)
		}
	})
}

func TestOpenSSHCancelKeepsSession(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	s := dial(t, endpointOf(t, srv))
	if err := os.WriteFile(filepath.Join(srv.Dir, "big"), pattern(20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("ctrl-c")
	_, err := s.Get(ctx, "big", writerFunc(func(b []byte) (int, error) { cancel(reason); return len(b), nil }), 20<<20)
	if transport.ClassOf(err) != transport.Cancelled || !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	n := 0
	err = s.Put(ctx, "up", readerFunc(func(b []byte) (int, error) {
		if n += len(b); n > 3<<20 {
			cancel(reason)
		}
		return len(b), nil
	}), -1)
	if transport.ClassOf(err) != transport.Cancelled || !errors.Is(err, reason) {
		t.Errorf("put: %v", err)
	}
	for name, err := range map[string]error{
		"put": s.Put(ctx, "x", nil, 0), "remove": s.Remove(ctx, "up"), "list": s.List(ctx, ".", nil),
	} {
		if transport.ClassOf(err) != transport.Cancelled {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Put(t.Context(), "after", strings.NewReader("ok"), 2); err != nil {
		t.Errorf("session unusable after a cancelled transfer: %v", err)
	}
	local := errors.New("disk on fire")
	err = s.Put(t.Context(), "y", readerFunc(func([]byte) (int, error) { return 0, local }), 7)
	if !errors.Is(err, local) || transport.ClassOf(err) != transport.Permanent {
		t.Errorf("reader's error: %v", err)
	}
	_, err = s.Get(t.Context(), "after", writerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }), 2)
	if transport.ClassOf(err) != transport.Permanent {
		t.Errorf("writer's error: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
