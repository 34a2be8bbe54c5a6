package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/testproxy"
)

// relayed, in the environment of the test program, makes it a proxy command.
const relayed = "SOCBATCH_TEST_RELAY"

func TestMain(m *testing.M) {
	switch os.Getenv(relayed) {
	case "":
		goleak.VerifyTestMain(m)
	case "relay":
		conn, err := net.Dial("tcp", os.Args[1]+":"+os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, "no way:\x1b[2J", os.Args[3])
			os.Exit(3)
		}
		go func() {
			_, _ = io.Copy(conn, os.Stdin)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(os.Stdout, conn)
	case "parent": // leaves a child behind that holds its output
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), relayed+"=child")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "child":
		fmt.Println("here")
		select {}
	case "closes": // its input, and ends later
		_ = os.Stdin.Close()
		fmt.Fprintln(os.Stderr, "no more")
		os.Exit(1)
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}

// echo greets and sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	return testproxy.Listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "hello\n")
		_, _ = io.Copy(c, c)
	})
}

// talk greets and echoes through conn.
func talk(t *testing.T, conn net.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); line != "ping\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestThrough(t *testing.T) {
	server := echo(t)
	h := testproxy.HTTP(t, "", "").Server
	demanding := testproxy.HTTP(t, "jan", "geheim").Server
	for _, c := range []struct{ name, address, password string }{
		{"SOCKS", "socks5://" + testproxy.SOCKS(t, "", "").Address, ""},
		{"SOCKS with the name looked up there", "socks5h://" + testproxy.SOCKS(t, "", "").Address, ""},
		{"SOCKS with a password", "socks5://jan@" + testproxy.SOCKS(t, "jan", "geheim").Address, "geheim"},
		{"HTTP", h.URL, ""},
		{"HTTP with a password", strings.Replace(demanding.URL, "//", "//jan@", 1), "geheim"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dial, err := New(c.address, c.password, nil)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := dial(t.Context(), "tcp", server)
			talk(t, conn, err)
		})
	}
}

func TestThroughTLS(t *testing.T) {
	s := testproxy.HTTPS(t, "", "").Server
	// The certificate is not one that the system trusts.
	dial, err := New(s.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := dial(t.Context(), "tcp", echo(t)); !errors.Is(err, ErrCertificate) || !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
	// That it is looked at shows that TLS is spoken; the tunnel inside is the same.
	conn, err := (&tls.Dialer{Config: s.Client().Transport.(*http.Transport).TLSClientConfig}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	inside, err := httpProxy{host: "proxy"}.connect(conn, echo(t))
	talk(t, inside, err)
}

func TestRefused(t *testing.T) {
	server, nobody := echo(t), testproxy.Closed(t)
	h := testproxy.HTTP(t, "", "").Server
	demanding := testproxy.HTTP(t, "jan", "geheim").Server
	hangsUp := testproxy.Listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 3)) })
	answers := func(text string) string {
		return testproxy.Listen(t, func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, text)
		})
	}
	for _, c := range []struct {
		name, proxy, password, server string
		want                          error
	}{
		{"SOCKS: nobody there", "socks5://" + nobody, "", server, ErrUnreachable},
		{"SOCKS: no user given", "socks5://" + testproxy.SOCKS(t, "jan", "geheim").Address, "", server, ErrAuthentication},
		{"SOCKS: wrong password", "socks5://jan@" + testproxy.SOCKS(t, "jan", "geheim").Address, "hsecret", server, ErrAuthentication},
		{"SOCKS: not allowed", "socks5://" + testproxy.SOCKS(t, "", "").Address, "", testproxy.Forbidden + ":8022", ErrForbidden},
		{"SOCKS: server refuses", "socks5://" + testproxy.SOCKS(t, "", "").Address, "", nobody, ErrServer},
		{"SOCKS: hangs up", "socks5://" + hangsUp, "", server, ErrClosed},
		{"TLS: hangs up", "https://" + hangsUp, "", server, ErrClosed},
		{"TLS: not one", "https://" + server, "", server, ErrAnswer},
		{"SOCKS: not one", "socks5://" + server, "", server, ErrAnswer},
		{"HTTP: nobody there", "http://" + nobody, "", server, ErrUnreachable},
		{"HTTP: no user given", demanding.URL, "", server, ErrAuthentication},
		{"HTTP: wrong password", strings.Replace(demanding.URL, "//", "//jan@", 1), "hsecret", server, ErrAuthentication},
		{"HTTP: not allowed", h.URL, "", testproxy.Forbidden + ":8022", ErrForbidden},
		{"HTTP: server refuses", h.URL, "", nobody, ErrServer},
		{"HTTP: hangs up", "http://" + answers(""), "", server, ErrClosed},
		{"HTTP: hangs up in its answer", "http://" + answers("HTTP/1.1 200 O"), "", server, ErrClosed},
		{"HTTP: another error", "http://" + answers("HTTP/1.1 500 No\r\n\r\n"), "", server, ErrAnswer},
		{"HTTP: server too slow for it", "http://" + answers("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), "", server, ErrServer},
		{"HTTP: garbage", "http://" + answers("SSH-2.0-x\r\n"), "", server, ErrAnswer},
		{"HTTP: a page", "http://" + answers("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"), "", server, ErrAnswer},
		{"HTTP: a header without end", "http://" + answers("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Y: z\r\n", 200_000)), "", server, ErrAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			dial, err := New(c.proxy, c.password, nil)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := dial(t.Context(), "tcp", c.server)
			if conn != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
}

// A proxy that says nothing ends with the context.
func TestStalled(t *testing.T) {
	for _, scheme := range []string{"socks5", "http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			asked := make(chan struct{})
			address := testproxy.Listen(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 1))
				close(asked)
				_, _ = io.Copy(io.Discard, c)
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-asked
				cancel()
			}()
			dial, err := New(scheme+"://"+address, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if conn, err := dial(ctx, "tcp", "server.invalid:8022"); conn != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTemporary(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want bool
	}{
		{Error{Reason: ErrUnreachable, Err: io.EOF}, true},
		{Error{Reason: ErrUnreachable, Err: &net.DNSError{IsNotFound: true}}, false},
		{Error{Reason: ErrServer}, true},
		{Error{Reason: ErrAuthentication}, false},
		{Error{Reason: ErrForbidden}, false},
		{Error{Reason: ErrCommand, Err: errors.New("exit status 1")}, true},
		{Error{Reason: ErrCommand, Err: &exec.Error{Err: exec.ErrNotFound}}, false},
	} {
		if got := c.err.Temporary(); got != c.want {
			t.Errorf("%v: %v", &c.err, got)
		}
	}
}

func TestParse(t *testing.T) {
	for address, want := range map[string]error{
		"socks5://proxy:1080": nil, "socks5h://proxy:9": nil, "http://jan@proxy:3128/": nil, "https://[::1]:443": nil,
		"proxy:1080": ErrScheme, "ftp://proxy": ErrScheme, "": ErrScheme, "http://a b": ErrScheme, "socks4://proxy": ErrScheme,
		"http://": ErrNoHost, "http://proxy": ErrNoHost, "socks5://proxy": ErrNoHost, "http://:3128": ErrNoHost, "http://proxy/path": ErrNoHost, "http://jan:geheim@proxy:1": ErrPassword,
	} {
		_, err := Parse(address)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("the error tells a password: %v", err)
		}
	}
}

func TestCommand(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	environ := append(os.Environ(), relayed+"=relay")
	dial := Command([]string{self, "%h", "%p", "100%% %r"}, environ, "EXP1")
	conn, err := dial(t.Context(), "tcp", echo(t))
	talk(t, conn, err)

	// What the command says when it fails is told, without what would disturb
	// a terminal.
	conn, err = dial(t.Context(), "tcp", testproxy.Closed(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	if !errors.Is(err, ErrCommand) || !strings.Contains(err.Error(), "exit status 3: no way: [2J 100% EXP1") {
		t.Errorf("got %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}

	if _, err := Command([]string{self + "-none"}, environ, "")(t.Context(), "tcp", "h:1"); !errors.Is(err, ErrCommand) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}

	// Whoever writes learns of the failure as well.
	conn, err = Command([]string{self}, append(os.Environ(), relayed+"=closes"), "")(t.Context(), "tcp", "h:1")
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = conn.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, ErrCommand) || !strings.Contains(err.Error(), "exit status 1: no more") {
		t.Errorf("got %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}

	// Close ends what the command started too.
	conn, err = Command([]string{self}, append(os.Environ(), relayed+"=parent"), "")(t.Context(), "tcp", "h:1")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "here\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}

	// A command that never answers: deadlines hold, and Close ends it.
	conn, err = Command([]string{self}, append(os.Environ(), relayed+"=silent"), "")(t.Context(), "tcp", "h:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
