// Package sshkey reads the private and public keys that SSH clients keep in
// files: OpenSSH, PEM (PKCS#1, SEC1, PKCS#8, encrypted or not), PuTTY .ppk
// versions 2 and 3, RFC 4716 public keys; and the keys of an ssh-agent. It makes
// RSA keys, and writes keys in OpenSSH form and public ones as RFC 4716 has them.
//
// No error holds a passphrase or any part of a private key.
package sshkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/problem"
)

// Kinds of errors, for errors.Is.
var (
	ErrPassphraseNeeded = errors.New("the private key is encrypted: a passphrase is needed")
	ErrWrongPassphrase  = errors.New("wrong passphrase for the private key")
	ErrWeakKey          = errors.New("key is too weak")
	ErrFormat           = errors.New("not a usable SSH key") // always inside a *FormatError
)

// MinRSABits is the smallest RSA modulus accepted, in bits. The social-security
// server takes 2048 to 4096.
const MinRSABits = 2048

// maxKeyBytes bounds what is parsed: an RSA-16384 key file has 13 KiB.
const maxKeyBytes = 64 << 10

// FormatError says what was found instead of a usable key.
type FormatError struct {
	Found string // what the bytes look like
	Hint  string // how to convert, a command; may be empty
	Err   error  // the parser's error; may be nil
}

// Error returns what was found and the cause, without the hint.
func (e *FormatError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *FormatError) Said() (format string, args []any) { return e.problem().Said() }

func (e *FormatError) problem() *problem.Error {
	found := problem.New("not a usable SSH key: found %s", problem.Word(e.Found))
	if e.Err == nil {
		return found
	}
	return problem.New("%s: %s", found, e.Err)
}

// Is matches ErrFormat.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// Unwrap returns the parser's error.
func (e *FormatError) Unwrap() error { return e.Err }

// Key is a private key that can sign.
type Key struct {
	ssh.AlgorithmSigner
	Format  string // "OpenSSH", "PKCS#1", "SEC1", "PKCS#8", "PuTTY 2" or "PuTTY 3"
	Comment string // from a .ppk file; otherwise empty

	raw any // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or a pointer to one
}

const formatOpenSSH = "OpenSSH"

// Parse reads one private key. passphrase is nil where none is known: an
// encrypted key then gives ErrPassphraseNeeded. For a key that is not encrypted
// it is ignored. A leading byte order mark and text in UTF-16, as Windows
// editors write them, are tolerated.
func Parse(data, passphrase []byte) (*Key, error) {
	if len(data) > maxKeyBytes {
		return nil, &FormatError{Found: fmt.Sprintf("a file of %d bytes, too large for a key", len(data))}
	}
	data = bytes.TrimLeft(plainText(data), " \t\r\n")
	if bytes.HasPrefix(data, []byte("PuTTY-User-Key-File-")) {
		return parsePPK(data, passphrase)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, notAKey(data)
	}
	raw, format, err := parsePEM(block, passphrase)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(raw)
	if err != nil {
		return nil, err
	}
	return &Key{AlgorithmSigner: signer, Format: format, raw: raw}, nil
}

func parsePEM(block *pem.Block, passphrase []byte) (key any, format string, err error) {
	switch block.Type {
	case "OPENSSH PRIVATE KEY":
		format = formatOpenSSH
	case "RSA PRIVATE KEY":
		format = "PKCS#1"
	case "EC PRIVATE KEY":
		format = "SEC1"
	case "PRIVATE KEY":
		format = "PKCS#8"
	case "ENCRYPTED PRIVATE KEY":
		key, err = decryptPKCS8(block.Bytes, passphrase)
		return key, "PKCS#8", err
	default:
		return nil, "", pemTypeError(block.Type)
	}
	text := pem.EncodeToMemory(block)
	key, err = ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		if passphrase == nil {
			return nil, format, ErrPassphraseNeeded
		}
		if len(passphrase) == 0 { // bcrypt takes none, and the error would not say so
			return nil, format, ErrWrongPassphrase
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
		if errors.Is(err, x509.IncorrectPasswordError) {
			return nil, format, ErrWrongPassphrase
		}
	}
	if err != nil {
		return nil, format, &FormatError{
			Found: "a damaged or unsupported " + format + " private key",
			Hint:  "ssh-keygen -p -Z aes256-ctr -f KEYFILE rewrites an OpenSSH key in a common encryption",
			Err:   err,
		}
	}
	return key, format, nil
}

func decryptPKCS8(der, passphrase []byte) (any, error) {
	const found = "an encrypted PKCS#8 private key in an unsupported encryption"
	const hint = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEYFILE -out NEWFILE"
	if err := checkPBES2(der); err != nil {
		return nil, &FormatError{Found: found, Hint: hint, Err: err}
	}
	if passphrase == nil {
		return nil, ErrPassphraseNeeded
	}
	if len(passphrase) == 0 { // the library takes an empty one for "not encrypted"
		return nil, ErrWrongPassphrase
	}
	key, _, err := pkcs8.ParsePrivateKey(der, passphrase)
	switch {
	case err == nil:
		return key, nil
	case strings.Contains(err.Error(), "unsupported"): // the library has no typed errors
		return nil, &FormatError{Found: found, Hint: hint, Err: err}
	}
	// What fails behind the parameters is the decrypted key, which is how a
	// wrong passphrase shows.
	return nil, ErrWrongPassphrase
}

// checkPBES2 refuses other schemes, lengths at which the library panics, and
// work factors that only a hostile file has, before any key is derived.
func checkPBES2(der []byte) error {
	var outer struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters struct {
				KDF struct {
					Algorithm  asn1.ObjectIdentifier
					Parameters asn1.RawValue
				}
				Scheme struct {
					Algorithm asn1.ObjectIdentifier
					IV        []byte
				}
			} `asn1:"optional"`
		}
		Data []byte
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return errors.New("not PBES2")
	}
	if !outer.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}) {
		return errors.New("not PBES2")
	}
	scheme := outer.Algorithm.Parameters.Scheme
	blockSize := 0
	switch scheme.Algorithm.String() {
	case "1.2.840.113549.3.7": // DES-EDE3-CBC
		blockSize = 8
	case "2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42": // AES-CBC
		blockSize = 16
	default:
		return fmt.Errorf("cipher %v", scheme.Algorithm)
	}
	if len(scheme.IV) != blockSize || len(outer.Data) == 0 || len(outer.Data)%blockSize != 0 {
		return errors.New("the encrypted part is damaged")
	}
	kdf := outer.Algorithm.Parameters.KDF
	switch {
	case kdf.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}):
		var p struct {
			Salt       asn1.RawValue
			Iterations int
			KeyLength  int `asn1:"optional"`
			PRF        struct {
				Algorithm asn1.ObjectIdentifier
				Null      asn1.RawValue `asn1:"optional"`
			} `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil || p.Iterations < 1 || p.Iterations > 20_000_000 {
			return errors.New("key derivation parameters out of range")
		}
		switch prf := p.PRF.Algorithm.String(); prf {
		case "", "1.2.840.113549.2.7", "1.2.840.113549.2.9": // HMAC with SHA-1 (the default), SHA-256
		default:
			return fmt.Errorf("key derivation with hash %s", prf)
		}
	case kdf.Algorithm.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}):
		var p struct {
			Salt      []byte
			N, R, P   int
			KeyLength int `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil ||
			p.N < 2 || p.R < 1 || p.P < 1 || p.R > 64 || p.P > 64 || p.N > (256<<20)/(128*p.R) {
			return errors.New("key derivation parameters out of range")
		}
	default:
		return fmt.Errorf("key derivation function %v", kdf.Algorithm)
	}
	return nil
}

// newSigner checks the strength of a private key and makes it sign.
func newSigner(key any) (ssh.AlgorithmSigner, error) {
	if k, ok := key.(*ed25519.PrivateKey); ok {
		key = *k
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if n := k.N.BitLen(); n < MinRSABits {
			return nil, fmt.Errorf("%w: RSA with %d bits, at least %d are needed", ErrWeakKey, n, MinRSABits)
		}
		if err := k.Validate(); err != nil {
			return nil, &FormatError{Found: "an inconsistent RSA private key"}
		}
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P224() {
			return nil, fmt.Errorf("%w: ECDSA with P-224", ErrWeakKey)
		}
	case ed25519.PrivateKey:
	default:
		return nil, &FormatError{Found: fmt.Sprintf("a private key of a type that SSH does not use (%T)", key),
			Hint: "ssh-keygen -t rsa -b 4096 -f KEYFILE makes a new key"}
	}
	s, err := ssh.NewSignerFromSigner(key.(crypto.Signer))
	if err != nil {
		return nil, &FormatError{Found: "an unsupported private key", Err: err}
	}
	as, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return nil, &FormatError{Found: "a private key that cannot choose its signature algorithm"}
	}
	return as, nil
}
