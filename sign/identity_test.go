package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNewIdentityErrors(t *testing.T) {
	t.Parallel()
	ca := theCA()
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		cert *x509.Certificate
		want error
	}{
		{"no key", nil, ca.root, ErrNoKey},
		{"nil rsa key", (*rsa.PrivateKey)(nil), ca.root, ErrNoKey},
		{"nil ecdsa key", (*ecdsa.PrivateKey)(nil), ca.root, ErrNoKey},
		{"no certificate", p256(), nil, ErrNoMatchingCertificate},
		{"other key", p256b(), ca.issue(p256()), ErrNoMatchingCertificate},
		{"other kind of key", rsa2048(), ca.issue(p256()), ErrNoMatchingCertificate},
		{"p-521", p521(), ca.issue(p521()), ErrUnsupportedKey},
		{"ed25519", ed, ca.issue(ed), ErrUnsupportedKey},
	} {
		id, err := NewIdentity(tt.key, tt.cert, nil)
		if id != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestIdentityCheck(t *testing.T) {
	t.Parallel()
	ca := theCA()
	usage := func(u x509.KeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.KeyUsage = u }
	}
	emptyUsage := func(c *x509.Certificate) {
		c.KeyUsage = 0
		c.ExtraExtensions = []pkix.Extension{{Id: oidKeyUsage, Critical: true, Value: must(asn1.Marshal(asn1.BitString{}))}}
	}
	for _, tt := range []struct {
		name   string
		key    crypto.Signer
		change func(*x509.Certificate)
		at     time.Duration
		want   error
	}{
		{"good", p256(), usage(x509.KeyUsageContentCommitment), 0, nil},
		{"digital signature", p256(), usage(x509.KeyUsageDigitalSignature), 0, nil},
		{"both", p256(), usage(x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment), 0, nil},
		{"usage absent", p256(), usage(0), 0, nil},
		{"usage empty", p256(), emptyUsage, 0, ErrKeyUsage},
		{"encryption only", p256(), usage(x509.KeyUsageKeyEncipherment), 0, ErrKeyUsage},
		{"ca", p256(), usage(x509.KeyUsageCertSign), 0, ErrKeyUsage},
		{"expired", p256(), usage(0), 25 * time.Hour, ErrExpired},
		{"first second", p256(), usage(0), -24 * time.Hour, nil},
		{"last second", p256(), usage(0), 24 * time.Hour, nil},
		{"early", p256(), usage(0), -25 * time.Hour, ErrNotYetValid},
		{"short", rsa1024(), usage(0), 0, ErrKeyTooShort},
	} {
		id := ca.identity(t, tt.key, tt.change)
		err := id.Check(testNow.Add(tt.at))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		_, serr := NewDigest(id).Sign(Options{SigningTime: testNow.Add(tt.at)})
		if !errors.Is(serr, tt.want) {
			t.Errorf("%s: signing gave %v, want %v", tt.name, serr, tt.want)
		}
	}
}

func TestChainIsOrderedAndPruned(t *testing.T) {
	t.Parallel()
	ca, other := theCA(), newTestCA("Other")
	leaf := ca.issue(p256())
	id := must(NewIdentity(p256(), leaf, []*x509.Certificate{nil, other.root, ca.root, leaf, other.inter, ca.inter, ca.inter}))
	if c := id.Chain(); len(c) != 2 || !c[0].Equal(ca.inter) || !c[1].Equal(ca.root) {
		t.Errorf("chain of %d", len(c))
	}
	id.Chain()[0] = nil
	if id.Chain()[0] == nil {
		t.Error("the chain can be changed from outside")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	ca := theCA()
	c := ca.issue(rsa2048(), func(c *x509.Certificate) { c.Subject.CommonName = "Jan\x1b[31m Janssens\n" })
	got := Describe(c)
	if got.Owner != "Jan�[31m Janssens" && got.Owner != "Jan\ufffd[31m Janssens\ufffd" {
		t.Errorf("owner %q", got.Owner)
	}
	if got.Issuer != "Test Issuing" || got.Key != "RSA 2048" || !got.NotAfter.Equal(c.NotAfter) || !got.NotBefore.Equal(c.NotBefore) {
		t.Errorf("%+v", got)
	}
	for usage, want := range map[x509.KeyUsage]string{
		0:                              "[]",
		x509.KeyUsageContentCommitment: "[nonRepudiation]",
		x509.KeyUsageDigitalSignature | x509.KeyUsageDecipherOnly: "[digitalSignature decipherOnly]",
	} {
		if got := fmt.Sprint(Describe(ca.issue(p256(), func(c *x509.Certificate) { c.KeyUsage = usage })).KeyUsage); got != want {
			t.Errorf("key usage %s instead of %s", got, want)
		}
	}
	long := ca.issue(p384(), func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"Only Organisation"}} })
	if got := Describe(long); got.Owner != "O=Only Organisation" || got.Key != "ECDSA P-384" {
		t.Errorf("%+v", got)
	}
	if needsOpenSSL := func() bool { _, err := tryRun("openssl", "version"); return err == nil }; needsOpenSSL() {
		path := writeFile(t, t.TempDir(), "c.pem", pemCerts(c))
		want := string(run(t, "openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256", "-serial"))
		want += string(run(t, "openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha1"))
		for _, s := range []string{"Fingerprint=" + got.Fingerprint, "serial=" + got.Serial, "Fingerprint=" + got.SHA1} {
			if !strings.Contains(want, s+"\n") {
				t.Errorf("%+v, but openssl says %s", got, want)
			}
		}
	}
}

func TestParseCertificates(t *testing.T) {
	t.Parallel()
	ca := theCA()
	both := pemCerts(ca.root, ca.inter)
	for name, in := range map[string][]byte{
		"pem":           both,
		"pem with text": append([]byte("\xef\xbb\xbfsubject: x\r\n"), append(pemKey(p256()), both...)...),
		"der":           append(append([]byte{}, ca.root.Raw...), ca.inter.Raw...),
	} {
		got, err := ParseCertificates(in)
		if err != nil || len(got) != 2 || !got[0].Equal(ca.root) || !got[1].Equal(ca.inter) {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
	}
	for name, in := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "only a key": pemKey(p256()), "cut der": ca.root.Raw[:50],
		"damaged": []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
	} {
		if _, err := ParseCertificates(in); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseCertificates(make([]byte, MaxCertificatesSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}
