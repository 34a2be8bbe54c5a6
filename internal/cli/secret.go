package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport/sshkey"
)

type secretOptions struct {
	name  string
	stdin bool
}

func newSecretCmd(a *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Keep passwords in the keyring of this computer",
		Long: `Keep passwords in the keyring of this computer: the Secret Service on Linux, the
keychain on macOS, the credential manager on Windows. While you are logged in,
socbatch takes them from there.

There are two: "p12" is the password of the signing certificate, "key" the
passphrase of the SSH key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretSetCmd(a, runSecretSet), newSecretDeleteCmd(a, runSecretDelete), newSecretWhereCmd(a, runSecretWhere))
	return cmd
}

func newSecretSetCmd(a *program, run func(context.Context, *program, secretOptions) error) *cobra.Command {
	var o secretOptions
	cmd := &cobra.Command{
		Use:   "set p12|key",
		Short: "Put a password into the keyring",
		Long: `Put a password into the keyring. It is asked for twice on the terminal, or read
from standard input, and kept only if it opens the certificate, or the SSH key.`,
		Args: cobra.ExactArgs(1), ValidArgs: secretNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return run(cmd.Context(), a, o)
		},
	}
	a.secretFiles(cmd)
	cmd.Flags().BoolVar(&o.stdin, "stdin", false, "read the password from standard input, the first line")
	return cmd
}

func newSecretDeleteCmd(a *program, run func(context.Context, *program, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete p12|key",
		Short: "Take a password out of the keyring",
		Args:  cobra.ExactArgs(1), ValidArgs: secretNames,
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), a, args[0]) },
	}
	a.secretFiles(cmd)
	return cmd
}

func newSecretWhereCmd(a *program, run func(context.Context, *program) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "where",
		Short: "Say where each password will be taken from",
		Long: `Say where each password will be taken from, without showing it. No command is
run for it and nobody is asked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a) },
	}
	a.secretFiles(cmd)
	return cmd
}

// secretFiles are the flags that name the files whose passwords are meant.
func (a *program) secretFiles(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.flags.p12, "p12", "", "`FILE` of the signing certificate (.p12, .pfx)")
	f.StringVar(&a.flags.key, "key", "", "private SSH key `FILE` (OpenSSH, PEM or PuTTY .ppk)")
}

// secretNames are what the two passwords are called on the command line.
var secretNames = []string{"p12", "key"}

// namedSecret is a password that a person named: whose it is, where it may be,
// and what tells whether it is the right one.
type namedSecret struct {
	file   string
	wanted secret.Wanted
	check  func(password string) error
}

func (a *program) namedSecrets(c config.Config) []namedSecret {
	return []namedSecret{
		{c.Identity.P12, a.passwordOf(c.Identity), func(password string) error {
			_, err := sign.LoadPKCS12(c.Identity.P12, password, a.now())
			return err
		}},
		{c.Endpoint.Key, a.passphraseOf(c.Endpoint), func(password string) error {
			data, err := os.ReadFile(c.Endpoint.Key)
			if err != nil {
				return err
			}
			if _, err = sshkey.Parse(data, nil); err == nil {
				return errorf("this key has no passphrase")
			}
			_, err = sshkey.Parse(data, []byte(password))
			return err
		}},
	}
}

// namedSecret is the one of that name, and the keyring that it is for.
func (a *program) namedSecret(c config.Config, name string) (namedSecret, secret.Keyring, error) {
	for _, s := range a.namedSecrets(c) {
		if s.wanted.What != name {
			continue
		}
		if s.file == "" {
			return s, nil, usagef("whose password? no such file is configured: give --p12 FILE or --key FILE; nothing was changed")
		}
		if !c.Secrets.Keyring {
			return s, nil, usagef("the configuration switches the keyring off, with keyring = false under [secrets]; nothing was changed")
		}
		k := a.systemKeyring()
		if k == nil {
			return s, nil, credentialf(text("keep the password in a file that only you can read, or let systemd hand it over: see docs/configuration.md"),
				"there is no keyring here; nothing was changed")
		}
		return s, k, nil
	}
	return namedSecret{}, nil, usagef("there is no password %q: say p12 or key", name)
}

func runSecretSet(ctx context.Context, a *program, o secretOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	s, k, err := a.namedSecret(c, o.name)
	if err != nil {
		return err
	}
	password, err := a.newlyGiven(ctx, c, s.wanted, o.stdin)
	if err != nil {
		return err
	}
	if err := s.check(password); err != nil {
		return credentialf(text("give the password with which the file was made"), "%s: %s; nothing was kept", displayPath(s.file), err)
	}
	if err := secret.Keep(ctx, k, time.Duration(c.Secrets.Timeout), s.wanted.KeyringName, password); err != nil {
		return keyringFailed(err)
	}
	a.ui.result("kept  the password of %s is in the keyring", printable(displayPath(s.file)))
	if found, err := a.finder(c).Where(ctx, s.wanted); err == nil && found.Source != secret.InKeyring {
		a.ui.warn("it is still taken from elsewhere, which goes before the keyring: %s", whereWords(found))
	}
	a.ui.object(map[string]any{"name": o.name, "file": s.file, "kept": true})
	return nil
}

// newlyGiven is a password as a person gives it now, whatever is known already.
func (a *program) newlyGiven(ctx context.Context, c config.Config, w secret.Wanted, stdin bool) (string, error) {
	w = secret.Wanted{What: w.What, Question: w.Question}
	if stdin {
		w.Line = 1
		return a.secret(ctx, c, w)
	}
	first, err := a.secret(ctx, c, w)
	if errors.Is(err, secret.ErrNoTerminal) {
		return "", credentialf(text("give it on standard input, with --stdin"), "%s; nothing was kept", err)
	}
	if err != nil {
		return "", err
	}
	w.Question = a.ui.text("Again, to be sure")
	again, err := a.secret(ctx, c, w)
	if err == nil && again != first {
		err = credentialf(text("give the command again"), "the two passwords differ; nothing was kept")
	}
	return first, err
}

func runSecretDelete(ctx context.Context, a *program, name string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	s, k, err := a.namedSecret(c, name)
	if err != nil {
		return err
	}
	err = secret.Forget(ctx, k, time.Duration(c.Secrets.Timeout), s.wanted.KeyringName)
	switch {
	case errors.Is(err, secret.ErrNotKept):
		a.ui.result("nothing to delete: the keyring has no password of %s", printable(displayPath(s.file)))
	case err != nil:
		return keyringFailed(err)
	default:
		a.ui.result("deleted  the password of %s is not in the keyring any more", printable(displayPath(s.file)))
	}
	a.ui.object(map[string]any{"name": name, "file": s.file, "kept": false})
	return nil
}

func keyringFailed(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return credentialf(text("unlock the keyring of your desktop, or keep the password in a file that only you can read: see docs/configuration.md"),
		"the keyring could not be used: %s; nothing was changed", err)
}

type jsonSecret struct {
	Name   string       `json:"name"`
	File   string       `json:"file,omitempty"`
	Needed bool         `json:"needed"`
	Source string       `json:"source,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Error  *explanation `json:"error,omitempty"`
}

func runSecretWhere(ctx context.Context, a *program) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	out := []jsonSecret{}
	var lines fields
	var failed error
	for _, s := range a.namedSecrets(c) {
		j := jsonSecret{Name: s.wanted.What, File: s.file, Needed: true}
		var said lang.Text
		switch {
		case s.file == "":
			j.Needed, said = false, text("not needed: no file is configured")
		case j.Name == "key" && keyWithoutPassphrase(s.file):
			j.Needed, said = false, text("not needed: this key has no passphrase")
		default:
			found, err := a.finder(c).Where(ctx, s.wanted)
			j.Source, j.Detail, said = string(found.Source), found.Detail, whereWords(found)
			if err != nil {
				x := explain(failure.New(failure.Credentials, err))
				j.Error, failed, said = &x, err, text("%s: cannot be read: %s", said, err)
			}
		}
		out = append(out, j)
		lines.add(lang.Plain(j.Name), a.ui.in(said))
	}
	a.ui.fields("", lines)
	result := map[string]any{"secrets": out}
	if failed != nil {
		failed = failure.New(failure.Credentials, toldError{failed})
		result["error"] = explain(failed)
	}
	a.ui.object(result)
	return failed
}

func keyWithoutPassphrase(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	_, err = sshkey.Parse(data, nil)
	return err == nil
}

// whereWords says where a password will be taken from.
func whereWords(f secret.Found) lang.Text {
	detail := printable(displayPath(f.Detail))
	switch f.Source {
	case secret.Stdin:
		return text("standard input")
	case secret.Variable:
		return text("the environment variable %s", detail)
	case secret.Credential:
		return text("the credential %s of systemd", detail)
	case secret.File:
		return text("the file %s", detail)
	case secret.Command:
		return text("what the command %s prints", detail)
	case secret.InKeyring:
		return text("the keyring of this computer")
	}
	return text("asked for on the terminal")
}
