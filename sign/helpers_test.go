package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One moment for the whole run: openssl looks at the real clock, so it cannot be fixed.
var testNow = time.Now().UTC().Truncate(time.Second)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func rsaKey(bits int) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, bits)) })
}

func ecKey(c elliptic.Curve) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(c, rand.Reader)) })
}

var (
	rsa2048  = rsaKey(2048)
	rsaOther = rsaKey(2048)
	rsa1024  = rsaKey(1024)
	p256     = ecKey(elliptic.P256())
	p256b    = ecKey(elliptic.P256())
	p384     = ecKey(elliptic.P384())
	p521     = ecKey(elliptic.P521())
)

var allKeys = []struct {
	name string
	key  func() crypto.Signer
}{{"rsa-2048", rsa2048}, {"p-256", p256}, {"p-384", p384}}

// testCA has a root and an intermediate that issues.
type testCA struct {
	root, inter *x509.Certificate
	interKey    crypto.Signer
}

var lastSerial atomic.Int64

func template(cn string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0x1000 + lastSerial.Add(1)),
		Subject:      pkix.Name{CommonName: cn, Organization: []string{"socbatch test"}, Country: []string{"BE"}},
		NotBefore:    testNow.Add(-24 * time.Hour),
		NotAfter:     testNow.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageContentCommitment,
	}
}

func issue(tmpl, parent *x509.Certificate, pub crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, parent, pub, by))))
}

func newTestCA(name string) *testCA {
	ca := func(cn string) *x509.Certificate {
		t := template(cn)
		t.IsCA, t.BasicConstraintsValid = true, true
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		return t
	}
	rootKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	interKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := ca(name + " Root")
	root := issue(t, t, rootKey.Public(), rootKey)
	return &testCA{root: root, inter: issue(ca(name+" Issuing"), root, interKey.Public(), rootKey), interKey: interKey}
}

var theCA = sync.OnceValue(func() *testCA { return newTestCA("Test") })

func (ca *testCA) issue(key crypto.Signer, change ...func(*x509.Certificate)) *x509.Certificate {
	t := template("Jan Janssens (Signature)")
	for _, f := range change {
		f(t)
	}
	return issue(t, ca.inter, key.Public(), ca.interKey)
}

func (ca *testCA) chain() []*x509.Certificate { return []*x509.Certificate{ca.inter, ca.root} }

func (ca *testCA) identity(t testing.TB, key crypto.Signer, change ...func(*x509.Certificate)) *Identity {
	t.Helper()
	id, err := NewIdentity(key, ca.issue(key, change...), ca.chain())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// trusting gives options that trust ca.
func (ca *testCA) trusting() VerifyOptions {
	return VerifyOptions{Roots: pool(ca.root), Intermediates: pool(ca.inter), Now: testNow}
}

func signBytes(t testing.TB, id *Identity, content []byte, opts Options) []byte {
	t.Helper()
	if opts.SigningTime.IsZero() {
		opts.SigningTime = testNow
	}
	der, _, err := Sign(t.Context(), bytes.NewReader(content), id, opts)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func wantReason(t testing.TB, err, reason error) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Fatalf("got error %v, want %v", err, reason)
	}
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("%v is a %T, want *Error", err, err)
	}
}

func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s, which is not installed here", name)
	}
}

// run runs a tool and gives its standard output.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, err := tryRun(name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return out
}

func tryRun(name string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, errors.New(err.Error() + ": " + stderr.String())
	}
	return stdout.Bytes(), nil
}

func writeFile(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemCerts(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}

func pemKey(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

// contents are the inputs that verifiers treat differently.
var contents = []struct {
	name string
	data []byte
}{
	{"empty", nil},
	{"lf", []byte("<?xml version=\"1.0\"?>\n<DmfAOriginal>\n</DmfAOriginal>\n")},
	{"crlf", []byte("<?xml version=\"1.0\"?>\r\n<DmfAOriginal>\r\n</DmfAOriginal>\r\n")},
	{"mixed", []byte("a\r\nb\nc\rd\r\r\n\n")},
	{"binary", bytes.Repeat([]byte{0, 1, 2, 0xff, '\n', 0x1a, '\r', 0}, 20000)},
	{"bom", []byte("\xef\xbb\xbf<Dimona/>\r\n")},
	{"mime lookalike", []byte("Content-Type: text/plain\r\n\r\n--x\r\n")},
}
