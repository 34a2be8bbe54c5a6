package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/transport"
)

func (r *run) dns(ctx context.Context) []Result {
	host := r.config.Endpoint.Host
	if through := r.proxy(); through != "" {
		return one(fine("%s is looked up by the proxy: %s", host, through))
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return one(fine("%s is an address: no name has to be looked up", host))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.config.Endpoint.Timeout))
	defer cancel()
	found4, err := r.Lookup(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return one(fine("%s is %s", host, strings.Join(found4[:min(len(found4), 4)], ", ")))
	case errors.As(err, &dns) && dns.IsNotFound:
		return one(found(DNSUnknown, "nothing is known by the name %s", host).
			fix("check endpoint.host in the configuration").
			fix("if it is right, this machine can look up no names from outside: tell the administrator of the network"))
	}
	return one(found(DNSFailed, "the name %s cannot be looked up: %s", host, err).
		fix("check the network of this machine (cable, Wi-Fi, VPN)").
		fix("tell the administrator of the network: this machine must be able to look up %s (DNS)", host))
}

func (r *run) proxy() string {
	if r.Proxy == nil {
		return ""
	}
	return r.Proxy(r.config)
}

func (r *run) address() string {
	return net.JoinHostPort(r.config.Endpoint.Host, strconv.Itoa(r.config.Endpoint.Port))
}

// firewall adds what the administrator of a firewall needs to hear.
func (r *run) firewall(x Result) Result {
	x = x.fix("tell the administrator of the firewall: outgoing TCP from this machine to %s, port %d, must be open; it is SSH, not TLS, and must be neither inspected nor sent through a web proxy",
		r.config.Endpoint.Host, r.config.Endpoint.Port)
	if r.WebProxy != "" && r.proxy() == "" {
		x = x.fix("the variable %s names a proxy: if there is no other way out of your network, put it under [endpoint] as proxy = \"…\"", r.WebProxy)
	}
	return x
}

// span writes a time as people write it into the configuration: 1m, not 1m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

const checkAddress = "check endpoint.host and endpoint.port in the configuration; if they are right, the server may be down for maintenance: try again later"

func (r *run) tcp(ctx context.Context) []Result {
	limit := time.Duration(r.config.Endpoint.Timeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := r.Dial(ctx, r.config, r.address())
	reason := transport.ReasonOf(err)
	switch {
	case err == nil:
		r.conn = conn
		if through := r.proxy(); through != "" {
			return one(fine("%s can be reached through the proxy %s", r.address(), through))
		}
		return one(fine("%s can be reached", r.address()))
	case r.proxy() != "":
		return one(found(ProxyFailed, "%s cannot be reached through the proxy %s: %s", r.address(), r.proxy(), err).
			fix("check what is configured for the proxy under [endpoint]").
			fix("tell the administrator of the proxy: connections to %s, port %d, must be let through (CONNECT or SOCKS); it is SSH, not TLS, and must not be inspected",
				r.config.Endpoint.Host, r.config.Endpoint.Port))
	case errors.Is(reason, transport.ErrRefused):
		return one(r.firewall(found(TCPRefused, "%s refuses the connection: nobody listens there, or a firewall on the way turns it away", r.address()).
			fix(checkAddress)))
	case errors.Is(reason, transport.ErrUnreachable):
		return one(r.firewall(found(TCPUnreachable, "no way leads from this machine to %s: %s", r.address(), err).
			fix("check the network of this machine (cable, Wi-Fi, VPN)")))
	case errors.Is(reason, transport.ErrTimedOut):
		return one(r.firewall(found(TCPTimeout, "%s does not answer within %s: what is sent there gets lost, most often in a firewall", r.address(), span(limit))))
	}
	return one(r.firewall(found(TCPFailed, "%s cannot be reached: %s", r.address(), err).fix(checkAddress)))
}

// Limits of what a server may say before its version.
const (
	maxGreeting      = 8 << 10
	maxGreetingLines = 50
)

// ssh looks who answers: it says hello as SSH does, and reads the greeting.
func (r *run) ssh(ctx context.Context) []Result {
	defer func() {
		_ = r.conn.Close()
		r.conn = nil
	}()
	stop := context.AfterFunc(ctx, func() { _ = r.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = r.conn.SetDeadline(time.Now().Add(time.Duration(r.config.Endpoint.Timeout)))
	// A web server says nothing before it is asked. That the write fails shows
	// in the reading.
	_, _ = io.WriteString(r.conn, "SSH-2.0-socbatch\r\n")
	line, err := greeting(r.conn)
	switch {
	case bytes.HasPrefix(line, []byte("SSH-2.")), bytes.HasPrefix(line, []byte("SSH-1.99")):
		return one(fine("the server calls itself %s", string(bytes.TrimRight(line, "\r\n"))))
	case len(line) > 0:
		return one(r.firewall(found(SSHOther, "what answers at %s is no SSH server: %s", r.address(), who(line)).fix(checkAddress)))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return one(r.firewall(found(SSHSilent, "%s takes the connection and says nothing within %s", r.address(), span(time.Duration(r.config.Endpoint.Timeout))).
			fix("try again later: the server may be overloaded")))
	}
	return one(r.firewall(found(SSHClosed, "%s takes the connection and ends it at once", r.address()).
		fix("ask the office whether connections from your address are allowed")))
}

// greeting reads up to the line with the version of SSH; where there is none,
// it gives the first thing that was said.
func greeting(conn io.Reader) ([]byte, error) {
	in := bufio.NewReader(io.LimitReader(conn, maxGreeting))
	if b, err := in.Peek(1); err != nil || b[0] < ' ' { // no text: it may have no lines
		b, _ = in.Peek(in.Buffered())
		return b, err
	}
	var first []byte
	for range maxGreetingLines {
		line, err := in.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("SSH-")) {
			return bytes.Clone(line), nil
		}
		if first == nil {
			first = bytes.Clone(line)
		}
		if err != nil || web(first) {
			return first, err
		}
	}
	return first, nil
}

func web(line []byte) bool {
	line = bytes.ToLower(line)
	return bytes.HasPrefix(line, []byte("http/")) || bytes.HasPrefix(line, []byte("<!doctype")) || bytes.HasPrefix(line, []byte("<html"))
}

// who says what answers.
func who(line []byte) error {
	switch {
	case web(line):
		return problem.New("it is a web server or a web proxy")
	case len(line) > 1 && (line[0] == 0x15 || line[0] == 0x16) && line[1] == 3:
		return problem.New("it speaks TLS, as web servers do, and firewalls that look into connections")
	case bytes.HasPrefix(line, []byte("SSH-1.")):
		return problem.New("it knows only the first version of SSH, which is broken")
	}
	const maxShown = 60
	line = bytes.TrimRight(line, "\r\n")
	return problem.New("it says %s", strconv.QuoteToASCII(string(line[:min(len(line), maxShown)])))
}
