// Package sftp is the transport over SSH: SFTP version 3 on one connection.
//
// Files go through github.com/pkg/sftp; what it lacks is here: several
// login algorithms in turn, deadlines and keepalives, contexts, comparison of byte
// counts, packets as large as the server allows, pipelined listings.
package sftp

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport/hostkey"
)

// Defaults for the zero values in an Endpoint.
const (
	DefaultPort             = 8022 // of the social-security server
	DefaultConnectTimeout   = 20 * time.Second
	DefaultHandshakeTimeout = 30 * time.Second
	DefaultStallTimeout     = 60 * time.Second
	DefaultAnswerTimeout    = 5 * time.Minute
)

// Endpoint says which server to use, how to log in, and how long to wait.
type Endpoint struct {
	Host string // name or address, without port
	Port int    // 0 means DefaultPort
	User string

	// Keys sign the login, in this order. RSA keys must be able to choose the
	// signature algorithm, as those of package sshkey and of an ssh-agent do.
	Keys []ssh.Signer
	// KeySource, if set, gives further keys (an ssh-agent). It is called once
	// per Dial.
	KeySource func(context.Context) ([]ssh.Signer, error)
	// Password, if set, is asked for when the server accepts no key but would
	// accept a password; at most once per Dial.
	Password func(context.Context) (string, error)

	// HostKeys decides about the server's key. nil accepts none.
	HostKeys *hostkey.Verifier

	// AllowSSHRSA permits ssh-rsa, RSA signatures with SHA-1, for the login and
	// for the host key, each only where nothing better succeeds.
	AllowSSHRSA bool
	// PreferLogin is the Info.LoginAlgorithm of an earlier session; it is tried
	// first, which saves connections. It does not widen what is allowed.
	PreferLogin string
	// Algorithms replaces the defaults of the SSH library, by name.
	Algorithms Algorithms

	ConnectTimeout   time.Duration // for the TCP connection
	HandshakeTimeout time.Duration // for one SSH handshake, login, and start of SFTP
	// StallTimeout is how long the server may be silent, or take nothing, until
	// the session ends with ErrStalled. Keepalive requests are not silence as
	// long as they are answered.
	StallTimeout time.Duration
	// AnswerTimeout is how long a server that answers keepalive requests may
	// leave all SFTP requests unanswered until the session ends with ErrStalled.
	AnswerTimeout time.Duration
	// KeepAlive is the interval of keepalive requests; 0 means a quarter of
	// StallTimeout, which is also the most.
	KeepAlive time.Duration
}

// Algorithms are SSH algorithm names in order of preference. An empty list
// means the secure ones of golang.org/x/crypto/ssh.
type Algorithms struct {
	KeyExchanges []string
	Ciphers      []string
	MACs         []string
	HostKeys     []string // overrides the choice of package hostkey
}

// Options are the surroundings of a session.
type Options struct {
	// Logger gets what happens on the wire, at level debug; nil discards it. It
	// never sees a secret.
	Logger *slog.Logger
	// DialContext makes the TCP connection; nil means net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxOpen bounds the files that are open at once, those that are being closed
	// behind the caller's back included; 0 means no bound.
	MaxOpen int
}

// Info describes an established session.
type Info struct {
	ServerVersion    string // "SSH-2.0-…", as sent by the server
	HostKeyType      string // such as "ssh-ed25519"
	HostKey          string // SHA-256 fingerprint
	HostKeyAlgorithm string // signature algorithm, such as "rsa-sha2-512"
	KeyExchange      string
	Cipher           string
	// LoginAlgorithm is the signature algorithm of the login, such as
	// "rsa-sha2-512", "ssh-rsa", "ssh-ed25519"; or "password", or "none".
	LoginAlgorithm string
	LoginKey       string // fingerprint of the key that logged in; "" with a password
	// Legacy is set if the login or the host key needed ssh-rsa (SHA-1).
	Legacy bool
	// Connections is the number of TCP connections it took to log in.
	Connections int
	// MaxRead and MaxWrite are the bytes per request for large files.
	MaxRead, MaxWrite int
	// OneRequest is set once the server has shown that it needs the requests of a
	// file one after the other, OneFile that it needs one file after the other.
	OneRequest, OneFile bool
}

// Address returns "host:port".
func (e Endpoint) Address() string {
	port := e.Port
	if port == 0 {
		port = DefaultPort
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(port))
}

func (e Endpoint) withDefaults() Endpoint {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&e.ConnectTimeout, DefaultConnectTimeout)
	def(&e.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&e.StallTimeout, DefaultStallTimeout)
	def(&e.AnswerTimeout, DefaultAnswerTimeout)
	def(&e.KeepAlive, e.StallTimeout/4)
	e.KeepAlive = max(min(e.KeepAlive, e.StallTimeout/4), time.Millisecond)
	return e
}
