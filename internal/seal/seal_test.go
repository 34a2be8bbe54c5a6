package seal_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/seal"
)

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func nobody() (string, error) { return "", errors.New("nobody to ask") }

func TestSealFile(t *testing.T) {
	one, two, other := newIdentity(t), newIdentity(t), newIdentity(t)
	to, err := seal.ParseRecipients(one.Recipient().String(), " "+two.Recipient().String()+"\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 64 << 10, 200_000} {
		content := bytes.Repeat([]byte("ab\n"), size/3+1)[:size]
		path := write(t, content)
		if err := to.SealFile(new(durable.Disk), path, filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 2 {
			t.Errorf("%d bytes: left %v", size, left)
		}
		if sealed, err := os.ReadFile(path + seal.Suffix); err != nil || size > 10 && bytes.Contains(sealed, content[:10]) {
			t.Errorf("%d bytes: not encrypted, %v", size, err)
		}
		for _, id := range []*age.X25519Identity{one, two} {
			ids, err := seal.OpenIdentities(write(t, []byte("\ufeff# created: …\r\n"+id.String()+"\r\n")), nobody)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ids.Open(path + seal.Suffix)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(f.Reader()); err != nil || !bytes.Equal(got, content) || f.Size != int64(size) {
				t.Errorf("%d bytes: got %d (%d), %v", size, len(got), f.Size, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		ids, err := seal.OpenIdentities(write(t, []byte(other.String())), nobody)
		if err != nil {
			t.Fatal(err)
		}
		var wrong *seal.OtherRecipientError
		if _, err := ids.Open(path + seal.Suffix); !errors.As(err, &wrong) || wrong.Path != path+seal.Suffix {
			t.Errorf("got %v", err)
		}
	}
}

// A file that could not be encrypted leaves nothing behind.
func TestSealFileFails(t *testing.T) {
	to, err := seal.ParseRecipients(newIdentity(t).Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("the disk is full")
	for _, step := range []string{"create", "write", "sync", "rename"} {
		path := write(t, []byte("content"))
		disk := &durable.Disk{Fault: func(s, _ string) error {
			if s == step {
				return failure
			}
			return nil
		}}
		if err := to.SealFile(disk, path, filepath.Dir(path)); !errors.Is(err, failure) {
			t.Errorf("%s: got %v", step, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("%s: left %v", step, left)
		}
	}
	if err := to.SealFile(new(durable.Disk), t.TempDir(), t.TempDir()); err == nil {
		t.Error("a directory was encrypted")
	}
}

func TestParseRecipients(t *testing.T) {
	id := newIdentity(t)
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range [][]string{{id.Recipient().String()}, {pq.Recipient().String()}} {
		if _, err := seal.ParseRecipients(good...); err != nil {
			t.Error(err)
		}
	}
	for name, bad := range map[string][]string{
		"none": nil, "empty": {""}, "a word": {"someone"}, "cut off": {id.Recipient().String()[:30]},
		"secret": {id.String()}, "secret in small letters": {strings.ToLower(id.String())},
		"of both kinds": {id.Recipient().String(), pq.Recipient().String()},
	} {
		_, err := seal.ParseRecipients(bad...)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if strings.Contains(strings.ToUpper(err.Error()), id.String()[:25]) {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

func TestOpenIdentities(t *testing.T) {
	id := newIdentity(t)
	locked := func(armoured bool) []byte {
		r, err := age.NewScryptRecipient("secret words")
		if err != nil {
			t.Fatal(err)
		}
		r.SetWorkFactor(10)
		var b bytes.Buffer
		var to io.WriteCloser = struct {
			io.Writer
			io.Closer
		}{&b, io.NopCloser(nil)}
		if armoured {
			to = armor.NewWriter(&b)
		}
		w, err := age.Encrypt(to, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, id.String()+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), to.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	say := func(pass string) func() (string, error) { return func() (string, error) { return pass, nil } }
	for _, armoured := range []bool{false, true} {
		path := write(t, locked(armoured))
		if _, err := seal.OpenIdentities(path, say("secret words")); err != nil {
			t.Errorf("armoured %v: %v", armoured, err)
		}
		for _, wrong := range []string{"other", ""} {
			if _, err := seal.OpenIdentities(path, say(wrong)); !errors.Is(err, seal.ErrWrongPassphrase) {
				t.Errorf("armoured %v: got %v", armoured, err)
			}
		}
		if _, err := seal.OpenIdentities(path, nobody); err == nil || !strings.Contains(err.Error(), "nobody to ask") {
			t.Errorf("got %v", err)
		}
	}
	to, err := seal.ParseRecipients(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	forSomebody := write(t, []byte(id.String()))
	if err := to.SealFile(new(durable.Disk), forSomebody, filepath.Dir(forSomebody)); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"the public key":          write(t, []byte(id.Recipient().String())),
		"empty":                   write(t, nil),
		"damaged secret":          write(t, []byte(id.String()[:40])),
		"huge":                    write(t, bytes.Repeat([]byte("#\n"), 1<<20)),
		"encrypted for a key":     forSomebody + seal.Suffix,
		"cut off while encrypted": write(t, locked(false)[:180]),
		"not there":               filepath.Join(t.TempDir(), "none"),
	} {
		_, err := seal.OpenIdentities(path, say("secret words"))
		if err == nil || strings.Contains(err.Error(), id.String()[15:40]) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is damaged is never taken for what it was.
func TestOpenDamaged(t *testing.T) {
	id := newIdentity(t)
	to, err := seal.ParseRecipients(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, bytes.Repeat([]byte("content "), 20_000))
	if err := to.SealFile(new(durable.Disk), path, filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(path + seal.Suffix)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := seal.OpenIdentities(write(t, []byte(id.String())), nobody)
	if err != nil {
		t.Fatal(err)
	}
	read := func(content []byte) error {
		f, err := ids.Open(write(t, content))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f.Reader())
		return errors.Join(err, f.Close())
	}
	if err := read(sealed); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sealed); i += 997 {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if read(changed) == nil {
			t.Errorf("byte %d was changed and nobody noticed", i)
		}
	}
	for _, n := range []int{0, 10, 200, len(sealed) / 2, len(sealed) - 1} {
		if read(sealed[:n]) == nil {
			t.Errorf("cut off at %d and nobody noticed", n)
		}
	}
}
