// Package wire puts together what package app asks for: the server, the ledger and
// the certificate of a configuration.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// Wire makes connections and opens ledgers.
type Wire struct {
	// Passphrase finds the passphrase of the SSH key of an endpoint.
	Passphrase func(context.Context, config.Config) (string, error)
	Disk       *durable.Disk
	Now        func() time.Time
	Log        *slog.Logger
	LedgerStep func(string) // see sqlite.Options; nil but in tests
	// Notify is told what a person should know.
	Notify func(Notice)
}

// Notice is something that a person should know: one of the types below.
type Notice interface{ notice() }

// KeyOpenToOthers tells that others on this machine can read the SSH key.
type KeyOpenToOthers struct{ Path string }

// NextKeyUnusable tells why the key that is to follow cannot be used; the one in
// use goes on.
type NextKeyUnusable struct {
	Path string
	Err  error
}

// NextKey tells whether the server takes the key that is to follow.
type NextKey struct {
	Path  string
	Taken bool
}

// Legacy tells that the server needed signatures with SHA-1.
type Legacy struct{ Address string }

func (KeyOpenToOthers) notice() {}
func (NextKeyUnusable) notice() {}
func (NextKey) notice()         {}
func (Legacy) notice()          {}

// OpenLedger opens the ledger of a state directory.
func (w *Wire) OpenLedger(ctx context.Context, c config.Config) (ledger.Ledger, error) {
	l, err := w.OpenLedgerAt(ctx, app.WorkspaceOf(c).Ledger())
	if err != nil {
		return nil, err
	}
	l.Tell(slices.Collect(maps.Keys(app.Hooks(c)))...)
	return l, nil
}

// OpenLedgerAt opens a ledger by its file.
func (w *Wire) OpenLedgerAt(ctx context.Context, path string) (ledger.Ledger, error) {
	return sqlite.Open(ctx, path, sqlite.Options{Now: w.Now, OnStep: w.LedgerStep})
}

// OpenForReading opens a ledger that is there, to look something up: it neither
// waits for others nor brings the ledger up to date (ledger.ErrOlder).
func OpenForReading(ctx context.Context, path string) (ledger.Ledger, error) {
	return sqlite.OpenForReading(ctx, path)
}

// SetNames are names of sets in a ledger that begin like prefix, for completion.
func SetNames(ctx context.Context, path, prefix string, states []inbox.State, limit int) ([]ledger.Named, error) {
	return sqlite.SetNames(ctx, path, prefix, states, limit)
}

// ReplyNames are names of replies in a ledger that begin like prefix.
func ReplyNames(ctx context.Context, path, prefix string, limit int) ([]ledger.Named, error) {
	return sqlite.ReplyNames(ctx, path, prefix, limit)
}

// Connect finds the credentials for the server, and gives what makes a session.
func (w *Wire) Connect(ctx context.Context, c config.Config) (app.Dialer, error) {
	e, err := w.Endpoint(ctx, c)
	return func(ctx context.Context) (transport.Session, error) {
		s, err := w.Dial(ctx, c, e)
		if err != nil {
			return nil, err // no typed nil
		}
		return s, nil
	}, err
}

// AnswerFactor times the timeout is how long a server that shows signs of life
// may leave requests unanswered.
const AnswerFactor = 5

func credentials(err error, hint lang.Text) error { return failure.New(failure.Credentials, err, hint) }

// Verifier decides about the keys of the server.
func Verifier(c config.Config) (*hostkey.Verifier, error) {
	return hostkey.New(c.Endpoint.HostKeys, append([]string{app.WorkspaceOf(c).KnownHosts()}, c.Endpoint.KnownHosts...)...)
}

// Endpoint turns the configuration into what the transport needs. It reads the
// key and asks for its passphrase, and does not connect.
func (w *Wire) Endpoint(ctx context.Context, c config.Config) (sftp.Endpoint, error) {
	e := c.Endpoint
	if e.User == "" {
		return sftp.Endpoint{}, credentials(problem.New("no user name for the server is known; nothing was sent"),
			lang.T("put user = \"EXP…\" under [endpoint] in the configuration, or give --user"))
	}
	verifier, err := Verifier(c)
	if err != nil {
		return sftp.Endpoint{}, err
	}
	out := sftp.Endpoint{
		Host: e.Host, Port: e.Port, User: e.User, HostKeys: verifier, AllowSSHRSA: e.AllowSSHRSA,
		ConnectTimeout: time.Duration(e.Timeout), HandshakeTimeout: time.Duration(e.Timeout), StallTimeout: time.Duration(e.Timeout),
		AnswerTimeout: AnswerFactor * time.Duration(e.Timeout),
	}
	switch {
	case e.Key != "":
		signer, err := w.sshKey(ctx, c)
		if err != nil {
			return sftp.Endpoint{}, err
		}
		out.Keys = []ssh.Signer{signer}
		if next := w.nextKey(ctx, c); next != nil {
			out.Keys = []ssh.Signer{next, signer}
		}
	case e.Agent:
		out.KeySource = func(ctx context.Context) ([]ssh.Signer, error) {
			agent, err := sshkey.DialAgent(ctx, "")
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { _ = agent.Close() })
			return agent.Signers()
		}
	default:
		return sftp.Endpoint{}, credentials(problem.New("no SSH key is configured; nothing was sent"),
			lang.T("put key = \"FILE\" under [endpoint] in the configuration, or agent = true for an ssh-agent"))
	}
	return out, nil
}

func (w *Wire) sshKey(ctx context.Context, c config.Config) (*sshkey.Key, error) {
	e := c.Endpoint
	data, err := os.ReadFile(e.Key)
	if err != nil {
		return nil, credentials(problem.New("SSH key: %s; nothing was sent", err), lang.T("name the file of your private SSH key with key = \"…\" under [endpoint], or --key"))
	}
	key, err := w.OpenKey(ctx, c, data)
	if err != nil {
		return nil, problem.New("SSH key %s: %s; nothing was sent", e.Key, err)
	}
	return key, nil
}

// OpenKey opens the private key of the endpoint and finds its passphrase where
// it has one.
func (w *Wire) OpenKey(ctx context.Context, c config.Config, data []byte) (*sshkey.Key, error) {
	var open *sshkey.PermissionWarning
	if err := sshkey.CheckPermissions(c.Endpoint.Key); errors.As(err, &open) {
		w.Notify(KeyOpenToOthers{c.Endpoint.Key})
	}
	key, err := sshkey.Parse(data, nil)
	if errors.Is(err, sshkey.ErrPassphraseNeeded) {
		var pass string
		if pass, err = w.Passphrase(ctx, c); err == nil {
			key, err = sshkey.Parse(data, []byte(pass))
		}
	}
	return key, err
}

// nextKey opens the key that is to follow; nil where there is none, or where it
// cannot be used: until it works the other one does.
func (w *Wire) nextKey(ctx context.Context, c config.Config) ssh.Signer {
	if c.Endpoint.NextKey == "" {
		return nil
	}
	c.Endpoint = NextKeyOf(c.Endpoint)
	data, err := os.ReadFile(c.Endpoint.Key)
	var key *sshkey.Key
	if err == nil {
		key, err = w.OpenKey(ctx, c, data)
	}
	if err != nil {
		w.Notify(NextKeyUnusable{c.Endpoint.Key, err})
		return nil
	}
	return key
}

// NextKeyOf is the endpoint with the next key as its only one. Where nothing else
// is said it has the passphrase of the other.
func NextKeyOf(e config.Endpoint) config.Endpoint {
	e.Key, e.NextKey = e.NextKey, ""
	if e.NextKeyPassphraseFile != "" || len(e.NextKeyPassphraseCommand) > 0 {
		e.KeyPassphrase, e.KeyPassphraseFile, e.KeyPassphraseCommand = "", e.NextKeyPassphraseFile, e.NextKeyPassphraseCommand
		e.NextKeyPassphraseFile, e.NextKeyPassphraseCommand = "", nil
		e.OwnPassphrase = true
	}
	return e
}

// Dial opens a session. The way of logging in that worked is remembered, so that
// a server with old habits costs extra connections only once.
func (w *Wire) Dial(ctx context.Context, c config.Config, e sftp.Endpoint) (*sftp.Session, error) {
	memory := app.WorkspaceOf(c).Logins()
	known := map[string]string{}
	if b, err := os.ReadFile(memory); err == nil && json.Unmarshal(b, &known) != nil {
		known = map[string]string{} // a hint only: a damaged file is written anew
	}
	who := e.User + "@" + e.Address()
	e.PreferLogin = known[who]
	options, err := w.DialOptions(c)
	if err != nil {
		return nil, err
	}
	s, err := sftp.Dial(ctx, e, options)
	if err != nil {
		return nil, failure.AskWhom(err, c.Status.Contact)
	}
	info := s.Info()
	if info.Legacy {
		w.Notify(Legacy{e.Address()})
	}
	if c.Endpoint.NextKey != "" && len(e.Keys) > 1 {
		w.Notify(NextKey{c.Endpoint.NextKey, info.LoginKey == ssh.FingerprintSHA256(e.Keys[0].PublicKey())})
	}
	if known[who] != info.LoginAlgorithm {
		known[who] = info.LoginAlgorithm
		if err := w.remember(memory, known); err != nil {
			w.Log.Debug("the login is not remembered", "error", err)
		}
	}
	return s, nil
}

// DialOptions say how to reach the server: directly, or through a proxy.
func (w *Wire) DialOptions(c config.Config) (sftp.Options, error) {
	out := sftp.Options{Logger: w.Log}
	// Whoever asks for few files at once means open files.
	if n := c.Endpoint.Parallel; n < inbox.DefaultParallel {
		out.MaxOpen = n
	}
	switch e := c.Endpoint; {
	case e.Proxy == config.NoProxy:
	case len(e.ProxyCommand) > 0:
		out.DialContext = proxy.Command(e.ProxyCommand, config.WithoutSecrets(os.Environ()), e.User)
	case e.Proxy != "":
		pass := e.ProxyPassword
		if pass == "" && e.ProxyPasswordFile != "" {
			var err error
			if pass, err = secret.FromFile(e.ProxyPasswordFile); err != nil {
				return out, &config.Error{Key: "endpoint.proxy_password_file", Problem: err}
			}
		}
		dial, err := proxy.New(e.Proxy, pass, nil)
		if err != nil {
			return out, &config.Error{Key: "endpoint.proxy", Problem: err}
		}
		out.DialContext = dial
	}
	return out, nil
}

func (w *Wire) remember(path string, logins map[string]string) error {
	if err := w.Disk.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return w.Disk.WriteFile(path, func(out io.Writer) error { return json.NewEncoder(out).Encode(logins) })
}
