// Package testproxy has proxies for tests: SOCKS 5 and HTTP CONNECT, on
// loopback ports.
package testproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Forbidden is a host that the proxies do not let anybody through to.
const Forbidden = "forbidden.invalid"

// Proxy is a running proxy.
type Proxy struct {
	Address string // host:port
	Server  *httptest.Server
	// Joined counts the connections that were let through.
	Joined atomic.Int64
}

// Listen serves each connection with f, one after the other, until the test
// ends, and gives the address.
func Listen(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// Closed is an address where nobody listens.
func Closed(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// join passes on what comes on either connection until one of them ends.
func join(a, b net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(a, b)
		_ = a.Close()
	}()
	_, _ = io.Copy(b, a)
	_ = b.Close()
	<-done
}

// SOCKS starts a SOCKS 5 proxy. user and password are demanded where given.
func SOCKS(t testing.TB, user, password string) *Proxy {
	t.Helper()
	p := &Proxy{}
	p.Address = Listen(t, func(c net.Conn) { p.socks(c, user, password) })
	return p
}

func (p *Proxy) socks(c net.Conn, user, password string) {
	r := bufio.NewReader(c)
	field := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(r, b)
		return b
	}
	text := func() string { return string(field(int(field(1)[0]))) }
	methods := field(int(field(2)[1]))
	switch {
	case user == "":
		_, _ = c.Write([]byte{5, 0})
	case !bytes.Contains(methods, []byte{2}):
		_, _ = c.Write([]byte{5, 0xff})
		return
	default:
		_, _ = c.Write([]byte{5, 2})
		_ = field(1)
		if u, w := text(), text(); u != user || w != password {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
	}
	var host string
	switch field(4)[3] {
	case 1:
		host = net.IP(field(4)).String()
	case 3:
		host = text()
	}
	port := strconv.Itoa(int(binary.BigEndian.Uint16(field(2))))
	reply := func(code byte) { _, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0}) }
	if host == Forbidden {
		reply(2)
		return
	}
	to, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		reply(5)
		return
	}
	p.Joined.Add(1)
	reply(0)
	join(c, to)
}

// HTTP starts an HTTP proxy that knows CONNECT. user and password are demanded
// where given.
func HTTP(t testing.TB, user, password string) *Proxy {
	t.Helper()
	return serve(t, user, password, (*httptest.Server).Start)
}

// HTTPS is HTTP over TLS, with a certificate that nobody trusts but
// Server.Client.
func HTTPS(t testing.TB, user, password string) *Proxy {
	t.Helper()
	return serve(t, user, password, (*httptest.Server).StartTLS)
}

func serve(t testing.TB, user, password string, start func(*httptest.Server)) *Proxy {
	t.Helper()
	p := &Proxy{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.http(w, r, user, password) })
	p.Server = httptest.NewUnstartedServer(handler)
	start(p.Server)
	t.Cleanup(p.Server.Close)
	p.Address = p.Server.Listener.Addr().String()
	return p
}

func (p *Proxy) http(w http.ResponseWriter, r *http.Request, user, password string) {
	given := &http.Request{Header: http.Header{"Authorization": {r.Header.Get("Proxy-Authorization")}}}
	u, pass, _ := given.BasicAuth()
	switch {
	case r.Method != http.MethodConnect:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case user != "" && (u != user || pass != password):
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	case strings.HasPrefix(r.Host, Forbidden+":"):
		w.WriteHeader(http.StatusForbidden)
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	p.Joined.Add(1)
	// Together with the server's first words: a client must not lose them.
	first := make([]byte, 6)
	n, _ := io.ReadFull(to, first)
	_, _ = c.Write(append([]byte("HTTP/1.1 200 Connection established\r\n\r\n"), first[:n]...))
	join(c, to)
}
