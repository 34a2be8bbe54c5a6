package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.mozilla.org/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const signedText = "<DmfAOriginal/>\r\n"

// forgery builds a SignedData with anything wrong in it. Its zero value, filled by
// newForgery, is right; every field can be changed before build.
type forgery struct {
	key         crypto.Signer
	certs       [][]byte
	certsFirst  []byte // raw, before the certificates
	outerType   asn1.ObjectIdentifier
	version     int64
	digestOID   asn1.ObjectIdentifier
	listed      []asn1.ObjectIdentifier // digestAlgorithms; default digestOID
	hash        crypto.Hash
	contentType asn1.ObjectIdentifier
	embedded    []byte
	crls        bool
	signers     int
	keyID       bool // subjectKeyIdentifier instead of issuer and serial number
	siVersion   int64
	issuer      []byte
	serial      *big.Int
	attrs       [][]byte // nil: none at all
	rawAttrs    []byte   // instead of the sorted attrs
	sigOID      asn1.ObjectIdentifier
	sigParams   []byte
	unsigned    [][]byte
	alter       func(sig []byte)
	tail        []byte // inside SignerInfo
}

func attr(oid asn1.ObjectIdentifier, values ...any) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			for _, v := range values {
				b.AddBytes(must(asn1.Marshal(v)))
			}
		})
	})
	return b.BytesOrPanic()
}

func newForgery(cert *x509.Certificate, key crypto.Signer, content string) *forgery {
	h := crypto.SHA256.New()
	io.WriteString(h, content)
	f := &forgery{
		key: key, certs: [][]byte{cert.Raw}, outerType: oidSignedData, version: 1,
		digestOID: pkcs7.OIDDigestAlgorithmSHA256, hash: crypto.SHA256, contentType: oidPKCS7Data,
		signers: 1, siVersion: 1, issuer: cert.RawIssuer, serial: cert.SerialNumber,
		attrs: [][]byte{
			attr(oidContentType, oidPKCS7Data),
			attr(oidSigningTime, testNow),
			attr(oidMessageDigest, h.Sum(nil)),
		},
		sigOID: pkcs7.OIDEncryptionAlgorithmRSA, sigParams: []byte{5, 0},
	}
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		f.sigOID, f.sigParams = pkcs7.OIDDigestAlgorithmECDSASHA256, nil
	}
	return f
}

func (f *forgery) setAttr(i int, a []byte) { f.attrs[i] = a }

func (f *forgery) build() []byte {
	algorithm := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, params []byte) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddBytes(params)
		})
	}
	attrs := f.rawAttrs
	if attrs == nil {
		sorted := slices.Clone(f.attrs)
		slices.SortFunc(sorted, bytes.Compare)
		attrs = bytes.Join(sorted, nil)
	}
	toSign := append(append([]byte{tagSet}, derLength(len(attrs))...), attrs...)
	if f.attrs == nil {
		toSign = []byte(signedText)
	}
	sig := must(f.key.Sign(rand.Reader, sum(f.hash.New(), toSign), f.hash))
	if f.alter != nil {
		f.alter(sig)
	}
	signer := func(b *cryptobyte.Builder) {
		b.AddASN1Int64(f.siVersion)
		if f.keyID {
			b.AddASN1(context0, func(b *cryptobyte.Builder) { b.AddBytes([]byte("keyid")) })
		} else {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(f.issuer)
				b.AddASN1BigInt(f.serial)
			})
		}
		algorithm(b, f.digestOID, []byte{5, 0})
		if f.attrs != nil {
			b.AddASN1(context0Cons, func(b *cryptobyte.Builder) { b.AddBytes(attrs) })
		}
		algorithm(b, f.sigOID, f.sigParams)
		b.AddASN1OctetString(sig)
		if f.unsigned != nil {
			b.AddASN1(context1Cons, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(f.unsigned, nil)) })
		}
		b.AddBytes(f.tail)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(f.outerType)
		b.AddASN1(context0Cons, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(f.version)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					listed := f.listed
					if listed == nil {
						listed = []asn1.ObjectIdentifier{f.digestOID}
					}
					for _, oid := range listed {
						algorithm(b, oid, []byte{5, 0})
					}
				})
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(f.contentType)
					if f.embedded != nil {
						b.AddASN1(context0Cons, func(b *cryptobyte.Builder) { b.AddASN1OctetString(f.embedded) })
					}
				})
				if len(f.certs) > 0 {
					b.AddASN1(context0Cons, func(b *cryptobyte.Builder) {
						b.AddBytes(f.certsFirst)
						b.AddBytes(bytes.Join(f.certs, nil))
					})
				}
				if f.crls {
					b.AddASN1(context1Cons, func(b *cryptobyte.Builder) {})
				}
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					for range f.signers {
						b.AddASN1(cbasn1.SEQUENCE, signer)
					}
				})
			})
		})
	})
	return b.BytesOrPanic()
}

// Every refusal, once for RSA and once for ECDSA.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	ca := theCA()
	for _, tt := range []struct {
		name   string
		change func(*forgery)
		want   error
	}{
		{"nothing wrong", func(f *forgery) {}, nil},
		{"chain included", func(f *forgery) { f.certs = append(f.certs, ca.inter.Raw, ca.root.Raw) }, nil},
		{"signer last", func(f *forgery) { f.certs = append([][]byte{ca.root.Raw, ca.inter.Raw}, f.certs...) }, nil},
		{"attribute certificate beside", func(f *forgery) { f.certsFirst = []byte{0xa1, 2, 5, 0}; f.version = 3 }, nil},
		{"unreadable certificate beside", func(f *forgery) { f.certs = append(f.certs, []byte{0x30, 0}) }, nil},
		{"time stamp", func(f *forgery) {
			f.unsigned = [][]byte{attr(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}, []byte("token"))}
		}, nil},
		{"revocation list", func(f *forgery) { f.crls = true }, nil},
		{"more signed attributes", func(f *forgery) {
			f.attrs = append(f.attrs, attr(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}, []byte("x"), []byte("y")))
		}, nil},
		{"no signing time", func(f *forgery) { f.attrs = slices.Delete(f.attrs, 1, 2) }, nil},
		{"signing time within the skew", func(f *forgery) { f.setAttr(1, attr(oidSigningTime, testNow.Add(ClockSkew))) }, nil},
		{"attributes unsorted but signed so", func(f *forgery) { f.rawAttrs = bytes.Join([][]byte{f.attrs[2], f.attrs[0], f.attrs[1]}, nil) }, nil},
		{"another certificate of the same name and number first", func(f *forgery) {
			f.certs = append([][]byte{impostor(f)}, f.certs...)
		}, nil},

		{"other structure", func(f *forgery) { f.outerType = oidPKCS7Data }, ErrMalformed},
		{"version 0", func(f *forgery) { f.version = 0 }, ErrVersion},
		{"version 6", func(f *forgery) { f.version = 6 }, ErrVersion},
		{"signer version 3", func(f *forgery) { f.siVersion = 3 }, ErrVersion},
		{"key identifier", func(f *forgery) { f.keyID = true; f.siVersion = 3 }, ErrSignerID},
		{"no signer", func(f *forgery) { f.signers = 0 }, ErrNoSigner},
		{"two signers", func(f *forgery) { f.signers = 2 }, ErrSeveralSigners},
		{"content inside", func(f *forgery) { f.embedded = []byte(signedText) }, ErrNotDetached},
		{"other content inside", func(f *forgery) { f.embedded = []byte("x") }, ErrNotDetached},
		{"empty content inside", func(f *forgery) { f.embedded = []byte{} }, ErrNotDetached},
		{"content type outside", func(f *forgery) { f.contentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4} }, ErrContentType},
		{"content type attribute", func(f *forgery) { f.setAttr(0, attr(oidContentType, oidSignedData)) }, ErrContentType},
		{"no attributes", func(f *forgery) { f.attrs = nil }, ErrNoSignedAttributes},
		{"empty attributes", func(f *forgery) { f.attrs = [][]byte{} }, ErrNoSignedAttributes},
		{"no content type", func(f *forgery) { f.attrs = f.attrs[1:] }, ErrNoSignedAttributes},
		{"no message digest", func(f *forgery) { f.attrs = f.attrs[:2] }, ErrNoSignedAttributes},
		{"content type twice", func(f *forgery) { f.attrs = append(f.attrs, f.attrs[0]) }, ErrSignedAttributes},
		{"message digest twice", func(f *forgery) { f.attrs = append(f.attrs, attr(oidMessageDigest, make([]byte, 32))) }, ErrSignedAttributes},
		{"two content types", func(f *forgery) { f.setAttr(0, attr(oidContentType, oidPKCS7Data, oidSignedData)) }, ErrSignedAttributes},
		{"two message digests", func(f *forgery) { f.setAttr(2, attr(oidMessageDigest, make([]byte, 32), make([]byte, 32))) }, ErrSignedAttributes},
		{"message digest of another type", func(f *forgery) { f.setAttr(2, attr(oidMessageDigest, 7)) }, ErrSignedAttributes},
		{"attribute without value", func(f *forgery) { f.setAttr(1, attr(oidSigningTime)) }, ErrSignedAttributes},
		{"two signing times", func(f *forgery) { f.setAttr(1, attr(oidSigningTime, testNow, testNow)) }, ErrSignedAttributes},
		{"signing time as text", func(f *forgery) { f.setAttr(1, attr(oidSigningTime, "yesterday")) }, ErrSignedAttributes},
		{"signing time zero", func(f *forgery) {
			f.setAttr(1, attr(oidSigningTime, asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte("00010101000000Z")}))
		}, ErrSignedAttributes},
		{"attributes are something else", func(f *forgery) { f.rawAttrs = []byte{5, 0} }, ErrSignedAttributes},
		{"attribute too long", func(f *forgery) { f.rawAttrs = []byte{0x30, 2, 5, 0} }, ErrSignedAttributes},
		{"sha-1", func(f *forgery) { f.digestOID = pkcs7.OIDDigestAlgorithmSHA1 }, ErrAlgorithm},
		{"md5", func(f *forgery) { f.digestOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5} }, ErrAlgorithm},
		{"signature with sha-1", func(f *forgery) { f.sigOID = pkcs7.OIDEncryptionAlgorithmRSASHA1 }, ErrAlgorithm},
		{"rsa-pss", func(f *forgery) { f.sigOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} }, ErrAlgorithm},
		{"parameters", func(f *forgery) { f.sigParams = []byte{2, 1, 1} }, ErrAlgorithm},
		{"digest not announced", func(f *forgery) { f.listed = []asn1.ObjectIdentifier{pkcs7.OIDDigestAlgorithmSHA512} }, ErrMalformed},
		{"other digest than announced by the signature", func(f *forgery) { f.sigOID = pkcs7.OIDDigestAlgorithmECDSASHA384 }, ErrAlgorithm},
		{"something in the signer", func(f *forgery) { f.tail = []byte{5, 0} }, ErrMalformed},
		{"altered signature", func(f *forgery) { f.alter = func(sig []byte) { sig[len(sig)-1] ^= 1 } }, ErrBadSignature},
		{"no certificate", func(f *forgery) { f.certs = nil }, ErrNoSignerCertificate},
		{"other certificates only", func(f *forgery) { f.certs = [][]byte{ca.inter.Raw, ca.root.Raw} }, ErrNoSignerCertificate},
		{"other serial number", func(f *forgery) { f.serial = big.NewInt(1) }, ErrNoSignerCertificate},
		{"other issuer", func(f *forgery) { f.issuer = ca.root.RawSubject }, ErrNoSignerCertificate},
		{"only an impostor", func(f *forgery) { f.certs = [][]byte{impostor(f)} }, ErrBadSignature},
		{"too many certificates", func(f *forgery) { f.certs = slices.Repeat(f.certs, maxCertificates+1) }, ErrMalformed},
		{"future", func(f *forgery) { f.setAttr(1, attr(oidSigningTime, testNow.Add(ClockSkew+time.Second))) }, ErrSigningTime},
		{"before the certificate", func(f *forgery) { f.setAttr(1, attr(oidSigningTime, testNow.Add(-25*time.Hour))) }, ErrSigningTime},
	} {
		for _, key := range []func() crypto.Signer{rsa2048, p256} {
			f := newForgery(ca.issue(key()), key(), signedText)
			tt.change(f)
			fs := f.build()
			for name, form := range map[string][]byte{"der": fs, "text": EncodeText(fs, Text64CRLF), "ber": toBEROutside(fs)} {
				sig, err := Verify(strings.NewReader(signedText), form, ca.trusting())
				if !errors.Is(err, tt.want) {
					t.Errorf("%s, %s, %T: %v, want %v", tt.name, name, key(), err, tt.want)
				}
				if err != nil {
					wantReason(t, err, tt.want)
					if sig.Signer != nil {
						t.Errorf("%s: a signer beside an error", tt.name)
					}
				} else if sig.UnsignedAttributes != (f.unsigned != nil) || sig.Digest != "SHA-256" || len(sig.Chain) != 3 {
					t.Errorf("%s: %+v", tt.name, sig)
				}
			}
		}
	}
}

// impostor is a certificate with the name, issuer and number of the forgery's own, but
// another key.
func impostor(f *forgery) []byte {
	own := must(x509.ParseCertificate(f.certs[0]))
	key := p256b()
	if isRSA(own) {
		key = rsaOther()
	}
	t := template("Impostor")
	t.SerialNumber = own.SerialNumber
	parent := &x509.Certificate{Subject: own.Issuer, RawSubject: own.RawIssuer}
	return issue(t, parent, key.Public(), key).Raw
}

// toBEROutside gives the outermost element an indefinite length, as some replies have.
func toBEROutside(der []byte) []byte {
	_, body, err := readElement(der)
	if err != nil {
		panic(err)
	}
	return append(append([]byte{0x30, 0x80}, body...), 0, 0)
}

func TestVerifyRefusesSigners(t *testing.T) {
	t.Parallel()
	ca, other := theCA(), newTestCA("Test") // the same names, other keys
	usage := func(u x509.KeyUsage, ext ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = u, ext }
	}
	none := func(*x509.Certificate) {}
	signature := x509.KeyUsageDigitalSignature
	for _, tt := range []struct {
		name string
		key  func() crypto.Signer
		ca   *testCA
		cert func(*x509.Certificate)
		now  time.Duration
		want error
	}{
		{"good", p256, ca, none, 0, nil},
		{"mail", p256, ca, usage(signature, x509.ExtKeyUsageEmailProtection), 0, nil},
		{"client", p256, ca, usage(signature, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth), 0, nil},
		{"any purpose", p256, ca, usage(signature, x509.ExtKeyUsageAny), 0, nil},
		{"own purpose", p256, ca, func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 10, 3, 12}}
		}, 0, nil},
		{"another ca", p256, other, none, 0, ErrUntrusted},
		{"tls server", p256, ca, usage(signature, x509.ExtKeyUsageServerAuth), 0, ErrKeyUsage},
		{"time stamps", p256, ca, usage(signature, x509.ExtKeyUsageTimeStamping), 0, ErrKeyUsage},
		{"encryption", p256, ca, usage(x509.KeyUsageKeyAgreement), 0, ErrKeyUsage},
		{"expired since", p256, ca, none, 25 * time.Hour, ErrExpired},
		{"not yet valid", p256, ca, func(c *x509.Certificate) { c.NotBefore = testNow.Add(time.Minute) }, 0, ErrNotYetValid},
		{"short key", rsa1024, ca, none, 0, ErrKeyTooShort},
	} {
		f := newForgery(tt.ca.issue(tt.key(), tt.cert), tt.key(), signedText)
		f.certs = append(f.certs, tt.ca.inter.Raw, tt.ca.root.Raw)
		opts := ca.trusting()
		opts.Now = testNow.Add(tt.now)
		if _, err := Verify(strings.NewReader(signedText), f.build(), opts); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}

	self := template("Self")
	f := newForgery(issue(self, self, p256().Public(), p256()), p256(), signedText)
	_, err := Verify(strings.NewReader(signedText), f.build(), ca.trusting())
	wantReason(t, err, ErrUntrusted)
}

func TestVerifyTrust(t *testing.T) {
	t.Parallel()
	ca := theCA()
	id := ca.identity(t, p384())
	der := signBytes(t, id, []byte(signedText), Options{})
	other := ca.issue(p384()) // the same key, another certificate
	for _, tt := range []struct {
		name string
		opts VerifyOptions
		want error
	}{
		{"nothing", VerifyOptions{}, ErrNoTrust},
		{"only intermediates", VerifyOptions{Intermediates: pool(ca.inter)}, ErrNoTrust},
		{"skip", VerifyOptions{SkipChain: true}, nil},
		{"registered", VerifyOptions{Registered: id.Certificate()}, nil},
		{"registered another", VerifyOptions{Registered: other}, ErrNotRegistered},
		{"registered another, chain skipped", VerifyOptions{Registered: other, SkipChain: true}, ErrNotRegistered},
		{"registered and roots", VerifyOptions{Registered: id.Certificate(), Roots: pool(ca.root), Intermediates: pool(ca.inter)}, nil},
		{"registered and other roots", VerifyOptions{Registered: id.Certificate(), Roots: pool(newTestCA("X").root)}, ErrUntrusted},
		{"no roots", VerifyOptions{Roots: pool()}, ErrUntrusted},
		{"intermediate missing", VerifyOptions{Roots: pool(ca.root)}, ErrUntrusted},
		{"the leaf itself", VerifyOptions{Roots: pool(id.Certificate())}, nil},
	} {
		for _, now := range []time.Time{{}, testNow} { // zero is the present, in which everything is valid too
			tt.opts.Now = now
			if _, err := Verify(strings.NewReader(signedText), der, tt.opts); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
	}
	before := ca.trusting()
	_ = must(Verify(strings.NewReader(signedText), signBytes(t, id, []byte(signedText), Options{IncludeChain: true}), before))
	if !before.Intermediates.Equal(pool(ca.inter)) {
		t.Error("the caller's pool was changed")
	}
}

func TestVerifySentForm(t *testing.T) {
	t.Parallel()
	ca := theCA()
	build := func(change func(*forgery)) []byte {
		f := newForgery(ca.issue(p256()), p256(), signedText)
		change(f)
		return f.build()
	}
	for _, tt := range []struct {
		name string
		fs   []byte
		want error
	}{
		{"good", build(func(f *forgery) {}), nil},
		{"ber", toBEROutside(build(func(f *forgery) {})), ErrNotDER},
		{"unsorted", build(func(f *forgery) { f.rawAttrs = bytes.Join([][]byte{f.attrs[2], f.attrs[0], f.attrs[1]}, nil) }), ErrNotDER},
		{"version 3", build(func(f *forgery) { f.version = 3 }), ErrVersion},
		{"revocation list", build(func(f *forgery) { f.crls = true }), ErrCRLs},
		{"time stamp", build(func(f *forgery) { f.unsigned = [][]byte{attr(oidSigningTime, testNow)} }), ErrUnsignedAttributes},
		{"no signing time", build(func(f *forgery) { f.attrs = slices.Delete(f.attrs, 1, 2) }), ErrNoSignedAttributes},
	} {
		opts := ca.trusting()
		opts.SentForm = true
		_, err := Verify(strings.NewReader(signedText), tt.fs, opts)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		opts.SentForm, opts.ForbidUnsignedAttributes = false, true
		_, err = Verify(strings.NewReader(signedText), tt.fs, opts)
		if forbidden := tt.name == "time stamp"; errors.Is(err, ErrUnsignedAttributes) != forbidden || !forbidden && err != nil {
			t.Errorf("%s, unsigned attributes forbidden: %v", tt.name, err)
		}
	}
}

// What a general-purpose library accepts.
func TestVerifyAttributeContentConfusion(t *testing.T) {
	t.Parallel()
	ca := theCA()
	f := newForgery(ca.issue(rsa2048()), rsa2048(), signedText)
	sd := must(parseSignedData(f.build()))
	// The signature over the attributes, presented as one over content without attributes.
	confused := *f
	confused.attrs = nil
	confused.alter = func(sig []byte) { copy(sig, sd.signature) }
	fs := confused.build()
	p7 := must(pkcs7.Parse(fs))
	p7.Content = sd.signedAttrs
	if err := p7.Verify(); err != nil {
		t.Fatalf("the library refuses it (%v): the test proves nothing", err)
	}
	_, err := Verify(bytes.NewReader(sd.signedAttrs), fs, ca.trusting())
	wantReason(t, err, ErrNoSignedAttributes)
}

func TestVerifyContent(t *testing.T) {
	t.Parallel()
	ca := theCA()
	der := signBytes(t, ca.identity(t, p256()), []byte(signedText), Options{})
	for _, other := range []string{"", signedText + " ", signedText[1:], strings.ReplaceAll(signedText, "\r\n", "\n")} {
		_, err := Verify(strings.NewReader(other), der, ca.trusting())
		wantReason(t, err, ErrDigestMismatch)
	}
	if _, err := Verify(iotest.OneByteReader(strings.NewReader(signedText)), der, ca.trusting()); err != nil {
		t.Error(err)
	}
	boom := errors.New("disk on fire")
	if _, err := Verify(iotest.ErrReader(boom), der, ca.trusting()); !errors.Is(err, boom) {
		t.Error(err)
	}
	// A signature of the wrong form is refused without a look at the content.
	_, err := Verify(iotest.ErrReader(boom), []byte("hello"), ca.trusting())
	wantReason(t, err, ErrText)
}

func TestVerifyDamage(t *testing.T) {
	t.Parallel()
	ca := theCA()
	der := signBytes(t, ca.identity(t, p256()), []byte(signedText), Options{IncludeChain: true})
	opts := ca.trusting()
	for _, tail := range []string{"\x00", "\n", "0", "\x30\x00", string(der)} {
		for _, fs := range [][]byte{append(bytes.Clone(der), tail...), EncodeText(append(bytes.Clone(der), tail...), TextOneLine)} {
			_, err := Verify(strings.NewReader(signedText), fs, opts)
			wantReason(t, err, ErrTrailingData)
		}
	}
	for n := range der {
		if _, err := Verify(strings.NewReader(signedText), der[:n], opts); err == nil {
			t.Fatalf("the first %d of %d bytes verify", n, len(der))
		}
	}
	// A flipped bit is refused, or it hit what no signature protects: the order and
	// choice of certificates beside the signer's.
	opts.SentForm = true
	signer := must(Verify(strings.NewReader(signedText), der, opts)).Signer
	inter := bytes.Index(der, ca.inter.Raw)
	for i := range der {
		bad := bytes.Clone(der)
		bad[i] ^= 1 << (i % 8)
		sig, err := Verify(strings.NewReader(signedText), bad, opts)
		if err == nil && (i < inter || i >= inter+len(ca.inter.Raw)) {
			t.Errorf("bit flipped in byte %d of %d: verifies as by %v", i, len(der), sig.Signer.Subject)
		}
		if err == nil && !sig.Signer.Equal(signer) {
			t.Errorf("bit flipped in byte %d: another signer", i)
		}
	}
}

func TestVerifyHostileSizes(t *testing.T) {
	t.Parallel()
	ca := theCA()
	for _, fs := range map[string][]byte{
		"endless nesting":  bytes.Repeat([]byte{0x30, 0x80}, MaxSignatureSize/2),
		"nested sequences": nestedSequences(MaxSignatureSize - 64),
		"many elements":    append([]byte{0x30, 0x83, 0x0f, 0xff, 0x00}, bytes.Repeat([]byte{5, 0}, 0x0fff00/2)...),
		"octets in pieces": append([]byte{0x30, 0x80}, bytes.Repeat([]byte{0x24, 0x80}, 1000)...),
	} {
		_, err := Verify(strings.NewReader(""), fs, ca.trusting())
		wantReason(t, err, ErrMalformed)
	}
	_, err := Verify(strings.NewReader(""), make([]byte, MaxSignatureSize+1), ca.trusting())
	wantReason(t, err, ErrTooLarge)

	// A certificate whose key would take minutes is not used at all.
	f := newForgery(ca.issue(p256()), p256(), signedText)
	f.certs = [][]byte{hugeKeyCertificate(ca, f.serial)}
	_, err = Verify(strings.NewReader(signedText), f.build(), ca.trusting())
	wantReason(t, err, ErrNoSignerCertificate)
}

func nestedSequences(size int) []byte {
	var heads [][]byte
	n := 0
	for n < size {
		h := append([]byte{0x30}, derLength(n)...)
		heads, n = append(heads, h), n+len(h)
	}
	slices.Reverse(heads)
	return bytes.Join(heads, nil)
}

// hugeKeyCertificate puts an RSA key of 100,000 bits into a certificate.
func hugeKeyCertificate(ca *testCA, serial *big.Int) []byte {
	t := template("Huge")
	t.SerialNumber = serial
	n := new(big.Int).Lsh(big.NewInt(1), 100_000)
	n.SetBit(n, 0, 1)
	cert := ca.issue(rsa2048(), func(c *x509.Certificate) { c.SerialNumber = serial })
	var key cryptobyte.Builder
	key.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1BigInt(n); b.AddASN1Int64(65537) })
	var tbs struct {
		Raw     asn1.RawContent
		Version asn1.RawValue
		Serial  *big.Int
		Alg     asn1.RawValue
		Issuer  asn1.RawValue
		Valid   asn1.RawValue
		Subject asn1.RawValue
		Key     struct {
			Alg asn1.RawValue
			Key asn1.BitString
		}
		Rest asn1.RawValue
	}
	must(asn1.Unmarshal(cert.RawTBSCertificate, &tbs))
	tbs.Raw = nil
	raw := key.BytesOrPanic()
	tbs.Key.Key = asn1.BitString{Bytes: raw, BitLength: len(raw) * 8}
	out := must(asn1.Marshal(struct {
		TBS any
		Alg asn1.RawValue
		Sig asn1.BitString
	}{tbs, tbs.Alg, asn1.BitString{Bytes: []byte{1}, BitLength: 8}}))
	must(x509.ParseCertificate(out))
	return out
}

// SHA-1 as OpenSSL makes it, and other digests and keys.
func TestVerifyOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	ca := theCA()
	for _, tt := range []struct {
		name   string
		key    func() crypto.Signer
		flags  []string
		digest string
		want   error
	}{
		{"smime sha-1", rsa2048, []string{"smime", "-md", "sha1"}, "", ErrAlgorithm},
		{"cms sha-1", p256, []string{"cms", "-md", "sha1"}, "", ErrAlgorithm},
		{"smime with capabilities", rsa2048, []string{"smime", "-md", "sha256"}, "SHA-256", nil},
		{"smime sha-512", rsa2048, []string{"smime", "-md", "sha512"}, "SHA-512", nil},
		{"cms sha-384", rsa2048, []string{"cms", "-md", "sha384"}, "SHA-384", nil},
		{"cms cades", p384, []string{"cms", "-md", "sha384", "-cades"}, "SHA-384", nil},
		{"cms p-256", p256, []string{"cms", "-md", "sha256"}, "SHA-256", nil},
		{"cms p-521", p521, []string{"cms", "-md", "sha512"}, "SHA-512", nil},
		{"pss", rsa2048, []string{"cms", "-md", "sha256", "-pss"}, "", ErrAlgorithm},
		{"no attributes", rsa2048, []string{"smime", "-md", "sha256", "-noattr"}, "", ErrNoSignedAttributes},
		{"no certificate", rsa2048, []string{"smime", "-md", "sha256", "-nocerts"}, "", ErrNoSignerCertificate},
		{"not detached", rsa2048, []string{"smime", "-md", "sha256", "-nodetach"}, "", ErrNotDetached},
		{"indefinite lengths, content in pieces", rsa2048, []string{"cms", "-md", "sha256", "-stream"}, "", ErrNotDetached},
		{"key identifier", rsa2048, []string{"cms", "-md", "sha256", "-keyid"}, "", ErrSignerID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cert := ca.issue(tt.key(), func(c *x509.Certificate) { c.SubjectKeyId = []byte("key id") })
			args := append(slices.Clone(tt.flags),
				"-in", writeFile(t, dir, "content", []byte(signedText)),
				"-signer", writeFile(t, dir, "cert.pem", pemCerts(cert)),
				"-inkey", writeFile(t, dir, "key.pem", pemKey(tt.key())))
			if i := slices.Index(args, "-pss"); i > 0 { // an option of the signer, so it comes after
				args = append(slices.Delete(args, i, i+1), "-keyopt", "rsa_padding_mode:pss")
			}
			args = slices.Insert(args, 1, "-sign", "-binary", "-outform", "DER")
			for _, form := range []string{"DER", "PEM"} {
				args[4] = form
				fs := run(t, "openssl", args...)
				opts := ca.trusting()
				opts.Now = time.Now()
				sig, err := Verify(strings.NewReader(signedText), fs, opts)
				if !errors.Is(err, tt.want) || sig.Digest != tt.digest {
					t.Fatalf("%s: %q, %v; want %v", form, sig.Digest, err, tt.want)
				}
			}
		})
	}
}

// The library agrees about what is right, so that both cannot be wrong in one way.
func TestVerifyAgreesWithLibrary(t *testing.T) {
	t.Parallel()
	for _, k := range allKeys {
		der := signBytes(t, theCA().identity(t, k.key()), []byte(signedText), Options{})
		p7 := must(pkcs7.Parse(der))
		p7.Content = []byte(signedText)
		if err := p7.Verify(); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	err := failBy(ErrMalformed, errDeep)
	if err.Error() != "malformed signature: nested too deeply" || !errors.Is(err, errDeep) || !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if got := fail(ErrNoKey, "").Error(); got != "no private key" {
		t.Error(got)
	}
	if ConvertHint(io.EOF) != "" || ConvertHint(nil) != "" {
		t.Error("a hint from nowhere")
	}
}

func FuzzVerify(f *testing.F) {
	ca := theCA()
	for _, k := range allKeys {
		der := signBytes(f, ca.identity(f, k.key()), []byte(signedText), Options{IncludeChain: true})
		f.Add(der)
		f.Add(EncodeText(der, Text76CR))
		f.Add(toBEROutside(der))
	}
	forged := newForgery(ca.issue(p256()), p256(), signedText)
	forged.unsigned = [][]byte{attr(oidSigningTime, testNow)}
	forged.digestOID = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	f.Add(forged.build())
	// Every worker process has keys of its own, so the chain cannot be part of this.
	opts := VerifyOptions{SkipChain: true, Now: testNow}
	f.Fuzz(func(t *testing.T, fs []byte) {
		sig, err := Verify(strings.NewReader(signedText), fs, opts)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%v is a %T", err, err)
			}
			return
		}
		if sig.Signer == nil || !slices.Contains([]string{"SHA-256", "SHA-384", "SHA-512"}, sig.Digest) {
			t.Fatalf("%+v", sig)
		}
		if _, err := Verify(strings.NewReader(signedText+"x"), fs, opts); !errors.Is(err, ErrDigestMismatch) {
			t.Fatalf("verifies other content: %v", err)
		}
	})
}
