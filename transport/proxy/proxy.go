// Package proxy reaches a server by way of another program: a SOCKS 5 or HTTP
// proxy, or a command whose standard input and output are the connection.
//
// What the server is called is told to the proxy, which looks the name up.
package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"

	netproxy "golang.org/x/net/proxy"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/transport"
)

// Dial makes a connection, as that of a net.Dialer does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Reasons of an *Error, for errors.Is.
var (
	ErrUnreachable    = errors.New("the proxy cannot be reached")
	ErrSilent         = errors.New("the proxy does not answer")
	ErrClosed         = errors.New("the proxy ended the connection")
	ErrCertificate    = errors.New("the certificate of the proxy is not trusted")
	ErrAuthentication = errors.New("the proxy asks for a user name and password, or does not take them")
	ErrForbidden      = errors.New("the proxy does not allow this connection")
	ErrServer         = errors.New("the proxy cannot reach the server")
	ErrAnswer         = errors.New("what answers is not such a proxy")
	ErrCommand        = errors.New("the proxy command failed")
)

// Error is a failure on the way to or at the proxy.
type Error struct {
	Proxy  string // host:port, or the program
	Reason error
	Err    error // the cause; may be nil
}

// Error names the proxy, the reason and the cause.
func (e *Error) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *Error) Said() (format string, args []any) { return e.problem().Said() }

func (e *Error) problem() *problem.Error {
	if e.Err == nil {
		return problem.New("proxy %s: %s", e.Proxy, e.Reason)
	}
	return problem.New("proxy %s: %s: %s", e.Proxy, e.Reason, e.Err)
}

// Unwrap gives the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Temporary reports whether the same may succeed later, with nothing changed on
// this side.
func (e *Error) Temporary() bool {
	switch e.Reason {
	case ErrAuthentication, ErrForbidden, ErrCertificate: //nolint:errorlint // one of the sentinels itself
		return false
	case ErrCommand:
		return !errors.Is(e.Err, os.ErrNotExist) && !errors.Is(e.Err, os.ErrPermission) && !errors.Is(e.Err, exec.ErrNotFound) && !errors.Is(e.Err, exec.ErrDot)
	}
	var dns *net.DNSError
	return !errors.As(e.Err, &dns) || !dns.IsNotFound
}

// Problems of a proxy's URL.
var (
	ErrScheme   = errors.New("a proxy begins with socks5://, http:// or https://")
	ErrNoHost   = errors.New("a proxy is written as socks5://host:port")
	ErrPassword = errors.New("a password does not belong into the address of the proxy")
)

// Parse checks the address of a proxy: socks5://, socks5h:// (the same),
// http:// or https://, with host, port and perhaps a user name. There is no usual
// port: people mean different ones. Errors do not repeat the address, since
// there may be a password in it.
func Parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains([]string{"socks5", "socks5h", "http", "https"}, u.Scheme) {
		return nil, ErrScheme
	}
	if _, has := u.User.Password(); has {
		return nil, ErrPassword
	}
	if u.Hostname() == "" || u.Port() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, ErrNoHost
	}
	return u, nil
}

// New goes through a proxy whose address Parse takes. password is that of the
// user in it. base connects to the proxy; nil means net.Dialer. Errors of the
// result are *Error.
func New(address, password string, base Dial) (Dial, error) {
	u, err := Parse(address)
	if err != nil {
		return nil, err
	}
	if base == nil {
		base = (&net.Dialer{}).DialContext
	}
	host := net.JoinHostPort(u.Hostname(), u.Port())
	if strings.HasPrefix(u.Scheme, "socks5") {
		return socks(host, u.User.Username(), password, base)
	}
	h := httpProxy{host: host, name: u.Hostname(), tls: u.Scheme == "https", user: u.User.Username(), password: password, base: base}
	return h.dial, nil
}

// socks goes through a SOCKS 5 proxy.
func socks(host, user, password string, base Dial) (Dial, error) {
	var auth *netproxy.Auth
	if user != "" {
		auth = &netproxy.Auth{User: user, Password: password}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		forward := &toProxy{base: base}
		d, err := netproxy.SOCKS5("tcp", host, auth, forward)
		if err != nil {
			return nil, err
		}
		cd, ok := d.(netproxy.ContextDialer)
		if !ok {
			return nil, errors.New("the SOCKS library has changed")
		}
		conn, err := cd.DialContext(ctx, network, address)
		switch {
		case err == nil:
			return conn, nil
		case forward.err != nil:
			return nil, &Error{host, ErrUnreachable, forward.err}
		case ctx.Err() != nil:
			return nil, &Error{host, ErrSilent, ctx.Err()}
		}
		return nil, &Error{host, socksReason(err), sayShort(err)}
	}, nil
}

// toProxy remembers why the proxy itself was not reached.
type toProxy struct {
	base Dial
	err  error
}

func (t *toProxy) Dial(network, address string) (net.Conn, error) {
	return t.DialContext(context.Background(), network, address)
}

func (t *toProxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.base(ctx, network, address)
	t.err = err
	return conn, err
}

// socksReason reads what the library says, which has no types for the answers
// of a proxy.
func socksReason(err error) error {
	if hungUp(err) {
		return ErrClosed
	}
	text := err.Error()
	for _, r := range []struct {
		part   string
		reason error
	}{
		{"authentication", ErrAuthentication}, {"username/password", ErrAuthentication},
		{"not allowed by ruleset", ErrForbidden}, {"command not supported", ErrForbidden},
		{"general SOCKS server failure", ErrServer}, {"unreachable", ErrServer}, {"connection refused", ErrServer}, {"TTL expired", ErrServer},
	} {
		if strings.Contains(text, r.part) {
			return r.reason
		}
	}
	return ErrAnswer
}

// hungUp reports that the other side ended the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(transport.ReasonOf(err), transport.ErrHungUp)
}

// sayShort takes off what net.OpError puts in front.
func sayShort(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}
