package sshkey

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/durable"
)

func TestGenerate(t *testing.T) {
	for _, bits := range []int{0, 1024, 2047, 4095, 8192} {
		if _, err := Generate(bits); !errors.Is(err, ErrBits) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	for _, bits := range Sizes() {
		key, err := Generate(bits)
		if err != nil {
			t.Fatal(err)
		}
		if i := Describe(key.PublicKey()); i.Bits != bits || i.Type != "RSA" || !i.Registrable() {
			t.Errorf("got %+v", i)
		}
	}
}

// What is written is read again, by OpenSSH too.
func TestWriteKey(t *testing.T) {
	key, err := Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, pass := range []string{"", passphrase} {
		f := FilesOf(filepath.Join(t.TempDir(), "id"))
		if err := f.Write(&durable.Disk{}, key, "a \"b\"\ncomment", []byte(pass)); err != nil {
			t.Fatal(err)
		}
		private, err := os.ReadFile(f.Private)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(private, nil); errors.Is(err, ErrPassphraseNeeded) != (pass != "") {
			t.Errorf("passphrase %q: %v", pass, err)
		}
		again, err := Parse(private, []byte(pass))
		if err != nil {
			t.Fatal(err)
		}
		signs(t, again, key.PublicKey())
		for _, file := range []string{f.OpenSSH, f.SSH2} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pub, comment, err := ParsePublic(text)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pub.Marshal(), key.PublicKey().Marshal()) || !strings.HasPrefix(comment, "a ") {
				t.Errorf("%s: another key, or comment %q", file, comment)
			}
		}
		if info, err := os.Stat(f.Private); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		if _, err := exec.LookPath("ssh-keygen"); err != nil {
			continue
		}
		line, err := exec.Command("ssh-keygen", "-y", "-P", pass, "-f", f.Private).Output()
		if err != nil {
			t.Fatal(err)
		}
		if pub, _, err := ParsePublic(line); err != nil || !bytes.Equal(pub.Marshal(), key.PublicKey().Marshal()) {
			t.Errorf("ssh-keygen reads another key: %v", err)
		}
		line, err = exec.Command("ssh-keygen", "-i", "-f", f.SSH2).Output()
		if pub, _, perr := ParsePublic(line); err != nil || perr != nil || !bytes.Equal(pub.Marshal(), key.PublicKey().Marshal()) {
			t.Errorf("ssh-keygen reads another key from the SSH2 form: %v, %v", err, perr)
		}
	}
}

// A file that is there stays, and nothing is written beside it.
func TestWriteKeyReplacesNothing(t *testing.T) {
	key, err := Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		dir := t.TempDir()
		f := FilesOf(filepath.Join(dir, "id"))
		there := []string{f.Private, f.OpenSSH, f.SSH2}[i]
		if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Write(&durable.Disk{}, key, "", nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", there, err)
		}
		if text, err := os.ReadFile(there); string(text) != "mine" {
			t.Errorf("%s: %q, %v", there, text, err)
		}
		if entries, err := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%v, %v", entries, err)
		}
	}
}

// A disk that fails leaves no half of a key.
func TestWriteKeyAllOrNothing(t *testing.T) {
	key, err := Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	for _, suffix := range []string{"id", "id.pub", "id.ssh2.pub"} {
		dir := t.TempDir()
		disk := &durable.Disk{Fault: func(step, path string) error {
			if step == "rename" && filepath.Base(path) == suffix {
				return broken
			}
			return nil
		}}
		if err := FilesOf(filepath.Join(dir, "id")).Write(disk, key, "", nil); !errors.Is(err, broken) {
			t.Errorf("%s: %v", suffix, err)
		}
		if entries, err := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s: %v, %v", suffix, entries, err)
		}
	}
}

// Every kind of private key can be written in OpenSSH form.
func TestConvert(t *testing.T) {
	for _, name := range []string{"rsa", "p256", "p384", "p521", "ed25519"} {
		files, _ := filepath.Glob(filepath.Join("testdata", name+"-*.ppk"))
		for i, file := range files {
			if strings.Contains(file, "argon2d") {
				continue
			}
			var pass []byte
			if i == 0 { // encrypting takes a while, by design
				pass = []byte("new")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			key, err := Parse(text, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			out, err := key.MarshalPrivate("", pass)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			again, err := Parse(out, pass)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			signs(t, again, key.PublicKey())
		}
	}
}

func TestDescribe(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("no ssh-keygen on this machine")
	}
	files, _ := filepath.Glob("testdata/*.pub")
	if len(files) == 0 {
		t.Fatal("no public keys")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key, _, err := ParsePublic(text)
		if err != nil {
			t.Fatal(err)
		}
		i := Describe(key)
		for hash, want := range map[string]string{"sha256": i.SHA256, "md5": i.MD5} {
			out, err := exec.Command("ssh-keygen", "-l", "-E", hash, "-f", file).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Fields(string(out))[1]; got != want {
				t.Errorf("%s: %s, ssh-keygen says %s", file, want, got)
			}
		}
		if i.Registrable() != (i.Type == "RSA") {
			t.Errorf("%s: %+v", file, i)
		}
	}
}

// What a file tells without its passphrase, as the one with it has it.
func TestInspect(t *testing.T) {
	rsaPub, _, err := ParsePublic(read(t, "rsa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse(read(t, "rsa-v3.ppk"), nil)
	if err != nil {
		t.Fatal(err)
	}
	openssh := func(pass string) []byte {
		text, err := plain.MarshalPrivate("c", []byte(pass))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, c := range []struct {
		name               string
		text               []byte
		format             string
		private, encrypted bool
	}{
		{"ppk", read(t, "rsa-v2.ppk"), "PuTTY 2", true, false},
		{"encrypted ppk", read(t, "rsa-v3-argon2id.ppk"), "PuTTY 3", true, true},
		{"OpenSSH", openssh(""), "OpenSSH", true, false},
		{"encrypted OpenSSH", openssh("x"), "OpenSSH", true, true},
		{"public", read(t, "rsa.pub"), "OpenSSH", false, false},
		{"RFC 4716", read(t, "rsa.rfc4716"), "RFC 4716", false, false},
	} {
		in, err := Inspect(c.text)
		if err != nil || in.Format != c.format || in.Private != c.private || in.Encrypted != c.encrypted || in.Public == nil ||
			!bytes.Equal(in.Public.Marshal(), rsaPub.Marshal()) {
			t.Errorf("%s: %+v, %v", c.name, in, err)
		}
	}
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"PKCS#8": {"genpkey", "-algorithm", "RSA", "-aes-256-cbc", "-pass", "pass:x", "-out"},
		"PKCS#1": {"genrsa", "-traditional", "-aes256", "-passout", "pass:x", "-out"},
	} {
		file := filepath.Join(dir, "key")
		generate(t, "openssl", append(args, file)...)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if in, err := Inspect(text); err != nil || in.Format != name || !in.Private || !in.Encrypted || in.Public != nil {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
	for name, text := range map[string]string{"empty": "", "text": "hello", "half": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"} {
		if in, err := Inspect([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, in)
		}
	}
}
