package cli

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// setUp is one run of init: first what the person wants, then what was made.
type setUp struct {
	app     *program
	ask     questioner // nil: nobody is asked
	options initOptions
	replace bool   // a configuration is there
	path    string // of the configuration
	dir     string // where the other files go

	sender, user, language, host string
	port                         int
	environment                  naming.Environment
	stateDir, archive            string
	settle                       string
	outgoing                     string
	trustedRoots                 string
	registered                   string   // the .cer for the portal
	issuers                      []string // beside those that are known

	p12, p12PasswordFile string
	p12Password          *string // known, and to be kept
	certificate          *x509.Certificate

	key, keyPassphraseFile string
	public                 ssh.PublicKey
	made                   bool // the key is a new one

	hostKeys []string // to accept
	shown    hostKeyShown
	upload   []uploadFile
	where    string // of passwords
}

// uploadFile is a file for the portal.
type uploadFile struct {
	path string
	what lang.Text
}

// Names of what init makes.
const (
	initKey         = "ssh-key"
	initUpload      = "upload"
	initCertificate = "certificate.cer"
	passphraseFile  = "ssh-key.passphrase"
	passwordFile    = "certificate.password"
)

// make makes the files. The configuration comes last: it says that the others
// are there.
func (s *setUp) make(ctx context.Context) error {
	disk := &s.app.disk
	for _, dir := range []string{filepath.Dir(s.path), s.dir} {
		if err := disk.MkdirAll(dir); err != nil {
			return err
		}
	}
	if err := s.certificateFiles(ctx); err != nil {
		return err
	}
	if err := s.keyFiles(ctx); err != nil {
		return err
	}
	if err := s.uploadFiles(); err != nil {
		return err
	}
	if s.options.sandbox {
		if err := s.register(); err != nil {
			return err
		}
	} else if err := s.server(ctx); err != nil {
		return err
	}
	if s.outgoing != "" {
		if err := disk.MkdirAll(s.outgoing); err != nil {
			return err
		}
	}
	text, err := s.configuration()
	if err != nil {
		return err
	}
	if s.replace {
		if err := s.app.putAside(s.path); err != nil {
			return err
		}
	}
	return s.create(s.path, text)
}

// create writes a file that must not exist yet, readable by its owner only.
func (s *setUp) create(path string, content []byte) error {
	return s.app.disk.WriteNew(path, func(w io.Writer) error { _, err := w.Write(content); return err })
}

// keyFiles makes the SSH key, or looks at the one that was named.
func (s *setUp) keyFiles(ctx context.Context) error {
	a := s.app
	if s.key == "" {
		s.key = filepath.Join(s.dir, initKey)
	}
	if data, err := os.ReadFile(s.key); err == nil {
		return s.existingKey(ctx, data)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return credentialf(text("check the file, or name another one with --key"), "SSH key: %s; nothing was set up", err)
	} else if a.flags.key != "" {
		return credentialf(text("leave --key out, and a new key is made"), "SSH key: %s; nothing was set up", err)
	}
	passphrase, err := s.newPassphrase(ctx)
	if err != nil {
		return err
	}
	a.ui.say("making an SSH key, which takes some seconds")
	key, err := sshkey.Generate(sshkey.DefaultBits)
	if err != nil {
		return err
	}
	private, err := key.MarshalPrivate(s.user, []byte(passphrase))
	if err != nil {
		return err
	}
	if err := s.keepPassphrase(ctx, passphrase); err != nil {
		return err
	}
	if err := s.create(s.key, private); err != nil {
		return err
	}
	s.made = true
	s.public = key.PublicKey()
	return nil
}

// existingKey takes the public half of a key.
func (s *setUp) existingKey(ctx context.Context, data []byte) error {
	a := s.app
	key, err := sshkey.Parse(data, nil)
	if errors.Is(err, sshkey.ErrPassphraseNeeded) {
		if f := filepath.Join(s.dir, passphraseFile); s.keyPassphraseFile == "" && isFile(f) {
			s.keyPassphraseFile = f
		}
		var pass string
		w := a.passphraseOf(config.Endpoint{Key: s.key, KeyPassphrase: a.getenv("SOCBATCH_KEY_PASSPHRASE"), KeyPassphraseFile: s.keyPassphraseFile})
		if s.ask == nil {
			w.Question = ""
		}
		if pass, err = a.secret(ctx, config.Defaults(a.getenv), w); err == nil {
			key, err = sshkey.Parse(data, []byte(pass))
		}
	}
	if err != nil {
		return credentialf(text("check the passphrase; another key is named with --key"), "SSH key %s: %s; nothing was set up", s.key, err)
	}
	s.public = key.PublicKey()
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// newPassphrase is given, asked for, or made where nobody is there to think of
// one.
func (s *setUp) newPassphrase(ctx context.Context) (string, error) {
	if given := s.app.getenv("SOCBATCH_KEY_PASSPHRASE"); given != "" {
		return given, nil
	}
	if s.ask == nil {
		// An earlier run may have got this far only.
		if left, err := secret.FromFile(filepath.Join(s.dir, passphraseFile)); err == nil && longEnough(left) == nil {
			return left, nil
		}
		return rand.Text(), nil
	}
	s.app.ui.say("")
	s.app.ui.say("The SSH key opens the way to the server. A passphrase keeps it safe should its file be copied.")
	return s.app.newPassword(s.ask, text("Passphrase for the new SSH key"), longEnough)
}

func longEnough(pass string) error {
	const shortest = 8
	if len([]rune(pass)) < shortest {
		return errorf("at least %d characters, please", shortest)
	}
	return nil
}

// uploadFiles writes what the portal wants.
func (s *setUp) uploadFiles() error {
	dir := filepath.Join(s.dir, initUpload)
	if err := s.app.disk.MkdirAll(dir); err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
		what    lang.Text
	}{
		{"ssh-key.pub", sshkey.MarshalOpenSSH(s.public, s.user), text("SSH public key (OpenSSH)")},
		{"ssh-key.ssh2.pub", sshkey.MarshalRFC4716(s.public, s.user), text("the same key in SSH2 form (RFC 4716), should the portal ask for it")},
	}
	if s.certificate != nil {
		files = append(files, struct {
			name    string
			content []byte
			what    lang.Text
		}{initCertificate, s.certificate.Raw, text("certificate of %s, valid until %s", sign.Describe(s.certificate).Owner, day(s.certificate.NotAfter))})
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		// Made anew each time: they follow from the key and the certificate.
		if err := s.app.disk.WriteFile(path, func(w io.Writer) error { _, err := w.Write(f.content); return err }); err != nil {
			return err
		}
		s.upload = append(s.upload, uploadFile{path, f.what})
		if f.name == initCertificate {
			s.registered = path
		}
	}
	return nil
}

// configuration is the text of the file.
func (s *setUp) configuration() ([]byte, error) {
	var b strings.Builder
	comment := func(format string, args ...any) {
		for line := range strings.Lines(s.app.ui.text(format, args...)) {
			b.WriteString("# " + line)
		}
		b.WriteString("\n")
	}
	set := func(key string, value any) error {
		switch v := value.(type) {
		case string:
			if v == "" {
				return nil
			}
		case int:
			if v == 0 {
				return nil
			}
		case []string:
			if len(v) == 0 {
				return nil
			}
		}
		line, err := toml.Marshal(map[string]any{key: value})
		b.Write(line)
		return err
	}
	comment("Configuration of socbatch, made by: socbatch init\nEvery setting: socbatch help configuration. Paths are relative to this file.")
	if s.options.sandbox {
		comment("Everything here is for the stand-in server of this machine.")
	}
	b.WriteString("\n")
	err := errors.Join(set("sender", s.sender), set("environment", string(s.environment)), set("language", s.language), set("state_dir", s.relative(s.stateDir)))
	b.WriteString("\n[endpoint]\n")
	err = errors.Join(err, set("host", s.host), set("port", s.port), set("user", s.user), set("key", s.relative(s.key)),
		set("key_passphrase_file", s.relative(s.keyPassphraseFile)), set("host_keys", s.hostKeys))
	b.WriteString("\n[identity]\n")
	if s.p12 == "" {
		comment("The certificate that signs, needed for production:\np12 = \"certificate.p12\"")
	}
	err = errors.Join(err, set("p12", s.relative(s.p12)), set("password_file", s.relative(s.p12PasswordFile)),
		set("registered", s.relative(s.registered)), set("issuers", s.issuers))
	if s.settle != "" {
		b.WriteString("\n[declaration]\n")
		err = errors.Join(err, set("settle", s.settle))
	}
	if s.trustedRoots != "" || s.archive != "" {
		b.WriteString("\n[replies]\n")
		err = errors.Join(err, set("archive", s.relative(s.archive)), set("trusted_roots", s.relative(s.trustedRoots)))
	}
	if s.outgoing != "" {
		b.WriteString("\n")
		comment("What lies in this folder is sent by: socbatch run")
		b.WriteString("[[outgoing]]\n")
		err = errors.Join(err, set("dir", s.relative(s.outgoing)), set("environment", string(s.environment)))
	}
	return []byte(b.String()), err
}

// relative is a path as the configuration names it: relative to its directory
// where it lies below.
func (s *setUp) relative(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if r, err := filepath.Rel(filepath.Dir(s.path), abs); err == nil && filepath.IsLocal(r) {
		return filepath.ToSlash(r)
	}
	return abs
}
