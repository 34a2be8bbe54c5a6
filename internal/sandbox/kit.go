package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Kit is what a sender has: a key to log in, a certificate to sign, and a
// configuration. It lies in a directory, so that it is the same next time.
type Kit struct {
	Dir         string
	Sender      string
	User        string
	Key         ssh.PublicKey
	Certificate *x509.Certificate
}

// Names of the files of a kit.
const (
	KitConfig   = "socbatch.toml"
	kitKey      = "id_rsa"
	kitP12      = "signer.p12"
	kitPassword = "signer.password"
	kitCert     = "signer.cer"
	kitRoots    = "reply-roots.pem"
)

// OpenKit reads the kit in dir, or makes one.
func OpenKit(dir, sender string) (*Kit, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &Kit{Dir: dir, Sender: sender, User: "EXP" + sender}
	if err := k.openKey(); err != nil {
		return nil, fmt.Errorf("sandbox kit: %w", err)
	}
	if err := k.openSigner(); err != nil {
		return nil, fmt.Errorf("sandbox kit: %w", err)
	}
	return k, nil
}

// SignerFiles are the files of the certificate that signs, and of its password.
func (k *Kit) SignerFiles() (p12, password string) { return k.path(kitP12), k.path(kitPassword) }

// RegisteredDir is the folder in the stand-in's directory that takes the place
// of the portal: a public SSH key (*.pub) in it may log in.
const RegisteredDir = "registered"

// Registered reads the keys in the RegisteredDir of dir.
func Registered(dir string) ([]ssh.PublicKey, error) {
	files, err := filepath.Glob(filepath.Join(dir, RegisteredDir, "*.pub"))
	if err != nil {
		return nil, err
	}
	var keys []ssh.PublicKey
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (k *Kit) path(name string) string { return filepath.Join(k.Dir, name) }

func (k *Kit) openKey() error {
	text, err := os.ReadFile(k.path(kitKey))
	if errors.Is(err, fs.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(key, "socbatch sandbox")
		if err != nil {
			return err
		}
		text = pem.EncodeToMemory(block)
		if err := os.WriteFile(k.path(kitKey), text, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return err
	}
	k.Key = signer.PublicKey()
	return nil
}

func (k *Kit) openSigner() error {
	der, err := os.ReadFile(k.path(kitCert))
	if err == nil {
		k.Certificate, err = x509.ParseCertificate(der)
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id, err := NewTestIdentity("Test Sender " + k.Sender)
	if err != nil {
		return err
	}
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	password := hex.EncodeToString(random[:])
	p12, err := id.P12(password)
	if err != nil {
		return err
	}
	k.Certificate = id.Certificate
	// The certificate comes last: it says that the others are there.
	return errors.Join(
		os.WriteFile(k.path(kitP12), p12, 0o600),
		os.WriteFile(k.path(kitPassword), []byte(password+"\n"), 0o600),
		os.WriteFile(k.path(kitCert), id.Certificate.Raw, 0o600),
	)
}

// WriteConfig writes the configuration for a server that runs, and returns its
// path.
func (k *Kit) WriteConfig(s *Server) (string, error) {
	return k.WriteConfigFor(s, s.Addr(), k.User, s.HostKeyFingerprint())
}

// WriteConfigFor is WriteConfig where clients go to another server than s, which
// only answers.
func (k *Kit) WriteConfigFor(s *Server, addr, user, fingerprint string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by socbatch sandbox: everything here is for the stand-in server only.\n")
	fmt.Fprintf(&b, "sender = %q\nenvironment = \"T\"\nstate_dir = \"state\"\n\n", k.Sender)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "[endpoint]\nhost = %q\nport = %s\nuser = %q\nkey = %q\nhost_keys = [%q]\n\n", host, port, user, kitKey, fingerprint)
	fmt.Fprintf(&b, "[identity]\np12 = %q\npassword_file = %q\nregistered = %q\nissuers = [\"Test CA of *\"]\n\n", kitP12, kitPassword, kitCert)
	fmt.Fprintf(&b, "[declaration]\nsettle = \"0s\"\n\n[replies]\narchive = \"replies\"\ntrusted_roots = %q\n", kitRoots)
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ReplyCA().Raw})
	path := k.path(KitConfig)
	return path, errors.Join(os.WriteFile(k.path(kitRoots), roots, 0o600), os.WriteFile(path, []byte(b.String()), 0o600))
}
