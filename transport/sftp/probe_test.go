package sftp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/testproxy"
	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/proxy"
)

func TestProbe(t *testing.T) {
	_, f := newMemory(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ssh.NewSignerFromKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	f.config.AddHostKey(second)
	f.config.ServerVersion = "SSH-2.0-Try"
	logins, connections := 0, 0
	f.config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		logins++
		return nil, nil
	}
	// Neither user nor key is needed.
	p, err := Probe(t.Context(), Endpoint{Host: "fake"}, Options{DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
		connections++
		return f.dialContext(ctx, n, a)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, k := range p.Keys {
		shown = append(shown, ssh.FingerprintSHA256(k))
	}
	if want := []string{ssh.FingerprintSHA256(f.signer.PublicKey()), ssh.FingerprintSHA256(second.PublicKey())}; !slices.Equal(shown, want) {
		t.Errorf("got %v, want %v", shown, want)
	}
	if p.Version != "SSH-2.0-Try" || !slices.Contains(p.Offers.KeyExchanges, ssh.KeyExchangeCurve25519) || !slices.Contains(p.Offers.HostKeys, ssh.KeyAlgoED25519) ||
		!slices.Contains(p.Offers.Ciphers, ssh.CipherAES128GCM) || !slices.Contains(p.Offers.MACs, ssh.HMACSHA256) {
		t.Errorf("%+v", p)
	}
	if logins > 0 || connections != 2 { // there is no RSA key to ask for
		t.Errorf("%d logins, %d connections", logins, connections)
	}
}

func TestProbeFails(t *testing.T) {
	_, f := newMemory(t)
	f.config.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1}
	_, err := Probe(t.Context(), Endpoint{Host: "fake"}, Options{DialContext: f.dialContext})
	if !errors.Is(err, transport.ErrAlgorithm) || !strings.Contains(err.Error(), ssh.InsecureKeyExchangeDH1SHA1) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, Endpoint{Host: "127.0.0.1", Port: 1}, Options{}); transport.ClassOf(err) != transport.Cancelled {
		t.Errorf("got %v", err)
	}
}

func TestOpenSSHProbe(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{NoUserKey: true})
	p, err := Probe(t.Context(), Endpoint{Host: srv.Host, Port: srv.Port}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Keys) != len(srv.HostKeys) || !strings.HasPrefix(p.Version, "SSH-2.0-OpenSSH") || len(p.Offers.KeyExchanges) == 0 {
		t.Errorf("%+v", p)
	}
	for _, k := range p.Keys {
		if !slices.ContainsFunc([]string{"ed25519", "ecdsa", "rsa"}, func(typ string) bool {
			return ssh.FingerprintSHA256(srv.HostKeys[typ]) == ssh.FingerprintSHA256(k)
		}) {
			t.Errorf("%s is not a key of the server", k.Type())
		}
	}
}

// Where on the way a connection fails, from what the other side does.
func TestConnectReasons(t *testing.T) {
	// said writes a text and no more, and waits until the client is gone: a reset
	// could take away what was written.
	said := func(text string) string {
		return testproxy.Listen(t, func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		})
	}
	silent := testproxy.Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for _, c := range []struct {
		name, address string
		reason        error
		class         transport.Class
		says          string
	}{
		{"nobody there", testproxy.Closed(t), transport.ErrRefused, transport.Temporary, ""},
		{"hangs up", said(""), transport.ErrHungUp, transport.Temporary, ""},
		{"hangs up in its greeting", said("SSH-2"), transport.ErrHungUp, transport.Temporary, ""},
		{"hangs up behind its greeting", said("SSH-2.0-x\r\n"), transport.ErrHungUp, transport.Temporary, ""},
		{"web server", said("HTTP/1.1 400 Bad Request\r\n\r\n"), transport.ErrNotSSH, transport.Temporary, `a web server or a web proxy: "HTTP/1.1 400 Bad Request"`},
		{"page", said("<!DOCTYPE html>\n"), transport.ErrNotSSH, transport.Temporary, "a web server"},
		{"TLS", said("\x15\x03\x03\x00\x02\x02\x32"), transport.ErrNotSSH, transport.Temporary, "TLS"},
		{"mail server", said("220 mail\x1b[2J\r\n"), transport.ErrNotSSH, transport.Temporary, `it says "220 mail\x1b[2J"`},
		{"the first SSH", said("SSH-1.5-x\r\n"), transport.ErrNotSSH, transport.Temporary, "first version"},
		{"noise", said(strings.Repeat("noise ", 1000)), transport.ErrNotSSH, transport.Permanent, `it says "noise noise`},
		{"silence", silent, transport.ErrStalled, transport.Temporary, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			host, port, _ := net.SplitHostPort(c.address)
			n, err := net.LookupPort("tcp", port)
			if err != nil {
				t.Fatal(err)
			}
			e := Endpoint{Host: host, Port: n, HandshakeTimeout: time.Minute}
			if errors.Is(c.reason, transport.ErrStalled) {
				e.HandshakeTimeout = 20 * time.Millisecond
			}
			_, err = Probe(t.Context(), e, Options{})
			if !errors.Is(err, c.reason) || transport.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (%v)", err, transport.ClassOf(err))
			}
			var failed *transport.ConnectError
			if !errors.As(err, &failed) {
				t.Errorf("%v is no *ConnectError", err)
			}
		})
	}
}

// A real server through each kind of proxy: files come and go.
func TestOpenSSHThroughProxies(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	socks, web := testproxy.SOCKS(t, "jan", "geheim"), testproxy.HTTP(t, "jan", "geheim")
	made := func(address string) proxy.Dial {
		dial, err := proxy.New(address, "geheim", nil)
		if err != nil {
			t.Fatal(err)
		}
		return dial
	}
	ways := map[string]proxy.Dial{"SOCKS": made("socks5://jan@" + socks.Address), "HTTP": made("http://jan@" + web.Address)}
	if self, err := os.Executable(); err == nil {
		ways["command"] = proxy.Command([]string{self, "%h", "%p"}, append(os.Environ(), relayed+"=1"), "")
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s, err := Dial(t.Context(), endpointOf(t, srv), Options{DialContext: way})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			content := pattern(3 << 20)
			if err := s.Put(t.Context(), "via-"+name, strings.NewReader(string(content)), int64(len(content))); err != nil {
				t.Fatal(err)
			}
			var back strings.Builder
			if _, err := s.Get(t.Context(), "via-"+name, &back, int64(len(content))); err != nil || back.String() != string(content) {
				t.Errorf("%d bytes came back, %v", back.Len(), err)
			}
		})
	}
	if socks.Joined.Load() != 1 || web.Joined.Load() != 1 {
		t.Errorf("%d and %d connections went through", socks.Joined.Load(), web.Joined.Load())
	}
}

// What the proxy says is told, and classed by whether it can change.
func TestProxyFails(t *testing.T) {
	_, f := newMemory(t)
	e := f.endpoint()
	for _, c := range []struct {
		name    string
		address string
		reason  error
		class   transport.Class
	}{
		{"nobody there", "http://" + testproxy.Closed(t), proxy.ErrUnreachable, transport.Temporary},
		{"wants a password", "http://" + testproxy.HTTP(t, "jan", "geheim").Address, proxy.ErrAuthentication, transport.Permanent},
		{"not one", "socks5://" + testproxy.Listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "no proxy") }), proxy.ErrAnswer, transport.Temporary},
		{"no such name", "socks5://nothing.invalid:1", proxy.ErrUnreachable, transport.Permanent},
	} {
		base := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.Contains(address, "invalid") { // without asking the network
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: address, IsNotFound: true}}
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		dial, err := proxy.New(c.address, "", base)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Dial(t.Context(), e, Options{DialContext: dial})
		var failed *transport.ConnectError
		if !errors.Is(err, c.reason) || transport.ClassOf(err) != c.class || !errors.As(err, &failed) || failed.Reason != nil {
			t.Errorf("%s: got %v (%v)", c.name, err, transport.ClassOf(err))
		}
	}
	// A proxy that is silent is given up like a server that is.
	silent, err := proxy.New("http://"+testproxy.Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	e.ConnectTimeout = 20 * time.Millisecond
	if _, err := Dial(t.Context(), e, Options{DialContext: silent}); !errors.Is(err, proxy.ErrSilent) || transport.ClassOf(err) != transport.Temporary {
		t.Errorf("got %v (%v)", err, transport.ClassOf(err))
	}
	// A command that fails says why.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	failing := proxy.Command([]string{self, "%h", "%p"}, append(os.Environ(), relayed+"=fail"), "")
	_, err = Dial(t.Context(), e, Options{DialContext: failing})
	if !errors.Is(err, proxy.ErrCommand) || transport.ClassOf(err) != transport.Temporary || !strings.Contains(err.Error(), "no way to "+e.Host) {
		t.Errorf("got %v (%v)", err, transport.ClassOf(err))
	}
	_, err = Dial(t.Context(), e, Options{DialContext: proxy.Command([]string{"/there/is/none"}, nil, "")})
	if !errors.Is(err, proxy.ErrCommand) || !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, os.ErrNotExist) || transport.ClassOf(err) != transport.Permanent {
		t.Errorf("got %v (%v)", err, transport.ClassOf(err))
	}
}
