package sign

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"
)

const testPassword = "pa55 wörd €"

type p12Spec struct {
	key      crypto.Signer
	certs    []byte // PEM, in the order in which they go in
	password string // default testPassword
	flags    []string
}

// opensslP12 makes a file with the real openssl.
func opensslP12(t testing.TB, s p12Spec) []byte {
	t.Helper()
	needTool(t, "openssl")
	dir := t.TempDir()
	if s.password == "" {
		s.password = testPassword
	}
	out := filepath.Join(dir, "out.p12")
	args := []string{"pkcs12", "-export", "-out", out, "-passout", "pass:" + s.password}
	if s.key != nil {
		args = append(args, "-inkey", writeFile(t, dir, "key.pem", pemKey(s.key)))
	} else {
		args = append(args, "-nokeys")
	}
	args = append(args, "-in", writeFile(t, dir, "certs.pem", s.certs))
	run(t, "openssl", append(args, s.flags...)...)
	return must(os.ReadFile(out))
}

// checkIdentity proves that an identity signs with the expected certificate.
func checkIdentity(t testing.TB, id *Identity, err error, leaf *x509.Certificate, chain int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !id.Certificate().Equal(leaf) || len(id.Chain()) != chain {
		t.Fatalf("certificate of %v with chain of %d, want %v with %d",
			id.Certificate().Subject, len(id.Chain()), leaf.Subject, chain)
	}
	if err := id.Check(testNow); err != nil {
		t.Fatal(err)
	}
	der := signBytes(t, id, []byte("x"), Options{})
	if _, err := Verify(strings.NewReader("x"), der, VerifyOptions{Registered: leaf, Now: testNow, SentForm: true}); err != nil {
		t.Fatal(err)
	}
}

func TestReadPKCS12FromOpenSSL(t *testing.T) {
	t.Parallel()
	ca := theCA()
	for _, k := range allKeys {
		leaf := ca.issue(k.key())
		alone, chain := pemCerts(leaf), pemCerts(leaf, ca.inter, ca.root)
		for _, tt := range []struct {
			name  string
			spec  p12Spec
			chain int
		}{
			{"modern", p12Spec{certs: alone}, 0},
			{"modern with chain", p12Spec{certs: chain}, 2},
			{"wrong order", p12Spec{certs: pemCerts(ca.root, ca.inter, leaf)}, 2},
			{"legacy", p12Spec{certs: chain, flags: []string{"-legacy"}}, 2},
			{"legacy 3des", p12Spec{certs: chain, flags: []string{"-legacy", "-descert"}}, 2},
			{"sha-1 mac", p12Spec{certs: chain, flags: []string{"-macalg", "sha1"}}, 2},
			{"sha-384 mac", p12Spec{certs: chain, flags: []string{"-macalg", "sha384"}}, 2},
			{"sha-224 mac", p12Spec{certs: chain, flags: []string{"-macalg", "sha224"}}, 2},
			{"sha-512 mac", p12Spec{certs: chain, flags: []string{"-macalg", "sha512"}}, 2},
			{"no mac", p12Spec{certs: chain, flags: []string{"-nomac"}}, 2},
			{"nothing encrypted", p12Spec{certs: chain, flags: []string{"-keypbe", "NONE", "-certpbe", "NONE"}}, 2},
			{"many iterations", p12Spec{certs: alone, flags: []string{"-iter", "100000"}}, 0},
			{"named", p12Spec{certs: alone, flags: []string{"-name", "Jan é", "-CSP", "Microsoft Software KSP"}}, 0},
		} {
			t.Run(k.name+"/"+tt.name, func(t *testing.T) {
				tt.spec.key = k.key()
				p12 := opensslP12(t, tt.spec)
				id, err := ReadPKCS12(p12, testPassword, testNow)
				checkIdentity(t, id, err, leaf, tt.chain)

				id, err = ReadPKCS12(append(bytes.Clone(p12), '\n'), testPassword, testNow)
				checkIdentity(t, id, err, leaf, tt.chain)

				_, err = ReadPKCS12(p12, testPassword+"x", testNow)
				wantReason(t, err, ErrWrongPassword)
				if ConvertHint(err) != "" {
					t.Error("a hint to convert, for a wrong password")
				}
			})
		}
	}
}

func TestReadPKCS12EmptyPassword(t *testing.T) {
	t.Parallel()
	leaf := theCA().issue(p256())
	needTool(t, "openssl")
	dir := t.TempDir()
	out := filepath.Join(dir, "out.p12")
	for _, flags := range [][]string{nil, {"-nomac"}, {"-legacy"}} {
		run(t, "openssl", append([]string{
			"pkcs12", "-export", "-out", out, "-passout", "pass:",
			"-inkey", writeFile(t, dir, "key.pem", pemKey(p256())), "-in", writeFile(t, dir, "cert.pem", pemCerts(leaf)),
		}, flags...)...)
		id, err := LoadPKCS12(out, "", testNow)
		checkIdentity(t, id, err, leaf, 0)
		_, err = LoadPKCS12(out, "x", testNow)
		wantReason(t, err, ErrWrongPassword)
	}
}

func TestReadPKCS12FromKeytool(t *testing.T) {
	needTool(t, "keytool")
	t.Parallel()
	for _, legacy := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "store.p12")
		args := []string{
			"-genkeypair", "-keystore", path, "-storetype", "PKCS12", "-storepass", "changeit", "-alias", "me",
			"-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=Jan Janssens", "-startdate", "-1d",
		}
		if legacy {
			args = append(args, "-J-Dkeystore.pkcs12.legacy")
		}
		run(t, "keytool", args...)
		id, err := LoadPKCS12(path, "changeit", testNow)
		if err != nil {
			t.Fatal(err)
		}
		checkIdentity(t, id, err, id.Certificate(), 0)
		if cn := Describe(id.Certificate()).Owner; cn != "Jan Janssens" {
			t.Errorf("owner %q", cn)
		}
		_, err = LoadPKCS12(path, "changeme", testNow)
		wantReason(t, err, ErrWrongPassword)

		run(t, "keytool", "-genkeypair", "-keystore", path, "-storetype", "PKCS12", "-storepass", "changeit",
			"-alias", "second", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=Second")
		_, err = LoadPKCS12(path, "changeit", testNow)
		wantReason(t, err, ErrSeveralKeys)
	}
	path := filepath.Join(t.TempDir(), "store.jks")
	run(t, "keytool", "-genkeypair", "-keystore", path, "-storetype", "JKS", "-storepass", "changeit", "-keypass", "changeit",
		"-alias", "me", "-keyalg", "RSA", "-dname", "CN=Jan")
	_, err := LoadPKCS12(path, "changeit", testNow)
	wantReason(t, err, ErrEncoding)
	if !strings.Contains(ConvertHint(err), "keytool") {
		t.Errorf("hint %q", ConvertHint(err))
	}
}

// What Firefox writes, made by the library that Firefox uses.
func TestReadPKCS12FromNSS(t *testing.T) {
	needTool(t, "pk12util")
	needTool(t, "certutil")
	t.Parallel()
	ca := theCA()
	for _, k := range []func() crypto.Signer{rsa2048, p256} {
		leaf := ca.issue(k())
		dir := t.TempDir()
		db := "sql:" + dir
		in := writeFile(t, dir, "in.p12", opensslP12(t, p12Spec{
			key: k(), certs: pemCerts(leaf, ca.inter, ca.root), password: "a", flags: []string{"-name", "me"},
		}))
		run(t, "certutil", "-N", "-d", db, "--empty-password")
		run(t, "pk12util", "-i", in, "-d", db, "-W", "a")
		out := filepath.Join(dir, "out.p12")
		run(t, "pk12util", "-o", out, "-n", "me", "-d", db, "-W", "fire fox")
		if raw := must(os.ReadFile(out)); !bytes.HasPrefix(raw, []byte{0x30, 0x80}) {
			t.Fatal("pk12util wrote DER: the test proves nothing")
		}
		id, err := LoadPKCS12(out, "fire fox", testNow)
		if err != nil {
			t.Fatal(err)
		}
		checkIdentity(t, id, err, leaf, len(id.Chain()))
		if len(id.Chain()) == 0 {
			t.Error("chain lost")
		}
		_, err = LoadPKCS12(out, "firefox", testNow)
		wantReason(t, err, ErrWrongPassword)
	}
}

// toBER turns DER into the loosest BER: indefinite lengths, octet strings in pieces,
// and encrypted content in pieces under its implicit tag.
func toBER(t testing.TB, der []byte) []byte {
	t.Helper()
	var out []byte
	for in := der; len(in) > 0; {
		e, body, err := readElement(in)
		if err != nil {
			t.Fatal(err)
		}
		content := body[:e.length]
		in = body[e.length:]
		pieces := func(tag byte, content []byte) {
			half := len(content) / 2
			out = append(out, tag, 0x80)
			for _, piece := range [][]byte{content[:half], content[half:]} {
				out = append(append(append(out, tagOctets), 0x84, 0, 0, byte(len(piece)>>8), byte(len(piece))), piece...)
			}
			out = append(out, 0, 0)
		}
		switch {
		case e.constructed:
			out = append(append(append(append(out, e.tag...), 0x80), toBER(t, content)...), 0, 0)
		case e.tag[0] == tagOctets && len(content) > 40:
			pieces(tagOctetsInPieces, content)
		case e.tag[0] == 0x80 && len(content) > 40:
			pieces(0xa0, content)
		default:
			out = append(append(append(out, e.tag...), derLength(len(content))...), content...)
		}
	}
	return out
}

func TestReadPKCS12BER(t *testing.T) {
	t.Parallel()
	ca := theCA()
	leaf := ca.issue(p256())
	for _, flags := range [][]string{nil, {"-legacy"}, {"-nomac"}, {"-keypbe", "NONE", "-certpbe", "NONE"}} {
		p12 := opensslP12(t, p12Spec{key: p256(), certs: pemCerts(leaf, ca.inter), flags: flags})
		outer := toBER(t, p12)
		if slices.Contains(flags, "-nomac") { // then the inside may change as well
			p := must(openPFX(p12))
			p12 = berInside(t, p.safe)
			outer = toBER(t, p12)
		}
		for name, file := range map[string][]byte{"definite outside": p12, "all": outer, "trailing": append(outer, "\r\n"...)} {
			id, err := ReadPKCS12(file, testPassword, testNow)
			if err != nil {
				t.Fatalf("%v, %s: %v", flags, name, err)
			}
			checkIdentity(t, id, err, leaf, 1)
			_, err = ReadPKCS12(file, "wrong", testNow)
			wantReason(t, err, ErrWrongPassword)
		}
	}
}

// berInside wraps a BER form of an AuthenticatedSafe, and of the bags in it, without a MAC.
func berInside(t testing.TB, safe []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPKCS7Data)
			b.AddASN1(context0Cons, func(b *cryptobyte.Builder) { b.AddASN1OctetString(toBER(t, safe)) })
		})
	})
	return b.BytesOrPanic()
}

func TestReadPKCS12PBMAC1(t *testing.T) {
	t.Parallel()
	ca := theCA()
	leaf := ca.issue(p256())
	p12 := must(pkcs12.Modern2026.Encode(p256(), leaf, ca.chain(), testPassword))
	id, err := ReadPKCS12(p12, testPassword, testNow)
	checkIdentity(t, id, err, leaf, 2)
	_, err = ReadPKCS12(p12, "", testNow)
	wantReason(t, err, ErrWrongPassword)
}

// The library hands out the first certificate as the leaf, whatever it is.
func TestReadPKCS12LeafWhereverItStands(t *testing.T) {
	t.Parallel()
	ca := theCA()
	leaf := ca.issue(p256())
	all := []*x509.Certificate{ca.root, leaf, ca.inter}
	for range len(all) {
		all = append(all[1:], all[0])
		p12 := must(pkcs12.Modern2023.Encode(p256(), all[0], all[1:], testPassword))
		id, err := ReadPKCS12(p12, testPassword, testNow)
		checkIdentity(t, id, err, leaf, 2)
		if !id.Chain()[0].Equal(ca.inter) || !id.Chain()[1].Equal(ca.root) {
			t.Error("chain in the wrong order")
		}
	}
}

func TestReadPKCS12Renewal(t *testing.T) {
	t.Parallel()
	ca := theCA()
	until := func(from, to time.Duration) *x509.Certificate {
		return ca.issue(p256(), func(c *x509.Certificate) { c.NotBefore, c.NotAfter = testNow.Add(from), testNow.Add(to) })
	}
	old := until(-100*time.Hour, -1*time.Hour)
	short := until(-50*time.Hour, 10*time.Hour)
	long := until(-2*time.Hour, 100*time.Hour)
	future := until(50*time.Hour, 500*time.Hour)
	for _, tt := range []struct {
		name  string
		certs []*x509.Certificate
		want  *x509.Certificate
	}{
		{"lasts longest", []*x509.Certificate{short, long}, long},
		{"lasts longest, other order", []*x509.Certificate{long, short}, long},
		{"valid before expired", []*x509.Certificate{old, short}, short},
		{"valid before future", []*x509.Certificate{future, short}, short},
		{"all", []*x509.Certificate{future, old, ca.inter, long, short}, long},
	} {
		p12 := must(pkcs12.Modern2023.Encode(p256(), tt.certs[0], tt.certs[1:], testPassword))
		id, err := ReadPKCS12(p12, testPassword, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if !id.Certificate().Equal(tt.want) {
			t.Errorf("%s: took the one until %v", tt.name, id.Certificate().NotAfter)
		}
	}
}

func TestReadPKCS12Errors(t *testing.T) {
	t.Parallel()
	ca := theCA()
	encode := func(key any, certs ...*x509.Certificate) []byte {
		return must(pkcs12.Modern2023.Encode(key, certs[0], certs[1:], testPassword))
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	good := encode(p256(), ca.issue(p256()))
	for _, tt := range []struct {
		name string
		data []byte
		want error
		hint string
	}{
		{"empty", nil, ErrEncoding, ""},
		{"text", []byte("hello"), ErrEncoding, ""},
		{"pem", append([]byte("\xef\xbb\xbf\n"), pemKey(p256())...), ErrEncoding, "openssl pkcs12 -export"},
		{"jks", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}, ErrEncoding, "keytool"},
		{"a certificate", ca.root.Raw, ErrEncoding, "openssl pkcs12"},
		{"cut", good[:len(good)-1], ErrEncoding, "openssl pkcs12"},
		{"cut short", good[:5], ErrEncoding, "openssl pkcs12"},
		{"nested", bytes.Repeat([]byte{0x30, 0x80}, MaxPKCS12Size/2), ErrEncoding, "openssl pkcs12"},
		{"too large", make([]byte, MaxPKCS12Size+1), ErrTooLarge, ""},
		{"other certificate", encode(p256(), ca.issue(p256b()), ca.inter), ErrNoMatchingCertificate, ""},
		{"p-521", encode(p521(), ca.issue(p521())), ErrUnsupportedKey, ""},
		{"ed25519", encode(ed, ca.issue(ed)), ErrUnsupportedKey, ""},
		{"no key", must(pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{ca.root}, testPassword)), ErrNoKey, ""},
		{"emoji password", nil, nil, ""},
	} {
		password := testPassword
		if tt.want == nil {
			tt.data, tt.want, tt.hint, password = good, ErrEncoding, "openssl pkcs12", "🔑"
		}
		id, err := ReadPKCS12(tt.data, password, testNow)
		if err == nil {
			t.Errorf("%s: read as %v", tt.name, id.Certificate().Subject)
			continue
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if hint := ConvertHint(err); !strings.Contains(hint, tt.hint) || tt.hint == "" && hint != "" {
			t.Errorf("%s: hint %q", tt.name, hint)
		}
		if strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: %q is not one line", tt.name, err)
		}
	}
}

func TestReadPKCS12OpenSSLErrors(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	dir := t.TempDir()
	selfSigned := func(args ...string) []byte {
		key, cert := filepath.Join(dir, "k.pem"), filepath.Join(dir, "c.pem")
		run(t, "openssl", append([]string{"req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", cert}, args...)...)
		out := filepath.Join(dir, "o.p12")
		run(t, "openssl", "pkcs12", "-export", "-inkey", key, "-in", cert, "-out", out, "-passout", "pass:"+testPassword)
		return must(os.ReadFile(out))
	}
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"secp256k1", selfSigned("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), ErrUnsupportedKey},
		{"brainpool", selfSigned("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"), ErrUnsupportedKey},
		{"ed448", selfSigned("-newkey", "ed448"), ErrUnsupportedKey},
		{"rsa-pss", selfSigned("-newkey", "rsa-pss"), ErrUnsupportedKey},
		{"p-224", selfSigned("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1"), ErrUnsupportedKey},
		{"only certificates", opensslP12(t, p12Spec{certs: pemCerts(theCA().root)}), ErrNoKey},
	} {
		if _, err := ReadPKCS12(tt.data, testPassword, testNow); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// Too short to sign with: read, so that it can be described, but refused by Check.
	for _, size := range []string{"rsa:1024", "rsa:512"} {
		id, err := ReadPKCS12(selfSigned("-newkey", size), testPassword, testNow)
		if err != nil {
			t.Fatal(err)
		}
		wantReason(t, id.Check(time.Now()), ErrKeyTooShort)
	}
}

func TestReadPKCS12BoundsIterations(t *testing.T) {
	t.Parallel()
	p12 := must(pkcs12.Modern2023.WithIterations(3000).Encode(p256(), theCA().issue(p256()), nil, testPassword))
	if _, err := readPKCS12(p12, testPassword, testNow, 9000); err != nil {
		t.Errorf("9000 iterations in all: %v", err)
	}
	_, err := readPKCS12(p12, testPassword, testNow, 8999)
	wantReason(t, err, ErrEncoding)
	if !strings.Contains(err.Error(), "iterations") {
		t.Error(err)
	}
	if n := countIterations([]byte{4, 1, 'x', 2, 5, 0x7f, 0xff, 0xff, 0xff, 0xff}, 0); n != tooMany {
		t.Errorf("counted %d", n)
	}
}

func TestToDER(t *testing.T) {
	t.Parallel()
	ca := theCA()
	for _, der := range [][]byte{
		ca.root.Raw,
		must(pkcs12.Modern2023.Encode(p256(), ca.root, nil, testPassword)),
		{0x30, 0}, {4, 0}, {0xbf, 0x81, 1, 0}, {0x9f, 0x1f, 1, 7},
	} {
		got, rest, err := toDER(append(bytes.Clone(der), "rest"...))
		if err != nil || !bytes.Equal(got, der) || string(rest) != "rest" {
			t.Errorf("DER changed: %x, %q, %v", got, rest, err)
		}
		if got, rest, err = toDER(toBER(t, der)); err != nil || len(rest) > 0 || !bytes.Equal(got, der) {
			t.Errorf("BER of\n%x\nbecame\n%x, %v", der, got, err)
		}
	}
	for name, bad := range map[string][]byte{
		"empty":               {},
		"one byte":            {0x30},
		"no content":          {0x30, 1},
		"tag 0":               {0, 0},
		"length ff":           {0x30, 0xff},
		"length of length":    {0x30, 0x84, 1},
		"huge length":         {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"overflowing length":  append([]byte{0x30, 0x89, 1}, make([]byte, 8)...),
		"primitive, no end":   {4, 0x80, 0, 0},
		"no end":              {0x30, 0x80, 4, 0},
		"half an end":         {0x30, 0x80, 0},
		"end inside definite": {0x30, 2, 0, 0},
		"child too long":      {0x30, 2, 4, 1, 0},
		"string in pieces":    {0x2c, 0},
		"octets of integers":  {0x24, 3, 2, 1, 1},
		"endless tag":         {0x3f, 0xff, 0xff, 0xff, 0xff, 0xff},
		"nested":              bytes.Repeat([]byte{0x30, 0x80}, 1<<19),
	} {
		if got, _, err := toDER(bad); err == nil {
			t.Errorf("%s: became %x", name, got)
		}
	}
	// The same with definite lengths: as deep as fits in.
	deep := []byte{}
	for len(deep) < 4000 {
		deep = append(append([]byte{0x30}, derLength(len(deep))...), deep...)
	}
	if _, _, err := toDER(deep); !errors.Is(err, errDeep) {
		t.Errorf("nested: %v", err)
	}
}

func FuzzPKCS12(f *testing.F) {
	ca := theCA()
	leaf := ca.issue(p256())
	for _, enc := range []*pkcs12.Encoder{pkcs12.Modern2023, pkcs12.Modern2026, pkcs12.LegacyDES, pkcs12.LegacyRC2} {
		p12 := must(enc.WithIterations(1).Encode(p256(), leaf, []*x509.Certificate{ca.inter}, "a"))
		f.Add(p12)
		f.Add(toBER(f, p12))
	}
	plain := must(pkcs12.Passwordless.Encode(p256(), leaf, nil, ""))
	f.Add(plain)
	f.Add(berInside(f, must(openPFX(plain)).safe))
	f.Add(pemKey(p256()))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, password := range []string{"a", ""} {
			id, err := readPKCS12(data, password, testNow, 2000)
			if err != nil {
				if _, ok := errors.AsType[*Error](err); !ok {
					t.Fatalf("%v is a %T", err, err)
				}
				continue
			}
			if !samePublicKey(id.signer.Public(), id.Certificate()) {
				t.Fatal("key and certificate do not belong together")
			}
			_ = id.Check(testNow)
		}
	})
}

func FuzzToDER(f *testing.F) {
	f.Add(theCA().root.Raw)
	f.Add(toBER(f, theCA().root.Raw))
	f.Add([]byte{0x24, 0x80, 4, 1, 1, 0x24, 0x80, 4, 1, 2, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		der, rest, err := toDER(in)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(in, rest) {
			t.Fatal("rest is not the rest")
		}
		again, rest, err := toDER(der)
		if err != nil || len(rest) > 0 || !bytes.Equal(again, der) {
			t.Fatalf("%x is not a fixed point: %x, %x, %v", der, again, rest, err)
		}
	})
}
