package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

func credentialf(hint lang.Text, format string, args ...any) error {
	return failure.New(failure.Credentials, errorf(format, args...), hint)
}

// answerFactor times the timeout is how long a server that shows signs of life
// may leave requests unanswered.
const answerFactor = 5

// endpoint turns the configuration into what the transport needs. It reads the
// key and asks for its passphrase, and does not connect.
func (a *program) endpoint(ctx context.Context, c config.Config) (sftp.Endpoint, error) {
	e := c.Endpoint
	if e.User == "" {
		return sftp.Endpoint{}, credentialf(text("put user = \"EXP…\" under [endpoint] in the configuration, or give --user"),
			"no user name for the server is known; nothing was sent")
	}
	verifier, err := verifier(c)
	if err != nil {
		return sftp.Endpoint{}, err
	}
	out := sftp.Endpoint{
		Host: e.Host, Port: e.Port, User: e.User, HostKeys: verifier, AllowSSHRSA: e.AllowSSHRSA,
		ConnectTimeout: time.Duration(e.Timeout), HandshakeTimeout: time.Duration(e.Timeout), StallTimeout: time.Duration(e.Timeout),
		AnswerTimeout: answerFactor * time.Duration(e.Timeout),
	}
	switch {
	case e.Key != "":
		signer, err := a.sshKey(ctx, c)
		if err != nil {
			return sftp.Endpoint{}, err
		}
		out.Keys = []ssh.Signer{signer}
		if next := a.nextKey(ctx, c); next != nil {
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
		return sftp.Endpoint{}, credentialf(text("put key = \"FILE\" under [endpoint] in the configuration, or agent = true for an ssh-agent"),
			"no SSH key is configured; nothing was sent")
	}
	return out, nil
}

func (a *program) sshKey(ctx context.Context, c config.Config) (*sshkey.Key, error) {
	e := c.Endpoint
	data, err := os.ReadFile(e.Key)
	if err != nil {
		return nil, credentialf(text("name the file of your private SSH key with key = \"…\" under [endpoint], or --key"), "SSH key: %s; nothing was sent", err)
	}
	key, err := a.openKey(ctx, c, data)
	if err != nil {
		return nil, errorf("SSH key %s: %s; nothing was sent", e.Key, err)
	}
	return key, nil
}

// openKey opens the private key of the endpoint and finds its passphrase where
// it has one.
func (a *program) openKey(ctx context.Context, c config.Config, data []byte) (*sshkey.Key, error) {
	var open *sshkey.PermissionWarning
	if err := sshkey.CheckPermissions(c.Endpoint.Key); errors.As(err, &open) {
		a.ui.warn("others on this machine can read your SSH key: chmod 600 %s", c.Endpoint.Key)
	}
	key, err := sshkey.Parse(data, nil)
	if errors.Is(err, sshkey.ErrPassphraseNeeded) {
		var pass string
		if pass, err = a.secret(ctx, c, a.passphraseOf(c.Endpoint)); err == nil {
			key, err = sshkey.Parse(data, []byte(pass))
		}
	}
	return key, err
}

// nextKey opens the key that is to follow; nil where there is none, or where it
// cannot be used: until it works the other one does.
func (a *program) nextKey(ctx context.Context, c config.Config) ssh.Signer {
	if c.Endpoint.NextKey == "" {
		return nil
	}
	c.Endpoint = nextOf(c.Endpoint)
	data, err := os.ReadFile(c.Endpoint.Key)
	var key *sshkey.Key
	if err == nil {
		key, err = a.openKey(ctx, c, data)
	}
	if err != nil {
		a.ui.warn("the next SSH key %s cannot be used, and the one in use goes on: %s", printable(displayPath(c.Endpoint.Key)), err)
		return nil
	}
	return key
}

// nextOf is the endpoint with the next key as its only one. Where nothing else
// is said it has the passphrase of the other.
func nextOf(e config.Endpoint) config.Endpoint {
	e.Key, e.NextKey = e.NextKey, ""
	if e.NextKeyPassphraseFile != "" || len(e.NextKeyPassphraseCommand) > 0 {
		e.KeyPassphrase, e.KeyPassphraseFile, e.KeyPassphraseCommand = "", e.NextKeyPassphraseFile, e.NextKeyPassphraseCommand
		e.NextKeyPassphraseFile, e.NextKeyPassphraseCommand = "", nil
		e.OwnPassphrase = true
	}
	return e
}

// textForm is the configured form of the FS.
func textForm(c config.Config) (sign.TextForm, error) {
	form, err := sign.ParseTextForm(c.Identity.Text)
	if err != nil {
		return form, &config.Error{Key: "identity.text", Problem: err}
	}
	return form, nil
}

// dial opens a session. The way of logging in that worked is remembered, so
// that a server with old habits costs extra connections only once.
func (a *program) dial(ctx context.Context, c config.Config, e sftp.Endpoint) (*sftp.Session, error) {
	memory := app.WorkspaceOf(c).Logins()
	known := map[string]string{}
	if b, err := os.ReadFile(memory); err == nil && json.Unmarshal(b, &known) != nil {
		known = map[string]string{} // a hint only: a damaged file is written anew
	}
	who := e.User + "@" + e.Address()
	e.PreferLogin = known[who]
	options, err := a.dialOptions(c)
	if err != nil {
		return nil, err
	}
	s, err := sftp.Dial(ctx, e, options)
	if err != nil {
		return nil, wording.AskWhom(err, c.Status.Contact)
	}
	info := s.Info()
	if info.Legacy && a.verbose {
		a.ui.warn("%s needed ssh-rsa (SHA-1) signatures, which allow_ssh_rsa permits for this server", e.Address())
	}
	a.tellKey(c.Endpoint, e, info)
	if known[who] != info.LoginAlgorithm {
		known[who] = info.LoginAlgorithm
		if err := a.remember(memory, known); err != nil {
			a.log.Debug("the login is not remembered", "error", err)
		}
	}
	return s, nil
}

// tellKey says which of two keys logged in.
func (a *program) tellKey(c config.Endpoint, e sftp.Endpoint, info sftp.Info) {
	if c.NextKey == "" || len(e.Keys) < 2 {
		return
	}
	next := printable(displayPath(c.NextKey))
	if info.LoginKey == ssh.FingerprintSHA256(e.Keys[0].PublicKey()) {
		a.ui.say("the server takes the next SSH key %s: make it the key with: socbatch keys rotate --finish", next)
	} else {
		a.ui.say("the server does not take the next SSH key %s yet: logged in with the one in use", next)
	}
}

// dialOptions say how to reach the server: directly, or through a proxy.
func (a *program) dialOptions(c config.Config) (sftp.Options, error) {
	out := sftp.Options{Logger: a.log}
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

func (a *program) remember(path string, logins map[string]string) error {
	if err := a.disk.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return a.disk.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(logins) })
}
