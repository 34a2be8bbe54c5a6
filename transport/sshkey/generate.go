package sshkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/durable"
)

// The RSA keys that the social-security office registers have 2048 to 4096
// bits.
const (
	DefaultBits   = 4096
	MaxOfficeBits = 4096
)

// Sizes are those that Generate makes.
func Sizes() []int { return []int{2048, 3072, 4096} }

// ErrBits says that a key of this size is not made.
var ErrBits = errors.New("the office takes RSA keys of 2048 to 4096 bits: 2048, 3072 and 4096 can be made")

// Generate makes an RSA key of one of Sizes; errors wrap ErrBits for others.
func Generate(bits int) (*Key, error) {
	if !slices.Contains(Sizes(), bits) {
		return nil, fmt.Errorf("%d bits: %w", bits, ErrBits)
	}
	raw, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(raw)
	if err != nil {
		return nil, err
	}
	return &Key{AlgorithmSigner: signer, Format: formatOpenSSH, raw: raw}, nil
}

// MarshalPrivate returns the private key in OpenSSH form, encrypted with the
// passphrase (AES-256, bcrypt), or open where the passphrase is empty.
func (k *Key) MarshalPrivate(comment string, passphrase []byte) ([]byte, error) {
	raw := k.raw
	if p, ok := raw.(*ed25519.PrivateKey); ok {
		raw = *p
	}
	var block *pem.Block
	var err error
	if comment = oneLine(comment); len(passphrase) == 0 {
		block, err = ssh.MarshalPrivateKey(raw, comment)
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(raw, comment, passphrase)
	}
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// Files are where a key and its public forms are written.
type Files struct {
	Private string // OpenSSH, 0600
	OpenSSH string // the public key on one line
	SSH2    string // the public key as RFC 4716 writes it
}

// FilesOf are the files of the key with the given private one.
func FilesOf(private string) Files {
	return Files{Private: private, OpenSSH: private + ".pub", SSH2: private + ".ssh2.pub"}
}

// Write makes the three files, and replaces none: where one of them is there
// already, nothing is written and the error wraps fs.ErrExist. After an error
// no file is left.
func (f Files) Write(disk *durable.Disk, key *Key, comment string, passphrase []byte) (err error) {
	private, err := key.MarshalPrivate(comment, passphrase)
	if err != nil {
		return err
	}
	files := []struct {
		path    string
		content []byte
	}{
		{f.Private, private},
		{f.OpenSSH, MarshalOpenSSH(key.PublicKey(), comment)},
		{f.SSH2, MarshalRFC4716(key.PublicKey(), comment)},
	}
	for _, x := range files {
		if _, err := os.Lstat(x.path); err == nil {
			return &fs.PathError{Op: "write", Path: x.path, Err: fs.ErrExist}
		}
	}
	for i, x := range files {
		err := disk.WriteNew(x.path, func(w io.Writer) error {
			_, err := w.Write(x.content)
			return err
		})
		if err != nil {
			for _, made := range files[:i] {
				err = errors.Join(err, disk.Remove(made.path))
			}
			return err
		}
	}
	return nil
}

// Info describes a key to a person.
type Info struct {
	Type   string // "RSA", "ECDSA", "Ed25519"; of others the name that SSH gives it
	Bits   int    // 0: of an unknown type
	SHA256 string // "SHA256:…"
	MD5    string // "MD5:" and hexadecimal with colons
}

// Describe describes a public key.
func Describe(key ssh.PublicKey) Info {
	info := Info{Type: key.Type(), SHA256: ssh.FingerprintSHA256(key), MD5: "MD5:" + ssh.FingerprintLegacyMD5(key)}
	var public crypto.PublicKey
	if cp, ok := key.(ssh.CryptoPublicKey); ok {
		public = cp.CryptoPublicKey()
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		info.Type, info.Bits = "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		info.Type, info.Bits = "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		info.Type, info.Bits = "Ed25519", 256
	}
	return info
}

// Registrable reports whether the office registers such a key.
func (i Info) Registrable() bool {
	return i.Type == "RSA" && i.Bits >= MinRSABits && i.Bits <= MaxOfficeBits
}
