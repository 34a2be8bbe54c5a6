package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/secret"
)

// Names of the credentials that systemd may hand over.
const (
	passphraseCredential = "socbatch.key-passphrase"
	passwordCredential   = "socbatch.p12-password"

	nextPassphraseCredential = "socbatch.next-key-passphrase"
	nextPasswordCredential   = "socbatch.next-p12-password"
)

// passphraseOf is the passphrase of the SSH key, and where it may be.
func (a *program) passphraseOf(e config.Endpoint) secret.Wanted {
	w := secret.Wanted{
		What: "key", Value: e.KeyPassphrase, Variable: "SOCBATCH_KEY_PASSPHRASE", CredentialName: passphraseCredential,
		File: e.KeyPassphraseFile, Command: e.KeyPassphraseCommand, KeyringName: keyringName("key", e.Key),
		Question: a.ui.text("Passphrase of the SSH key %s", displayPath(e.Key)),
	}
	switch {
	case e.OwnPassphrase: // what is handed over for the other key does not open it
		w.CredentialName = nextPassphraseCredential
	case a.flags.passphraseStdin:
		w.Line = 1
	}
	return w
}

// passwordOf is the password of the signing certificate, and where it may be.
func (a *program) passwordOf(i config.Identity) secret.Wanted {
	w := secret.Wanted{
		What: "p12", Value: i.Password, Variable: "SOCBATCH_P12_PASSWORD", CredentialName: passwordCredential,
		File: i.PasswordFile, Command: i.PasswordCommand, KeyringName: keyringName("p12", i.P12),
		Question: a.ui.text("Password of %s", displayPath(i.P12)),
	}
	switch {
	case i.OwnPassword:
		w.CredentialName = nextPasswordCredential
	case a.flags.passwordStdin && a.flags.passphraseStdin:
		w.Line = 2
	case a.flags.passwordStdin:
		w.Line = 1
	}
	return w
}

// keyringName is the name of a file's password in the keyring. It holds the
// path, so that the passwords of two certificates are not mixed up.
func keyringName(kind, file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if runtime.GOOS == "windows" {
		file = strings.ToLower(file)
	}
	return kind + ":" + file
}

// secret finds a password. A person is asked only where nothing else has it.
func (a *program) secret(ctx context.Context, c config.Config, w secret.Wanted) (string, error) {
	value, found, err := a.finder(c).Find(ctx, w)
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		return "", err
	case errors.Is(err, secret.ErrNoTerminal):
		return "", failure.New(failure.Credentials, err) // explain knows what to do
	default:
		hint := text("where each password is taken from shows: socbatch secret where")
		return "", failure.New(failure.Credentials, err, hint)
	}
	a.log.Debug("password found", "of", w.What, "from", string(found.Source), "detail", found.Detail)
	if found.Source == secret.File && a.openToOthers(found.Detail) {
		a.ui.warn("others on this machine can read the file of a password: chmod 600 %s", printable(found.Detail))
	}
	return value, nil
}

// openToOthers tells whether others can read a file, at most once of each.
func (a *program) openToOthers(path string) bool {
	if a.readable[path] || !secret.ReadByOthers(path) {
		return false
	}
	if a.readable == nil {
		a.readable = map[string]bool{}
	}
	a.readable[path] = true
	return true
}

// finder looks for passwords. There is one, since what was read from standard
// input or typed may be needed again.
func (a *program) finder(c config.Config) *secret.Finder {
	if a.secrets == nil {
		a.secrets = &secret.Finder{
			Getenv: a.getenv, Environ: config.WithoutSecrets(os.Environ()), Stdin: a.ui.streams.in,
			Prompt: secret.PromptContext, Timeout: time.Duration(c.Secrets.Timeout),
			Trouble: func(err error) { a.log.Debug("the keyring is passed over", "error", err) },
		}
		if in, ok := a.ui.streams.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) { //nolint:gosec // a file descriptor is small
			a.secrets.Stdin = nil
		}
		if c.Secrets.Keyring {
			a.secrets.Keyring = a.systemKeyring()
		}
	}
	return a.secrets
}

// systemKeyring is that of the desktop; nil where there is none.
func (a *program) systemKeyring() secret.Keyring {
	if a.keyring != nil {
		return a.keyring
	}
	return secret.SystemKeyring(a.getenv)
}

// passphraseFlag is for commands that open the SSH key.
func (a *program) passphraseFlag(f *pflag.FlagSet) {
	f.BoolVar(&a.flags.passphraseStdin, "passphrase-stdin", false, "read the passphrase of the SSH key from standard input, the first line")
}

// p12Flags are for commands that open the signing certificate.
func (a *program) p12Flags(f *pflag.FlagSet) {
	f.StringVar(&a.flags.p12, "p12", "", "`FILE` of the signing certificate (.p12, .pfx)")
	f.BoolVar(&a.flags.passwordStdin, "password-stdin", false, "read the password of the certificate from standard input, the first line (the second with --passphrase-stdin)")
}
