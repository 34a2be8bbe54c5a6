package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer bounds the header of a proxy's answer, in bytes.
const maxAnswer = 16 << 10

// httpProxy goes through an HTTP proxy with CONNECT.
type httpProxy struct {
	host, name     string
	tls            bool
	user, password string
	base           Dial
}

func (h httpProxy) dial(ctx context.Context, network, address string) (_ net.Conn, err error) {
	conn, err := h.base(ctx, network, h.host)
	if err != nil {
		return nil, &Error{h.host, ErrUnreachable, err}
	}
	// A deadline in the past ends whatever waits for the proxy.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	open := conn
	defer func() {
		stopped := !stop()
		if err == nil && !stopped {
			return
		}
		_ = open.Close()
		if ctx.Err() != nil {
			err = &Error{h.host, ErrSilent, ctx.Err()}
		}
	}()
	if h.tls {
		secure := tls.Client(conn, &tls.Config{ServerName: h.name, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, &Error{h.host, tlsReason(err), err}
		}
		conn = secure
	}
	return h.connect(conn, address)
}

func (h httpProxy) connect(conn net.Conn, address string) (net.Conn, error) {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{"User-Agent": {"socbatch"}}}
	if h.user != "" {
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(h.user+":"+h.password)))
	}
	if err := request.Write(conn); err != nil {
		return nil, &Error{h.host, ErrClosed, err}
	}
	limit := &io.LimitedReader{R: conn, N: maxAnswer}
	buffered := bufio.NewReader(limit)
	answer, err := http.ReadResponse(buffered, request)
	switch {
	case err != nil && limit.N <= 0:
		return nil, &Error{h.host, ErrAnswer, errors.New("its answer does not end")}
	case err != nil && hungUp(err):
		return nil, &Error{h.host, ErrClosed, err}
	case err != nil:
		return nil, &Error{h.host, ErrAnswer, err}
	case answer.StatusCode/100 != 2:
		return nil, &Error{h.host, httpReason(answer.StatusCode), fmt.Errorf("HTTP status %d", answer.StatusCode)}
	}
	// The server may have spoken already; what was read of it is not lost.
	early, err := buffered.Peek(buffered.Buffered())
	if err != nil {
		return nil, &Error{h.host, ErrAnswer, err}
	}
	if len(early) == 0 {
		return conn, nil
	}
	return &earlyConn{Conn: conn, early: early}, nil
}

func tlsReason(err error) error {
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return ErrCertificate
	case hungUp(err):
		return ErrClosed
	}
	return ErrAnswer
}

func httpReason(status int) error {
	switch status {
	case http.StatusProxyAuthRequired, http.StatusUnauthorized:
		return ErrAuthentication
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return ErrForbidden
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ErrServer
	}
	return ErrAnswer
}

// earlyConn gives first what was read together with the proxy's answer.
type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
