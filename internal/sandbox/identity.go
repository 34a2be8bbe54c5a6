package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"software.sslmate.com/src/go-pkcs12"
)

// TestIdentity is a signing key with a certificate that looks like a qualified
// one: key usage contentCommitment, issued by a CA of its own.
type TestIdentity struct {
	Key         crypto.Signer
	Certificate *x509.Certificate // register it as [Config.Certificate]
	CA          *x509.Certificate
}

// IdentityOption changes what [NewTestIdentity] makes.
type IdentityOption func(*identityOptions)

type identityOptions struct {
	key             crypto.Signer
	notBefore, over time.Time
}

// WithKey uses this key instead of a new RSA key of 2048 bits.
func WithKey(key crypto.Signer) IdentityOption { return func(o *identityOptions) { o.key = key } }

// WithValidity sets the first and the last moment of both certificates. The
// default is from a day ago for three years.
func WithValidity(notBefore, notAfter time.Time) IdentityOption {
	return func(o *identityOptions) { o.notBefore, o.over = notBefore, notAfter }
}

// NewTestIdentity makes a key, a CA and a signing certificate for commonName.
func NewTestIdentity(commonName string, options ...IdentityOption) (*TestIdentity, error) {
	now := time.Now()
	o := identityOptions{notBefore: now.Add(-24 * time.Hour), over: now.AddDate(3, 0, 0)}
	for _, f := range options {
		f(&o)
	}
	if o.key == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		o.key = key
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA key: %w", err)
	}
	ca := &x509.Certificate{
		Subject:               pkix.Name{Country: []string{"BE"}, Organization: []string{"socbatch sandbox"}, CommonName: "Test CA of " + commonName},
		NotBefore:             o.notBefore,
		NotAfter:              o.over,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	caCert, err := issue(ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"BE"}, CommonName: commonName, SerialNumber: "00000000000"},
		NotBefore: o.notBefore,
		NotAfter:  o.over,
		KeyUsage:  x509.KeyUsageContentCommitment,
	}
	cert, err := issue(leaf, caCert, o.key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	return &TestIdentity{Key: o.key, Certificate: cert, CA: caCert}, nil
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// P12 packs the key, the certificate and the CA as a PKCS#12 file.
func (t *TestIdentity) P12(password string) ([]byte, error) {
	return pkcs12.Modern.Encode(t.Key, t.Certificate, []*x509.Certificate{t.CA}, password)
}

// Roots holds the CA.
func (t *TestIdentity) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(t.CA)
	return pool
}

// Names below the state folder.
const (
	identityFile = stateDir + "/identity.pem"
	hostKeyFile  = stateDir + "/hostkey.pem"
)

// loadIdentity reads the key with which replies are signed, or makes it. Its
// certificates are valid whatever the clock of the stand-in says.
func loadIdentity(root *os.Root) (*TestIdentity, error) {
	text, err := root.ReadFile(identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		id, err := NewTestIdentity("socbatch sandbox, replies", WithKey(key),
			WithValidity(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC)))
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("keep key: %w", err)
		}
		text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		for _, c := range []*x509.Certificate{id.Certificate, id.CA} {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return id, root.WriteFile(identityFile, text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", identityFile, err)
	}
	var blocks [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		blocks, text = append(blocks, block.Bytes), rest
	}
	if len(blocks) != 3 {
		return nil, fmt.Errorf("read %s: it has %d blocks instead of 3", identityFile, len(blocks))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", identityFile, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read %s: its key cannot sign", identityFile)
	}
	id := &TestIdentity{Key: key}
	if id.Certificate, err = x509.ParseCertificate(blocks[1]); err == nil {
		id.CA, err = x509.ParseCertificate(blocks[2])
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", identityFile, err)
	}
	return id, nil
}

// loadHostKey reads the host key, or makes one (Ed25519).
func loadHostKey(root *os.Root) (ssh.Signer, error) {
	text, err := root.ReadFile(hostKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make host key: %w", err)
		}
		block, err := ssh.MarshalPrivateKey(key, "socbatch sandbox")
		if err != nil {
			return nil, fmt.Errorf("keep host key: %w", err)
		}
		text = pem.EncodeToMemory(block)
		if err := root.WriteFile(hostKeyFile, text, 0o600); err != nil {
			return nil, fmt.Errorf("keep host key: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", hostKeyFile, err)
	}
	return ssh.ParsePrivateKey(text)
}
