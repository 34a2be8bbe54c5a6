package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSignVerifiesWithOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	ca := theCA()
	dir := t.TempDir()
	root := writeFile(t, dir, "root.pem", pemCerts(ca.root))
	both := writeFile(t, dir, "both.pem", pemCerts(ca.root, ca.inter))
	for _, k := range allKeys {
		id := ca.identity(t, k.key())
		for i, c := range contents {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				chain := i%2 == 0
				der := signBytes(t, id, c.data, Options{IncludeChain: chain})
				sig := writeFile(t, t.TempDir(), "sig", der)
				content := writeFile(t, t.TempDir(), "content", c.data)
				trusted := root
				if !chain { // smime looks for issuers in the signature and here only
					trusted = both
				}
				args := []string{"-verify", "-binary", "-inform", "DER", "-in", sig, "-content", content, "-CAfile", trusted, "-purpose", "any"}
				for _, command := range []string{"smime", "cms"} {
					if got := run(t, "openssl", append([]string{command}, args...)...); !bytes.Equal(got, c.data) {
						t.Errorf("openssl %s gave back %d bytes, want %d", command, len(got), len(c.data))
					}
				}
				args[7] = writeFile(t, t.TempDir(), "other", append([]byte("x"), c.data...))
				if _, err := tryRun("openssl", append([]string{"cms"}, args...)...); err == nil {
					t.Error("openssl accepts other content: the test proves nothing")
				}
				opts := ca.trusting()
				opts.SentForm = true
				got, err := Verify(bytes.NewReader(c.data), der, opts)
				if err != nil {
					t.Fatal(err)
				}
				if !got.Signer.Equal(id.Certificate()) || !got.SigningTime.Equal(testNow) || len(got.Chain) != 3 {
					t.Errorf("verified as %+v", got)
				}
			})
		}
	}
}

// The strongest statement about the form: OpenSSL makes the very same bytes.
func TestSignIsByteIdenticalToOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	ca := theCA()
	id := ca.identity(t, rsa2048())
	dir := t.TempDir()
	cert := writeFile(t, dir, "cert.pem", pemCerts(id.Certificate()))
	key := writeFile(t, dir, "key.pem", pemKey(rsa2048()))
	inter := writeFile(t, dir, "inter.pem", pemCerts(ca.inter))
	for _, c := range contents {
		for _, chain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/chain=%v", c.name, chain), func(t *testing.T) {
				content := writeFile(t, t.TempDir(), "content", c.data)
				args := []string{
					"smime", "-sign", "-binary", "-nosmimecap", "-md", "sha256", "-outform", "DER",
					"-in", content, "-signer", cert, "-inkey", key,
				}
				if chain {
					args = append(args, "-certfile", inter)
				}
				want := run(t, "openssl", args...)
				opts := ca.trusting()
				opts.SentForm = true
				opts.Now = time.Now()
				sig, err := Verify(bytes.NewReader(c.data), want, opts)
				if err != nil {
					t.Fatalf("openssl's own signature: %v", err)
				}
				got := signBytes(t, id, c.data, Options{SigningTime: sig.SigningTime, IncludeChain: chain})
				if !bytes.Equal(got, want) {
					t.Errorf("got\n%x\nopenssl made\n%x", got, want)
				}
			})
		}
	}
}

// ECDSA is not repeatable, but all that is signed, and how it is named, must agree.
func TestSignECDSALikeOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	for _, tt := range []struct {
		name, md string
		key      func() crypto.Signer
	}{{"p-256", "sha256", p256}, {"p-384", "sha384", p384}} {
		t.Run(tt.name, func(t *testing.T) {
			id := theCA().identity(t, tt.key())
			dir := t.TempDir()
			der := run(t, "openssl", "smime", "-sign", "-binary", "-nosmimecap", "-md", tt.md, "-outform", "DER",
				"-in", writeFile(t, dir, "content", contents[1].data),
				"-signer", writeFile(t, dir, "cert.pem", pemCerts(id.Certificate())),
				"-inkey", writeFile(t, dir, "key.pem", pemKey(tt.key())))
			theirs := must(parseSignedData(der))
			// The signature value comes last. Where both are of one length, all before must agree.
			for range 500 {
				got := signBytes(t, id, contents[1].data, Options{SigningTime: theirs.attrs.signingTime})
				n := len(der) - len(theirs.signature)
				if len(got) != len(der) {
					continue
				}
				if !bytes.Equal(got[:n], der[:n]) {
					t.Errorf("got\n%x\nopenssl made\n%x", got[:n], der[:n])
				}
				return
			}
			t.Error("no signature of that length")
		})
	}
}

func TestSignTextForOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	t.Parallel()
	der := signBytes(t, theCA().identity(t, rsa2048()), []byte("x\r\n"), Options{})
	path := writeFile(t, t.TempDir(), "der", der)
	want := run(t, "openssl", "base64", "-e", "-in", path)
	if got := bytes.ReplaceAll(EncodeText(der, Text64CRLF), []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDigestCountsLineEnds(t *testing.T) {
	t.Parallel()
	boundary := append(bytes.Repeat([]byte{'x'}, digestBlock-1), "\r\n\r\n"...)
	for _, tt := range []struct {
		name, in string
		want     LineEnds
	}{
		{"empty", "", LineEnds{}},
		{"crlf", "a\r\nb\r\n", LineEnds{CRLF: 2}},
		{"lf", "a\nb\n\n", LineEnds{LF: 3}},
		{"cr", "a\rb\r", LineEnds{CR: 2}},
		{"nul", "\x00a\x00", LineEnds{NUL: 2}},
		{"mixed", "a\r\nb\nc\rd\r\r\n\n\r", LineEnds{CRLF: 2, LF: 2, CR: 3}},
		{"only lf", "\n", LineEnds{LF: 1}},
		{"lf cr", "\n\r", LineEnds{LF: 1, CR: 1}},
		{"block boundary", string(boundary), LineEnds{CRLF: 2}},
	} {
		for _, size := range []int{1, 2, 3, 1 << 20} {
			d := NewDigest(nil)
			for p := []byte(tt.in); len(p) > 0; {
				n := min(size, len(p))
				if m, err := d.Write(p[:n]); m != n || err != nil {
					t.Fatalf("Write gave %d, %v", m, err)
				}
				p = p[n:]
			}
			got := d.Report()
			if got.LineEnds != tt.want || got.Bytes != int64(len(tt.in)) || got.SHA256 != sha256.Sum256([]byte(tt.in)) {
				t.Errorf("%s, %d bytes at a time: %+v", tt.name, size, got)
			}
			if wantClean := tt.want.LF+tt.want.CR+tt.want.NUL == 0; got.LineEnds.Clean() != wantClean {
				t.Errorf("%s: Clean = %v", tt.name, !wantClean)
			}
		}
	}
}

func TestDigestSignsLikeSign(t *testing.T) {
	t.Parallel()
	id := theCA().identity(t, rsa2048())
	data := contents[4].data
	want, rep, err := Sign(t.Context(), iotest.HalfReader(bytes.NewReader(data)), id, Options{SigningTime: testNow})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDigest(id)
	if _, err := io.Copy(io.MultiWriter(io.Discard, d), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	got, err := d.Sign(Options{SigningTime: testNow})
	if err != nil || !bytes.Equal(got, want) || d.Report() != rep {
		t.Errorf("Digest.Sign: %v, %+v; Sign: %+v", err, d.Report(), rep)
	}
	if _, err := NewDigest(nil).Sign(Options{}); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("without identity: %v", err)
	}
	if _, _, err := Sign(t.Context(), bytes.NewReader(data), nil, Options{}); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("without identity: %v", err)
	}
}

func TestSignErrors(t *testing.T) {
	t.Parallel()
	id := theCA().identity(t, p256())
	boom := errors.New("disk on fire")
	if der, _, err := Sign(t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)), id, Options{}); !errors.Is(err, boom) || der != nil {
		t.Errorf("failing reader: %v, %v", der, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if der, _, err := Sign(ctx, strings.NewReader("abc"), id, Options{}); !errors.Is(err, context.Canceled) || der != nil {
		t.Errorf("cancelled: %v, %v", der, err)
	}
	if _, _, err := Sign(t.Context(), strings.NewReader("abc"), id, Options{SigningTime: testNow.Add(48 * time.Hour)}); !errors.Is(err, ErrExpired) {
		t.Errorf("after the certificate's end: %v", err)
	}
	if _, err := NewDigest(id).Sign(Options{SigningTime: testNow.Add(-48 * time.Hour)}); !errors.Is(err, ErrNotYetValid) {
		t.Errorf("before the certificate's begin: %v", err)
	}
}

// A card that gives another form, another key or an error.
type badSigner struct {
	crypto.Signer
	sign func() ([]byte, error)
}

func (b badSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.sign() }

func TestSignForeignSigner(t *testing.T) {
	t.Parallel()
	removed := errors.New("card removed")
	for _, tt := range []struct {
		name string
		sign func() ([]byte, error)
		want error
	}{
		{"fails", func() ([]byte, error) { return nil, removed }, removed},
		{"raw r and s", func() ([]byte, error) { return make([]byte, 96), nil }, ErrBadSignature},
		{"nothing", func() ([]byte, error) { return nil, nil }, ErrBadSignature},
	} {
		for _, k := range allKeys {
			id := theCA().identity(t, badSigner{k.key(), tt.sign})
			if der, err := NewDigest(id).Sign(Options{SigningTime: testNow}); !errors.Is(err, tt.want) || der != nil {
				t.Errorf("%s, %s: %v", tt.name, k.name, err)
			}
		}
	}
}

// endless gives n bytes of lines without holding them.
type endless struct{ n int64 }

var endlessLine = bytes.Repeat([]byte("<Field>0123456789</Field>\r\n"), 4096)

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := copy(p, endlessLine)
	n = int(min(int64(n), e.n))
	e.n -= int64(n)
	return n, nil
}

// Not parallel: it looks at what the whole process allocates.
func TestLargeContentInConstantMemory(t *testing.T) {
	const size, bound = 256 << 20, 8 << 20
	id := theCA().identity(t, rsa2048())
	opts := theCA().trusting()
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	var der []byte
	n := allocated(func() {
		var rep Report
		var err error
		if der, rep, err = Sign(t.Context(), &endless{size}, id, Options{SigningTime: testNow}); err != nil || rep.Bytes != size {
			t.Fatalf("%v, %d bytes", err, rep.Bytes)
		}
	})
	if n > bound {
		t.Errorf("signing %d MiB allocated %d KiB", size>>20, n>>10)
	}
	n = allocated(func() {
		if _, err := Verify(&endless{size}, der, opts); err != nil {
			t.Fatal(err)
		}
	})
	if n > bound {
		t.Errorf("verifying %d MiB allocated %d KiB", size>>20, n>>10)
	}
}

func TestSignConcurrently(t *testing.T) {
	t.Parallel()
	for _, k := range allKeys {
		id := theCA().identity(t, k.key())
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 5 {
					content := fmt.Appendf(nil, "declaration %d/%d\r\n", g, i)
					der, _, err := Sign(context.Background(), bytes.NewReader(content), id, Options{SigningTime: testNow, IncludeChain: true})
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := Verify(bytes.NewReader(content), der, theCA().trusting()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestErrorsAndReportsNameNoSecret(t *testing.T) {
	t.Parallel()
	needTool(t, "openssl")
	p12 := opensslP12(t, p12Spec{key: p256(), certs: pemCerts(theCA().issue(p256()))})
	const secret = "Tr0ub4dor&3-secret"
	_, err := ReadPKCS12(p12, secret, testNow)
	wantReason(t, err, ErrWrongPassword)
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
		t.Errorf("error holds the password: %v", err)
	}
	if _, err := LoadPKCS12(filepath.Join(t.TempDir(), "none.p12"), secret, testNow); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func BenchmarkSign(b *testing.B) {
	for _, k := range allKeys {
		for _, size := range []int64{4 << 10, 16 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", k.name, size>>10), func(b *testing.B) {
				id := theCA().identity(b, k.key())
				b.SetBytes(size)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, _, err := Sign(context.Background(), &endless{size}, id, Options{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
	// What cannot be avoided.
	b.Run("rsa-2048/bare", func(b *testing.B) {
		key, digest := rsa2048(), make([]byte, 32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				must(key.Sign(nil, digest, crypto.SHA256))
			}
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, k := range allKeys {
		b.Run(k.name, func(b *testing.B) {
			content := bytes.Repeat([]byte("x\r\n"), 1365)
			der := signBytes(b, theCA().identity(b, k.key()), content, Options{})
			opts := theCA().trusting()
			b.ReportAllocs()
			for b.Loop() {
				must(Verify(bytes.NewReader(content), der, opts))
			}
		})
	}
}
