package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// credentialError is a missing or unusable credential, with what to do.
type credentialError struct {
	error
	hints []lang.Text
}

func (c credentialError) Unwrap() error { return c.error }

func credentialf(hint lang.Text, format string, args ...any) error {
	return codedError{credentialError{errorf(format, args...), []lang.Text{hint}}, exitCredentials}
}

// knownHostsPath is where accepted host keys are kept.
func knownHostsPath(c config.Config) string { return filepath.Join(c.StateDir, "known_hosts") }

// answerFactor times the timeout is how long a server that shows signs of life
// may leave requests unanswered.
const answerFactor = 5

// endpoint turns the configuration into what the transport needs. It reads the
// key and asks for its passphrase, and does not connect.
func (a *app) endpoint(c config.Config) (sftp.Endpoint, error) {
	e := c.Endpoint
	if e.User == "" {
		return sftp.Endpoint{}, credentialf(text("put user = \"EXP…\" under [endpoint] in the configuration, or give --user"),
			"no user name for the server is known; nothing was sent")
	}
	verifier, err := hostkey.New(e.HostKeys, append([]string{knownHostsPath(c)}, e.KnownHosts...)...)
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
		signer, err := a.sshKey(e)
		if err != nil {
			return sftp.Endpoint{}, err
		}
		out.Keys = []ssh.Signer{signer}
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

func (a *app) sshKey(e config.Endpoint) (ssh.Signer, error) {
	data, err := os.ReadFile(e.Key)
	if err != nil {
		return nil, credentialf(text("name the file of your private SSH key with key = \"…\" under [endpoint], or --key"), "SSH key: %s; nothing was sent", err)
	}
	var open *sshkey.PermissionWarning
	if err := sshkey.CheckPermissions(e.Key); errors.As(err, &open) {
		a.ui.warn("others on this machine can read your SSH key: chmod 600 %s", e.Key)
	}
	key, err := sshkey.Parse(data, nil)
	if errors.Is(err, sshkey.ErrPassphraseNeeded) {
		var pass string
		pass, err = password(e.KeyPassphrase, e.KeyPassphraseFile, a.ui.text("Passphrase of the SSH key %s", displayPath(e.Key)))
		if err != nil {
			return nil, errorf("SSH key %s: %s; nothing was sent", e.Key, err)
		}
		key, err = sshkey.Parse(data, []byte(pass))
	}
	if err != nil {
		return nil, errorf("SSH key %s: %s; nothing was sent", e.Key, err)
	}
	return key, nil
}

// password finds a secret: given, in a file, or asked for on the terminal.
func password(given, file, question string) (string, error) {
	switch {
	case given != "":
		return given, nil
	case file != "":
		return secret.FromFile(file)
	}
	s, err := secret.Prompt(question)
	if err != nil {
		return "", codedError{err, exitCredentials}
	}
	return s, nil
}

// identity opens the signing certificate; nil where none is configured.
func (a *app) identity(c config.Config) (*sign.Identity, error) {
	if c.Identity.P12 == "" {
		return nil, nil
	}
	pass := c.Identity.Password
	if pass == "" || c.Identity.PasswordFile != "" {
		var err error
		if pass, err = password(c.Identity.Password, c.Identity.PasswordFile, a.ui.text("Password of %s", displayPath(c.Identity.P12))); err != nil {
			return nil, errorf("certificate %s: %s; nothing was signed or sent", c.Identity.P12, err)
		}
	}
	id, err := sign.LoadPKCS12(c.Identity.P12, pass, a.now())
	if err == nil {
		err = id.Check(a.now())
	}
	if err != nil {
		hint := text("name the .p12 file of your certificate with p12 = \"…\" under [identity], or --p12")
		switch {
		case sign.ConvertHint(err) != "":
			hint = text("convert it once:\n%s", sign.ConvertHint(err))
		case errors.Is(err, sign.ErrWrongPassword):
			hint = text("check the password, or the file that holds it")
		case errors.Is(err, sign.ErrExpired):
			hint = text("get a new certificate, register its .cer on the portal, and configure its .p12")
		}
		return nil, credentialf(hint, "certificate %s: %s; nothing was signed or sent", c.Identity.P12, err)
	}
	a.log.Debug("signing certificate", "owner", sign.Describe(id.Certificate()).Owner, "until", id.Certificate().NotAfter)
	return id, nil
}

// textForm is the configured form of the FS.
func textForm(c config.Config) (sign.TextForm, error) {
	form, err := sign.ParseTextForm(c.Identity.Text)
	if err != nil {
		return form, &config.Error{Key: "identity.text", Problem: err}
	}
	return form, nil
}

// replyReader reads what was fetched.
func (a *app) replyReader(c config.Config, l *ledger.Ledger) (*answers.Reader, error) {
	roots, err := replyRoots(c)
	if err != nil {
		return nil, err
	}
	return &answers.Reader{Ledger: l, Archive: c.Replies.Archive, Roots: roots, Demand: c.Replies.RequireSignature, Now: a.now}, nil
}

// replyRoots are the certificates to trust for replies; nil where none are
// configured.
func replyRoots(c config.Config) (*x509.CertPool, error) {
	if c.Replies.TrustedRoots == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.Replies.TrustedRoots)
	if err != nil {
		return nil, &config.Error{Key: "replies.trusted_roots", Problem: err}
	}
	certs, err := sign.ParseCertificates(data)
	if err != nil {
		return nil, &config.Error{Key: "replies.trusted_roots", Problem: errorf("%s: %s", c.Replies.TrustedRoots, err)}
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// dial opens a session. The way of logging in that worked is remembered, so
// that a server with old habits costs extra connections only once.
func (a *app) dial(ctx context.Context, c config.Config, e sftp.Endpoint) (*sftp.Session, error) {
	memory := filepath.Join(c.StateDir, "logins.json")
	known := map[string]string{}
	if b, err := os.ReadFile(memory); err == nil && json.Unmarshal(b, &known) != nil {
		known = map[string]string{} // a hint only: a damaged file is written anew
	}
	who := e.User + "@" + e.Address()
	e.PreferLogin = known[who]
	s, err := sftp.Dial(ctx, e, sftp.Options{Logger: a.log})
	if err != nil {
		return nil, err
	}
	info := s.Info()
	if info.Legacy && a.verbose {
		a.ui.warn("%s needed ssh-rsa (SHA-1) signatures, which allow_ssh_rsa permits for this server", e.Address())
	}
	if known[who] != info.LoginAlgorithm {
		known[who] = info.LoginAlgorithm
		if err := a.remember(memory, known); err != nil {
			a.log.Debug("the login is not remembered", "error", err)
		}
	}
	return s, nil
}

func (a *app) remember(path string, logins map[string]string) error {
	if err := a.disk.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return a.disk.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(logins) })
}
