package sign

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// MaxPKCS12Size is the largest PKCS#12 file that is read, in bytes.
const MaxPKCS12Size = 1 << 20

// maxIterations bounds the password derivation (about half a second per million).
const maxIterations = 10_000_000

// Shell commands for files that cannot be read; -legacy also opens what OpenSSL 3
// refuses by default. The file in between is encrypted under a pass phrase.
const (
	hintPKCS12 = "openssl pkcs12 -legacy -in OLD.p12 -out TEMP.pem\n" +
		"openssl pkcs12 -export -in TEMP.pem -out NEW.p12"
	hintPEM = "openssl pkcs12 -export -in OLD.pem -out NEW.p12"
	hintJKS = "keytool -importkeystore -srckeystore OLD.jks -destkeystore NEW.p12 -deststoretype PKCS12"
)

// LoadPKCS12 reads a .p12 or .pfx file; see [ReadPKCS12]. An error of the file system
// is returned as it is.
func LoadPKCS12(path, password string, now time.Time) (*Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, MaxPKCS12Size+1))
	if err != nil {
		return nil, err
	}
	return ReadPKCS12(data, password, now)
}

// ReadPKCS12 reads an identity from the bytes of a PKCS#12 (.p12, .pfx) file of at
// most [MaxPKCS12Size] bytes: as made by OpenSSL, Java, Windows, Firefox (BER with
// indefinite lengths), with or without a checksum (MAC); bytes behind the structure
// are ignored. The certificate is found by its public key, wherever it stands; of two
// for the same key (a renewal) the one valid at now that lasts longest is taken. The
// others become the chain.
//
// Errors: [ErrTooLarge], [ErrWrongPassword], [ErrEncoding] (with a hint how to convert
// the file), [ErrNoKey], [ErrSeveralKeys], [ErrNoMatchingCertificate],
// [ErrUnsupportedKey]. Ask [Identity.Check] whether the identity may sign.
func ReadPKCS12(data []byte, password string, now time.Time) (*Identity, error) {
	return readPKCS12(data, password, now, maxIterations)
}

func readPKCS12(data []byte, password string, now time.Time, iterations int64) (*Identity, error) {
	if len(data) > MaxPKCS12Size {
		return nil, fail(ErrTooLarge, fmt.Sprintf("key file of more than %d bytes", MaxPKCS12Size))
	}
	if err := sniffKeyFile(data); err != nil {
		return nil, err
	}
	key, certs, err := decodePKCS12(data, password, iterations)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fail(ErrUnsupportedKey, "a key that cannot sign")
	}
	if _, err := hashFor(signer.Public()); err != nil {
		return nil, err
	}
	leaf := pickLeaf(signer.Public(), certs, now)
	if leaf == nil {
		return nil, fail(ErrNoMatchingCertificate, fmt.Sprintf("%d in the file", len(certs)))
	}
	return NewIdentity(signer, leaf, certs)
}

// SniffPKCS12 says what keeps a file from being PKCS#12 that needs no password to
// be seen, such as that it is another kind of file.
func SniffPKCS12(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	head, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return err
	}
	return sniffKeyFile(head)
}

// sniffKeyFile tells other kinds of key files from PKCS#12.
func sniffKeyFile(data []byte) error {
	text := bytes.TrimLeft(bytes.TrimPrefix(data, utf8BOM), " \t\r\n")
	switch {
	case len(text) == 0:
		return &Error{Reason: ErrEncoding, Detail: "empty file"}
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return &Error{Reason: ErrEncoding, Detail: "a PEM file, not PKCS#12", hint: hintPEM}
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}), bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}):
		return &Error{Reason: ErrEncoding, Detail: "a Java key store (JKS), not PKCS#12", hint: hintJKS}
	case data[0] != tagSequence:
		return &Error{Reason: ErrEncoding, Detail: "not a PKCS#12 file"}
	}
	return nil
}

// decodePKCS12 lets the library read the file as it is but for its outer encoding,
// which also checks password and file against the MAC. Only where that fails is the
// inner structure re-encoded, and given a new MAC.
func decodePKCS12(data []byte, password string, iterations int64) (key any, certs []*x509.Certificate, err error) {
	pfx, err := openPFX(data)
	if err != nil {
		return nil, nil, unreadable(err)
	}
	macUnchecked := !pfx.hasMAC()
	if !macUnchecked {
		key, certs, err = decodeDER(pfx.der, password, iterations)
		if err == nil || errors.Is(err, pkcs12.ErrIncorrectPassword) || isFinal(err) {
			return key, certs, classify(err, false)
		}
		// The library checks the MAC first, so any other error comes after it; except
		// where it does not know the MAC's algorithm.
		macUnchecked = strings.Contains(err.Error(), "MAC")
	}
	remade, remakeErr := pfx.remake(password)
	if remakeErr != nil {
		if err == nil {
			err = remakeErr
		}
		return nil, nil, classify(err, macUnchecked)
	}
	key, certs, err = decodeDER(remade, password, iterations)
	return key, certs, classify(err, macUnchecked)
}

// decodeDER calls the library, after a bound on the work it is told to do.
func decodeDER(der []byte, password string, iterations int64) (key any, certs []*x509.Certificate, err error) {
	if n := countIterations(der, 0); n > iterations {
		return nil, nil, fmt.Errorf("%w: %d, at most %d are allowed", errIterations, n, iterations)
	}
	defer func() { // a parser of foreign code, fed with a file from anywhere
		if recover() != nil {
			key, certs, err = nil, nil, errors.New("damaged structure")
		}
	}()
	key, first, others, err := pkcs12.DecodeChain(der, password)
	if err != nil {
		return nil, nil, err
	}
	return key, append([]*x509.Certificate{first}, others...), nil
}

// The library has no types for these; the tests hold the texts. A renamed one falls
// back to ErrEncoding.
var finalTexts = []struct {
	text   string
	reason error
	detail string
}{
	{"expected exactly one key bag", ErrSeveralKeys, ""},
	{"private key missing", ErrNoKey, ""},
	{"certificate missing", ErrNoMatchingCertificate, "no certificate in the file"},
	{"elliptic curve", ErrUnsupportedKey, "an unknown elliptic curve; RSA, P-256 and P-384 are supported"},
	{"unknown algorithm", ErrUnsupportedKey, "RSA, P-256 and P-384 are supported"},
}

var errIterations = errors.New("too many iterations to derive the keys")

// isFinal reports an error that says what the file holds, so that another encoding of
// it would not help.
func isFinal(err error) bool {
	if errors.Is(err, errIterations) {
		return true
	}
	for _, f := range finalTexts {
		if strings.Contains(err.Error(), f.text) {
			return true
		}
	}
	return false
}

// classify turns an error of the library into one of ours.
func classify(err error, macUnchecked bool) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return fail(ErrWrongPassword, "")
	}
	for _, f := range finalTexts {
		if strings.Contains(err.Error(), f.text) {
			return &Error{Reason: f.reason, Detail: f.detail, Err: err}
		}
	}
	_, unknown := errors.AsType[pkcs12.NotImplementedError](err)
	if macUnchecked && !unknown && !errors.Is(err, errIterations) {
		return &Error{Reason: ErrWrongPassword, Err: err, Detail: "or the file is damaged; it has no checksum that could tell"}
	}
	return unreadable(err)
}

func unreadable(err error) error {
	return &Error{Reason: ErrEncoding, Err: err, hint: hintPKCS12, Detail: printable(strings.TrimPrefix(err.Error(), "pkcs12: "))}
}
