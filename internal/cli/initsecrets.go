package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/sign"
)

// openCertificate opens the certificate. Its password is asked for, or comes
// from where passwords come from without a configuration. Without one it is only
// named: it will be asked for when it is needed.
func (s *setUp) openCertificate(ctx context.Context) error {
	a := s.app
	if err := sign.SniffPKCS12(s.p12); err != nil { // before a password is asked for
		return certificateError(s.p12, err)
	}
	if s.ask != nil && a.getenv("SOCBATCH_P12_PASSWORD") == "" {
		return s.askPassword()
	}
	w := a.passwordOf(config.Identity{P12: s.p12, Password: a.getenv("SOCBATCH_P12_PASSWORD")})
	w.Question = ""
	pass, err := a.secret(ctx, config.Defaults(a.getenv), w)
	switch {
	case errors.Is(err, secret.ErrNoTerminal):
		a.ui.warn("the certificate was not opened, since nobody gave its password: register its .cer later, with socbatch cert export")
		return nil
	case err == nil:
		err = s.checkPassword(pass)
	}
	if err != nil {
		return certificateError(s.p12, err)
	}
	s.p12Password = &pass
	return nil
}

// askPassword asks until the password opens the certificate.
func (s *setUp) askPassword() error {
	a := s.app
	for {
		pass, err := s.ask(a.ui.text("Password of %s", displayPath(s.p12)), true)
		if err != nil {
			return noBodyToAsk(err)
		}
		err = s.checkPassword(pass)
		if errors.Is(err, sign.ErrWrongPassword) {
			a.ui.say("%s", wording.Of(err))
			continue
		}
		if err != nil {
			return certificateError(s.p12, err)
		}
		s.p12Password = &pass
		return nil
	}
}

// checkPassword opens the certificate.
func (s *setUp) checkPassword(pass string) error {
	id, err := sign.LoadPKCS12(s.p12, pass, s.app.now())
	if err != nil {
		return err
	}
	s.certificate = id.Certificate()
	return nil
}

func certificateError(path string, err error) error {
	hint := text("name the .p12 file of your certificate with --p12, or leave it out for now")
	if convert := sign.ConvertHint(err); convert != "" {
		hint = text("convert it once:\n%s", convert)
	} else if errors.Is(err, sign.ErrWrongPassword) {
		hint = text("check the password; where it was taken from shows: socbatch secret where")
	}
	return credentialf(hint, "certificate %s: %s; nothing was set up", path, err)
}

// certificateFiles copies the certificate where that is wanted, and keeps its
// password.
func (s *setUp) certificateFiles(ctx context.Context) error {
	if s.p12 == "" || s.options.sandbox {
		return nil
	}
	if s.options.copyP12 && filepath.Dir(s.p12) != s.dir {
		content, err := os.ReadFile(s.p12)
		if err != nil {
			return err
		}
		to := filepath.Join(s.dir, filepath.Base(s.p12))
		if there, err := os.ReadFile(to); err != nil || string(there) != string(content) {
			if err := s.create(to, content); err != nil {
				return err
			}
		}
		s.p12 = to
	}
	if s.p12Password == nil {
		return nil
	}
	file, err := s.keep(ctx, text("the certificate"), keyringName("p12", s.p12), passwordFile, *s.p12Password)
	s.p12PasswordFile = file
	return err
}

// keepPassphrase keeps the passphrase of the new SSH key.
func (s *setUp) keepPassphrase(ctx context.Context, passphrase string) error {
	file, err := s.keep(ctx, text("the SSH key"), keyringName("key", s.key), passphraseFile, passphrase)
	s.keyPassphraseFile = file
	return err
}

// keep puts a password where the person wants it, and gives the file, if it is
// one.
func (s *setUp) keep(ctx context.Context, of lang.Text, name, file, password string) (string, error) {
	a := s.app
	if err := s.askWhere(); err != nil {
		return "", err
	}
	if s.where == keepKeyring {
		k := a.systemKeyring()
		if k == nil {
			return "", usagef("there is no keyring for this user: say --keep-passwords file; nothing was set up")
		}
		err := secret.Keep(ctx, k, time.Duration(config.Defaults(a.getenv).Secrets.Timeout), name, password)
		if err == nil {
			return "", nil
		}
		if s.options.keep == keepKeyring {
			return "", keyringFailed(err)
		}
		a.ui.warn("the keyring did not take the password of %s, and it is kept in a file: %s", of, err)
		s.where = keepFile
	}
	if s.where != keepFile {
		return "", nil
	}
	path := filepath.Join(s.dir, file)
	if there, err := secret.FromFile(path); err == nil && there == password {
		return path, nil
	}
	err := s.create(path, []byte(password+"\n"))
	if errors.Is(err, fs.ErrExist) {
		err = failure.New(failure.Failed,
			errorf("%s is there already, with another password; it was not replaced, and no configuration was written", displayPath(path)),
			text("look whether it is still needed; if not, remove it and run the same command again"))
	}
	return path, err
}

// askWhere decides where passwords are kept, once for all.
func (s *setUp) askWhere() error {
	a := s.app
	if s.where != "" {
		return nil
	}
	s.where = s.options.keep
	if s.where != "" {
		return nil
	}
	s.where = keepFile
	if a.systemKeyring() != nil {
		s.where = keepKeyring
	}
	if s.ask == nil {
		return nil
	}
	a.ui.say("")
	a.ui.say("Where are passwords to be kept? \"keyring\": that of this computer, readable for you only while you are logged in.\n\"file\": a file beside the configuration that only you can read; needed where a job runs without anybody logged in.\n\"ask\": nowhere, and you are asked each time.")
	_, err := a.line(s.ask, text("Passwords (keyring, file or ask)"), s.where, func(answer string) error {
		switch answer {
		case keepKeyring:
			if a.systemKeyring() == nil {
				return errorf("there is no keyring for this user")
			}
		case keepFile, keepNowhere:
		default:
			return errorf("say keyring, file or ask")
		}
		s.where = answer
		return nil
	})
	return err
}

// stateDirectory is where the ledger will be.
func (s *setUp) stateDirectory() string {
	if s.stateDir != "" {
		return s.stateDir
	}
	return config.Defaults(s.app.getenv).StateDir
}
