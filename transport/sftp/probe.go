package sftp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
)

// Probed is a key that a server shows, before anybody logs in.
type Probed struct {
	Key     ssh.PublicKey
	Version string // the server's greeting, such as "SSH-2.0-OpenSSH_9.2"; as it came
}

// hostKeyKinds are the types of host keys, each with its signature algorithms,
// best first.
func hostKeyKinds(allowSSHRSA bool) [][]string {
	rsa := []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if allowSSHRSA {
		rsa = append(rsa, ssh.KeyAlgoRSA)
	}
	return [][]string{{ssh.KeyAlgoED25519}, {ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521}, rsa}
}

// Probe asks a server for its host keys, one connection for each type of key,
// and ends each before it logs in: of the endpoint it needs the address and the
// time-outs only. No key is judged. The first key is the one that a login would
// be shown where none is known yet.
//
// Errors are those of Dial; a server that has no key of any type allowed is a
// transport.ErrAlgorithm.
func Probe(ctx context.Context, endpoint Endpoint, opts Options) ([]Probed, error) {
	e := endpoint.withDefaults()
	e.HostKeys, e.Keys, e.KeySource, e.Password = nil, nil, nil, nil
	d := &dialer{Endpoint: e, log: opts.Logger, connect: opts.DialContext}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.connect == nil {
		d.connect = (&net.Dialer{}).DialContext
	}
	var all []Probed
	var none error
	for _, algorithms := range hostKeyKinds(e.AllowSSHRSA) {
		p, err := d.probe(ctx, algorithms)
		switch {
		case err == nil:
			all = append(all, p)
		case errors.Is(err, transport.ErrAlgorithm):
			none = err
		default:
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, none
	}
	return all, nil
}

// probe makes one connection, up to the server's key.
func (d *dialer) probe(ctx context.Context, algorithms []string) (Probed, error) {
	dialCtx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
	tcp, err := d.connect(dialCtx, "tcp", d.Address())
	cancel()
	if err != nil {
		return Probed{}, d.error(ctx, "connect", &connectError{err})
	}
	greeting := &greetingConn{Conn: tcp}
	conn := newLiveConn(greeting, d.StallTimeout, d.HandshakeTimeout)
	defer conn.Close() //nolint:errcheck // nothing was sent
	stop := context.AfterFunc(ctx, func() { conn.fail(cancelled(ctx)) })
	defer stop()
	seen := &observed{}
	// No host key is accepted, so the handshake always ends in an error.
	_, err = d.handshake(ctx, conn, rung{}, algorithms, seen)
	if seen.hostKey == nil {
		return Probed{}, d.handshakeError(ctx, conn, seen, err)
	}
	return Probed{Key: seen.hostKey, Version: greeting.line()}, nil
}

// greetingConn keeps the beginning of what the server says.
type greetingConn struct {
	net.Conn
	first []byte
}

func (g *greetingConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if room := maxGreeting - len(g.first); room > 0 {
		g.first = append(g.first, p[:min(n, room)]...)
	}
	return n, err
}

// maxGreeting is how much of it is kept: lines may come before the version.
const maxGreeting = 4 << 10

func (g *greetingConn) line() string {
	for line := range bytes.Lines(g.first) {
		if s := strings.TrimRight(string(line), "\r\n"); strings.HasPrefix(s, "SSH-") {
			return s
		}
	}
	return ""
}
