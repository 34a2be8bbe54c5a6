package sshkey

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const passphrase = "correct horse é"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signs checks that key works and belongs to the public key.
func signs(t *testing.T, key *Key, pub ssh.PublicKey) {
	t.Helper()
	if !bytes.Equal(key.PublicKey().Marshal(), pub.Marshal()) {
		t.Error("another public key")
	}
	sig, err := key.Sign(rand.Reader, []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pub.Verify([]byte("data"), sig); err != nil {
		t.Error(err)
	}
}

func TestPuTTY(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.ppk")
	if len(files) < 18 {
		t.Fatalf("only %d key files", len(files))
	}
	for _, f := range files {
		name := filepath.Base(f)
		t.Run(name, func(t *testing.T) {
			pub, comment, err := ParsePublic(read(t, name[:strings.IndexByte(name, '-')]+".pub"))
			if err != nil {
				t.Fatal(err)
			}
			data := read(t, name)
			encrypted := strings.Contains(name, "enc") || strings.Contains(name, "argon")
			if !encrypted {
				key, err := Parse(data, nil)
				if err != nil {
					t.Fatal(err)
				}
				if key.Comment != comment {
					t.Errorf("comment %q, want %q", key.Comment, comment)
				}
				signs(t, key, pub)
				changed := bytes.Replace(data, []byte("Comment: "), []byte("Comment: x"), 1)
				if _, err := Parse(changed, nil); !errors.Is(err, ErrFormat) {
					t.Errorf("changed file: %v", err)
				}
				return
			}
			if _, err := Parse(data, nil); !errors.Is(err, ErrPassphraseNeeded) {
				t.Errorf("without passphrase: %v", err)
			}
			key, err := Parse(data, []byte(passphrase))
			if strings.HasSuffix(name, "argon2d.ppk") {
				var fe *FormatError
				if !errors.As(err, &fe) || fe.Hint == "" {
					t.Errorf("argon2d: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			signs(t, key, pub)
			if _, err := Parse(data, []byte("wrong")); !errors.Is(err, ErrWrongPassphrase) {
				t.Errorf("wrong passphrase: %v", err)
			}
		})
	}
}

// generate makes keys with the programs that people use.
func generate(t *testing.T, prog string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(prog); err != nil {
		t.Skipf("no %s on this machine", prog)
	}
	if out, err := exec.Command(prog, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", prog, args, err, out)
	}
}

func TestPEM(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	generate(t, "openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", at("rsa"))
	generate(t, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", at("ec"))
	generate(t, "openssl", "genpkey", "-algorithm", "ed25519", "-out", at("ed"))
	pass := "pass:" + passphrase
	tests := []struct {
		name, from, format string
		args               []string // of openssl; none: the key as it is
		encrypted          bool
	}{
		{"PKCS#8 RSA", "rsa", "PKCS#8", nil, false},
		{"PKCS#8 EC", "ec", "PKCS#8", nil, false},
		{"PKCS#8 Ed25519", "ed", "PKCS#8", nil, false},
		{"PKCS#1", "rsa", "PKCS#1", []string{"rsa", "-traditional"}, false},
		{"PKCS#1 encrypted", "rsa", "PKCS#1", []string{"rsa", "-traditional", "-aes128", "-passout", pass}, true},
		{"PKCS#1 3DES", "rsa", "PKCS#1", []string{"rsa", "-traditional", "-des3", "-passout", pass}, true},
		{"SEC1", "ec", "SEC1", []string{"ec"}, false},
		{"SEC1 encrypted", "ec", "SEC1", []string{"ec", "-aes256", "-passout", pass}, true},
		{"PBES2 AES", "rsa", "PKCS#8", []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", pass}, true},
		{"PBES2 3DES", "ec", "PKCS#8", []string{"pkcs8", "-topk8", "-v2", "des3", "-passout", pass}, true},
		{"PBES2 scrypt", "ed", "PKCS#8", []string{"pkcs8", "-topk8", "-scrypt", "-passout", pass}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := at(tt.from)
			if len(tt.args) > 0 {
				file = filepath.Join(t.TempDir(), "key")
				generate(t, "openssl", append(append([]string{}, tt.args...), "-in", at(tt.from), "-out", file)...)
			}
			checkFile(t, file, at(tt.from), tt.format, tt.encrypted)
		})
	}
	for _, typ := range []string{"rsa", "ecdsa", "ed25519"} {
		for _, enc := range []bool{false, true} {
			t.Run("OpenSSH "+typ, func(t *testing.T) {
				f := filepath.Join(t.TempDir(), "key")
				p := ""
				if enc {
					p = passphrase
				}
				generate(t, "ssh-keygen", "-q", "-a", "1", "-t", typ, "-N", p, "-f", f)
				checkFile(t, f, "", "OpenSSH", enc)
			})
		}
	}
	for name, args := range map[string][]string{
		"PBES1":         {"-v1", "PBE-SHA1-3DES"},
		"PBES2 SHA-512": {"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"},
	} {
		t.Run(name, func(t *testing.T) {
			f := filepath.Join(t.TempDir(), "key")
			generate(t, "openssl", append(append([]string{"pkcs8", "-topk8"}, args...), "-passout", pass, "-in", at("rsa"), "-out", f)...)
			b, _ := os.ReadFile(f)
			var fe *FormatError
			if _, err := Parse(b, nil); !errors.As(err, &fe) || !strings.Contains(fe.Hint, "openssl") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// checkFile reads file in all the ways that it must be read in.
func checkFile(t *testing.T, file, original, format string, encrypted bool) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pass []byte
	if encrypted {
		pass = []byte(passphrase)
		if _, err := Parse(data, nil); !errors.Is(err, ErrPassphraseNeeded) {
			t.Errorf("without passphrase: %v", err)
		}
		for _, wrong := range []string{"wrong", ""} {
			if _, err := Parse(data, []byte(wrong)); !errors.Is(err, ErrWrongPassphrase) {
				t.Errorf("passphrase %q: %v", wrong, err)
			}
		}
	} else if _, err := Parse(data, []byte("not needed")); err != nil {
		t.Errorf("needless passphrase: %v", err)
	}
	key, err := Parse(data, pass)
	if err != nil {
		t.Fatal(err)
	}
	if key.Format != format {
		t.Errorf("format %s, want %s", key.Format, format)
	}
	var pub ssh.PublicKey
	if original != "" {
		o, _ := os.ReadFile(original)
		first, err := Parse(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		pub = first.PublicKey()
	} else {
		b, _ := os.ReadFile(file + ".pub")
		if pub, _, err = ParsePublic(b); err != nil {
			t.Fatal(err)
		}
	}
	signs(t, key, pub)
	for name, variant := range map[string][]byte{
		"BOM":    append([]byte("\xef\xbb\xbf"), data...),
		"CRLF":   bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")),
		"UTF-16": utf16LE(string(data)),
		"blank":  append([]byte("\r\n  \n"), data...),
	} {
		if k, err := Parse(variant, pass); err != nil || !bytes.Equal(k.PublicKey().Marshal(), pub.Marshal()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(data[:len(data)/2], pass); !errors.Is(err, ErrFormat) {
		t.Errorf("cut off: %v", err)
	}
}

func utf16LE(s string) []byte {
	b := []byte("\xff\xfe")
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func TestNotAKey(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skipf("cannot make a weak key: %v", err)
	}
	weak := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)})
	if _, err := Parse(weak, nil); !errors.Is(err, ErrWeakKey) || !strings.Contains(err.Error(), "1024") {
		t.Errorf("weak key: %v", err)
	}
	der := x509.MarshalPKCS1PrivateKey(small)
	tests := []struct {
		name  string
		data  string
		found string
		hint  bool
	}{
		{"empty", "", "empty", false},
		{"text", "hello", "unknown form", false},
		{"DER", string(der), "DER", true},
		{"ssh.com", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nx", "ssh.com", true},
		{"public key", string(read(t, "rsa.pub")), "a public key", true},
		{"RFC 4716", string(read(t, "rsa.rfc4716")), "a public key", true},
		{"certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "CERTIFICATE", false},
		{"DSA", "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n", "DSA", true},
		{"large", strings.Repeat("x", maxKeyBytes+1), "too large", false},
		{"PuTTY 1", "PuTTY-User-Key-File-1: ssh-rsa\n", "PuTTY", true},
	}
	for _, tt := range tests {
		_, err := Parse([]byte(tt.data), nil)
		var fe *FormatError
		if !errors.Is(err, ErrFormat) || !errors.As(err, &fe) || !strings.Contains(fe.Found, tt.found) || (fe.Hint != "") != tt.hint {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	for _, name := range []string{"rsa", "p256", "p384", "p521", "ed25519"} {
		key, comment, err := ParsePublic(read(t, name+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		if got := MarshalOpenSSH(key, comment); !bytes.Equal(got, read(t, name+".pub")) {
			t.Errorf("%s: OpenSSH form %q", name, got)
		}
		for _, c := range []string{comment, "", "two\nlines", strings.Repeat("long comment ", 20), `with "quotes"`} {
			text := MarshalRFC4716(key, c)
			for line := range strings.Lines(string(text)) {
				if len(line) > 73 {
					t.Errorf("line of %d characters", len(line))
				}
			}
			for _, variant := range [][]byte{text, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))} {
				back, got, err := ParsePublic(variant)
				if err != nil || !bytes.Equal(back.Marshal(), key.Marshal()) {
					t.Errorf("%s, comment %q: %v", name, c, err)
				}
				if want := strings.ReplaceAll(oneLine(c), `"`, "'"); strings.TrimSpace(got) != strings.TrimSpace(want) {
					t.Errorf("comment %q, want %q", got, want)
				}
			}
		}
	}
	fromPuTTY, comment, err := ParsePublic(read(t, "rsa.rfc4716"))
	if err != nil || comment != "rsa key" {
		t.Fatalf("%q, %v", comment, err)
	}
	if key, _, _ := ParsePublic(read(t, "rsa.pub")); !bytes.Equal(key.Marshal(), fromPuTTY.Marshal()) {
		t.Error("the forms differ")
	}
	for _, bad := range []string{"", "x", "ssh-rsa AAAA", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "-----BEGIN PUBLIC KEY-----\n",
		"PuTTY-User-Key-File-3: ssh-rsa"} {
		if _, _, err := ParsePublic([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// ssh-keygen understands what is written here.
	f := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(f, MarshalRFC4716(fromPuTTY, strings.Repeat("long ", 30)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("ssh-keygen"); err == nil {
		out, err := exec.Command("ssh-keygen", "-i", "-f", f).Output()
		if err != nil || !bytes.Contains(out, []byte(base64.StdEncoding.EncodeToString(fromPuTTY.Marshal()))) {
			t.Errorf("ssh-keygen -i: %v", err)
		}
	}
}

func TestAgent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("unix sockets")
	}
	ring := agent.NewKeyring()
	strong, _ := rsa.GenerateKey(rand.Reader, 2048)
	if err := ring.Add(agent.AddedKey{PrivateKey: strong}); err != nil {
		t.Fatal(err)
	}
	if weak, err := rsa.GenerateKey(rand.Reader, 1024); err == nil {
		_ = ring.Add(agent.AddedKey{PrivateKey: weak})
	}
	dir, err := os.MkdirTemp("", "a") // socket paths are short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sock := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err == nil {
			_ = agent.ServeAgent(ring, c)
			_ = c.Close()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", sock)
	a, err := DialAgent(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	signers, err := a.Signers()
	if err != nil || len(signers) != 1 {
		t.Fatalf("%d signers, %v", len(signers), err)
	}
	as, ok := signers[0].(ssh.AlgorithmSigner)
	if !ok {
		t.Fatal("cannot choose the algorithm")
	}
	for _, algorithm := range []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} {
		sig, err := as.SignWithAlgorithm(rand.Reader, []byte("data"), algorithm)
		if err != nil || sig.Format != algorithm {
			t.Errorf("%s: %+v, %v", algorithm, sig, err)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	_ = ln.Close()
	<-done
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := DialAgent(t.Context(), ""); !errors.Is(err, ErrNoAgent) {
		t.Errorf("no agent: %v", err)
	}
}

func TestCheckPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits")
	}
	f := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(f, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckPermissions(f); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(f, 0o644); err != nil {
		t.Fatal(err)
	}
	var w *PermissionWarning
	if err := CheckPermissions(f); !errors.As(err, &w) || w.Mode != 0o644 || w.Path != f {
		t.Errorf("got %v", err)
	}
	if err := CheckPermissions(f + "x"); errors.As(err, &w) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*")
	for _, name := range files {
		b := read(f, filepath.Base(name))
		if bytes.Contains(b, []byte("Argon2-Memory")) {
			b = bytes.Replace(b, []byte("Argon2-Passes: 3"), []byte("Argon2-Passes: 1"), 1)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("Argon2")) && !bytes.Contains(data, []byte("Argon2-Memory: 256\n")) {
			t.Skip("expensive by design")
		}
		if key, err := Parse(data, nil); err == nil {
			_, _ = key.Sign(rand.Reader, []byte("x"))
		}
		_, _ = Parse(data, []byte(passphrase))
		_, _, _ = ParsePublic(data)
	})
}

// FuzzPPK looks behind the MAC: whoever makes a file can make its MAC.
func FuzzPPK(f *testing.F) {
	var public []*ppkFile
	for i, name := range []string{"rsa-v2.ppk", "p256-v3.ppk", "p521-v3.ppk", "ed25519-v3.ppk"} {
		p, err := readPPK(string(read(f, name)))
		if err != nil {
			f.Fatal(err)
		}
		public = append(public, p)
		f.Add(uint8(i), p.private)
	}
	f.Add(uint8(0), []byte{0, 0, 0, 1, 5, 0, 0, 0, 1, 3, 0, 0, 0, 1, 7})
	f.Fuzz(func(t *testing.T, which uint8, private []byte) {
		if raw, err := public[int(which)%len(public)].key(private); err == nil {
			_, _ = newSigner(raw)
		}
	})
}
