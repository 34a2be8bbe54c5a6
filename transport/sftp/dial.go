package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
)

// Dial connects, checks the host key, logs in and starts SFTP. ctx bounds all
// of it and has no effect on the session afterwards.
//
// RSA keys are tried with one signature algorithm per connection: rsa-sha2-512,
// rsa-sha2-256, and ssh-rsa if the endpoint allows it. Servers exist that take
// only one of them and do not say which, or say it wrongly. Only a refused login
// leads to the next; every other failure ends the attempt.
//
// Errors are *transport.Error; that of a host key holds a *hostkey.Error.
func Dial(ctx context.Context, endpoint Endpoint, opts Options) (*Session, error) {
	e := endpoint.withDefaults()
	d := newDialer(e, opts)
	keys := e.Keys
	if e.KeySource != nil {
		more, err := e.KeySource(ctx)
		if err != nil {
			return nil, d.error(ctx, "connect", fmt.Errorf("get keys: %w", err))
		}
		keys = append(keys[:len(keys):len(keys)], more...)
	}
	if len(keys) == 0 && e.Password == nil {
		return nil, &transport.Error{Op: "log in", Path: d.Address(), Class: transport.Authentication,
			Kind: transport.ErrAuthentication, Err: errors.New("no key to log in with")}
	}
	d.hostAlgorithms = e.HostKeys.Algorithms(e.Address(), e.AllowSSHRSA)
	if len(e.Algorithms.HostKeys) > 0 {
		d.hostAlgorithms = [][]string{e.Algorithms.HostKeys}
	}
	var last error
	for _, a := range loginAttempts(keys, e) {
		s, err := d.logIn(ctx, a)
		if err == nil {
			return s, nil
		}
		if transport.ClassOf(err) != transport.Authentication {
			return nil, err
		}
		d.log.Debug("login refused", "host", e.Address(), "algorithm", a.name, "error", err)
		last = err
	}
	return nil, last
}

type dialer struct {
	Endpoint
	log            *slog.Logger
	connect        func(ctx context.Context, network, address string) (net.Conn, error)
	hostAlgorithms [][]string
	hostIndex      int // of hostAlgorithms; stays where the key was accepted
	connections    int
	maxOpen        int
	password       *string
}

func newDialer(e Endpoint, opts Options) *dialer {
	d := &dialer{Endpoint: e, log: opts.Logger, connect: opts.DialContext, maxOpen: opts.MaxOpen}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.connect == nil {
		d.connect = (&net.Dialer{}).DialContext
	}
	return d
}

// open makes one connection, on which nothing was said yet.
func (d *dialer) open(ctx context.Context) (*liveConn, error) {
	d.connections++
	dialCtx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
	defer cancel()
	conn, err := d.connect(dialCtx, "tcp", d.Address())
	if err != nil {
		return nil, d.error(ctx, "connect", connectError(err))
	}
	return newLiveConn(conn, d.StallTimeout, d.HandshakeTimeout), nil
}

// logIn makes one login attempt, on further connections only while the server
// shows a key other than the pinned one and may have more.
func (d *dialer) logIn(ctx context.Context, a loginAttempt) (*Session, error) {
	var first error
	for ; ; d.hostIndex++ {
		s, err := d.openSession(ctx, a, d.hostAlgorithms[d.hostIndex])
		if err == nil {
			return s, nil
		}
		wrongKey := errors.Is(err, hostkey.ErrChanged)
		noKey := d.hostIndex > 0 && errors.Is(err, transport.ErrAlgorithm)
		if !wrongKey && !noKey {
			return nil, err
		}
		if first == nil {
			first = err // says which key the server prefers to show
		}
		if d.hostIndex+1 == len(d.hostAlgorithms) {
			return nil, first
		}
	}
}

// openSession makes one connection and logs in on it.
func (d *dialer) openSession(ctx context.Context, a loginAttempt, hostAlgorithms []string) (_ *Session, err error) {
	addr := d.Address()
	d.log.Debug("connect", "host", addr, "login", a.name)
	conn, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	// A deadline in the past ends whatever the handshake waits for.
	stop := context.AfterFunc(ctx, func() { conn.fail(cancelled(ctx)) })
	defer stop()

	seen := &observed{}
	client, err := d.handshake(ctx, conn, a, hostAlgorithms, seen)
	if err != nil {
		_ = conn.Close()
		return nil, d.handshakeError(ctx, conn, seen, err)
	}
	conn.greeting.forget()
	s := newSession(conn, client, d.log, d.maxOpen)
	s.info = d.describe(client, seen)
	err = s.start(d.KeepAlive, d.AnswerTimeout)
	if err == nil && !stop() { // ctx ended just now, and with it the connection
		err = cancelled(ctx)
	}
	if err != nil {
		cause := conn.why()
		if cause == nil {
			cause = err
		}
		_ = s.Close()
		if errors.Is(cause, io.EOF) {
			cause = &transport.ConnectError{Err: fmt.Errorf("closed by the server at the start of sftp: %w", cause)}
		}
		return nil, d.error(ctx, "start sftp", cause)
	}
	d.log.Debug("logged in", "host", addr, "server", s.info.ServerVersion, "host_key", s.info.HostKey,
		"host_key_algorithm", s.info.HostKeyAlgorithm, "login", s.info.LoginAlgorithm,
		"cipher", s.info.Cipher, "max_read", s.info.MaxRead, "max_write", s.info.MaxWrite)
	return s, nil
}

// observed is what a handshake got to.
type observed struct {
	hostKey  ssh.PublicKey
	accepted bool  // the host key
	hostErr  error // its refusal
	login    login
}

func (d *dialer) handshake(ctx context.Context, conn *liveConn, a loginAttempt, hostAlgorithms []string, seen *observed) (*ssh.Client, error) {
	secure := ssh.SupportedAlgorithms()
	pick := func(own, def []string) []string {
		if len(own) > 0 {
			return own
		}
		return def
	}
	seen.login.algorithm = "none"
	config := &ssh.ClientConfig{
		Config: ssh.Config{
			KeyExchanges: pick(d.Algorithms.KeyExchanges, secure.KeyExchanges),
			Ciphers:      pick(d.Algorithms.Ciphers, secure.Ciphers),
			MACs:         pick(d.Algorithms.MACs, secure.MACs),
		},
		User:              d.User,
		HostKeyAlgorithms: hostAlgorithms,
		ClientVersion:     "SSH-2.0-socbatch",
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		seen.hostKey = key
		seen.hostErr = d.HostKeys.Check(d.Address(), key)
		seen.accepted = seen.hostErr == nil
		return seen.hostErr
	}
	if len(a.keys) > 0 {
		config.Auth = append(config.Auth, ssh.PublicKeys(a.signers(&seen.login)...))
	}
	if d.Password != nil && a.first {
		config.Auth = append(config.Auth, ssh.PasswordCallback(func() (string, error) {
			if d.password == nil {
				p, err := d.Password(ctx)
				if err != nil {
					return "", err
				}
				d.password = &p
			}
			seen.login = login{algorithm: "password"}
			return *d.password, nil
		}))
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, d.Address(), config)
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(c, chans, reqs), nil
}

func (d *dialer) describe(client *ssh.Client, seen *observed) Info {
	info := Info{
		ServerVersion:  string(client.ServerVersion()),
		HostKeyType:    seen.hostKey.Type(),
		HostKey:        hostkey.Fingerprint(seen.hostKey),
		LoginAlgorithm: seen.login.algorithm,
		LoginKey:       seen.login.fingerprint,
		Connections:    d.connections,
	}
	if c, ok := client.Conn.(ssh.AlgorithmsConnMetadata); ok {
		a := c.Algorithms()
		info.HostKeyAlgorithm, info.KeyExchange, info.Cipher = a.HostKey, a.KeyExchange, a.Write.Cipher
	}
	info.Legacy = info.LoginAlgorithm == ssh.KeyAlgoRSA || info.HostKeyAlgorithm == ssh.KeyAlgoRSA
	return info
}

// connectError marks a failure of the network, whatever its type. That of a
// proxy says itself what it is.
func connectError(err error) error {
	if _, ok := errors.AsType[*proxy.Error](err); ok {
		return &transport.ConnectError{Err: err}
	}
	return &transport.ConnectError{Reason: transport.ReasonOf(err), Err: err}
}

// handshakeError classes a failed handshake by how far it got.
func (d *dialer) handshakeError(ctx context.Context, conn *liveConn, seen *observed, err error) error {
	text := err.Error()
	switch {
	case ctx.Err() != nil:
		return d.error(ctx, "connect", cancelled(ctx))
	case seen.hostErr != nil:
		return d.error(ctx, "connect", seen.hostErr)
	}
	var neg *ssh.AlgorithmNegotiationError
	if errors.As(err, &neg) {
		return d.error(ctx, "connect", d.algorithmError(neg))
	}
	// x/crypto has no types for these. A server that has had enough attempts
	// disconnects with reason 2 (OpenSSH) or 14.
	refused := seen.accepted && (strings.Contains(text, "unable to authenticate") ||
		strings.Contains(text, "no common public key signature algorithm") ||
		strings.Contains(text, "disconnect, reason 14") ||
		strings.Contains(text, "disconnect, reason 2:") && strings.Contains(text, "uthentication"))
	if refused {
		return &transport.Error{Op: "log in", Path: d.Address(), Class: transport.Authentication,
			Kind: transport.ErrAuthentication, Err: fmt.Errorf("user %q: %w", d.User, err)}
	}
	// A connection that was closed on this side before it failed was given up by
	// x/crypto, and err says why.
	stranger := conn.greeting.stranger()
	if cause := conn.why(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		failed := &transport.ConnectError{Reason: transport.ReasonOf(cause), Err: cause}
		_, byProxy := errors.AsType[*proxy.Error](cause)
		switch {
		case byProxy, errors.Is(cause, transport.ErrStalled): // says itself what it is
			failed.Reason = nil
		case stranger != "":
			failed.Reason, failed.Err = transport.ErrNotSSH, fmt.Errorf("%s: %w", stranger, cause)
		case errors.Is(cause, io.EOF):
			failed.Reason = transport.ErrHungUp
		}
		return d.error(ctx, "connect", failed)
	}
	err = fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	if stranger != "" {
		err = &transport.ConnectError{Reason: transport.ErrNotSSH, Err: fmt.Errorf("%s: %w", stranger, err)}
	}
	return d.error(ctx, "connect", err)
}

// maxNamed bounds the algorithms of a server that an error names.
const maxNamed = 20

func (d *dialer) algorithmError(neg *ssh.AlgorithmNegotiationError) error {
	err := fmt.Errorf("%w: %s: server offers %q, allowed are %q",
		transport.ErrAlgorithm, neg.What, neg.RequestedAlgorithms[:min(len(neg.RequestedAlgorithms), maxNamed)], neg.SupportedAlgorithms)
	if !d.AllowSSHRSA && strings.Contains(neg.What, "host key") {
		for _, a := range neg.RequestedAlgorithms {
			if a == ssh.KeyAlgoRSA {
				return fmt.Errorf("%w (ssh-rsa is not allowed for this endpoint)", err)
			}
		}
	}
	return err
}

// error returns err as a *transport.Error about the endpoint.
func (d *dialer) error(ctx context.Context, op string, err error) error {
	e := &transport.Error{Op: op, Path: d.Address(), Err: err}
	var hk *hostkey.Error
	var failed *transport.ConnectError
	var byProxy *proxy.Error
	switch {
	case ctx.Err() != nil: // first: a time-out of the network looks like one of ctx
		e.Class, e.Err = transport.Cancelled, cancelled(ctx)
	case errors.As(err, &hk):
		e.Class, e.Kind = transport.HostKey, transport.ErrHostKey
	case errors.Is(err, transport.ErrAlgorithm):
		e.Kind = transport.ErrAlgorithm
	case errors.Is(err, transport.ErrUnsupported):
		e.Kind = transport.ErrUnsupported
	case errors.Is(err, transport.ErrProtocol):
		e.Kind = transport.ErrProtocol
	case errors.As(err, &failed):
		e.Class, e.Kind = transport.Temporary, transport.ErrConnection
		// What is not there, or not allowed, will not be at the next try either.
		if errors.Is(failed.Reason, transport.ErrNameUnknown) || errors.As(err, &byProxy) && !byProxy.Temporary() {
			e.Class = transport.Permanent
		}
	case isConnectionError(err):
		e.Class, e.Kind = transport.Temporary, transport.ErrConnection
	}
	return e
}
