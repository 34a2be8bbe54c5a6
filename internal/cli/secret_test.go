package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/testkit"
)

// ring is a keyring in memory; with err one that does not work.
type ring struct {
	kept map[string]string
	err  error
}

func (r *ring) Get(name string) (string, error) {
	value, ok := r.kept[name]
	if r.err == nil && !ok {
		return "", secret.ErrNotKept
	}
	return value, r.err
}

func (r *ring) Set(name, value string) error {
	if r.err == nil {
		r.kept[name] = value
	}
	return r.err
}

func (r *ring) Delete(name string) error {
	_, err := r.Get(name)
	delete(r.kept, name)
	return err
}

// desk is where a person works with a certificate, an encrypted key and a
// keyring.
type desk struct {
	dir      string
	password string // of the certificate
	ring     *ring
	config   string
	typed    []string // what the person will answer on the terminal
	said     bytes.Buffer
}

const deskPassphrase = "of the key"

func newDesk(t *testing.T) *desk {
	t.Helper()
	kit, err := sharedKit()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{dir: t.TempDir(), ring: &ring{kept: map[string]string{}}}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(kit, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	d.password = strings.TrimSpace(string(read("signer.password")))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(deskPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"signer.p12": read("signer.p12"), "other.p12": read("signer.p12"), "open_rsa": read("id_rsa"), "id": pem.EncodeToMemory(key), "d.xml": testkit.Dimona("a"),
	} {
		if err := os.Chmod(testkit.WriteFile(t, d.dir, name, content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.config = testkit.WriteFile(t, d.dir, "s.toml", []byte("state_dir = \"state\"\n[endpoint]\nkey = \"id\"\n[identity]\np12 = \"signer.p12\"\n"))
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

// socbatch runs a command; what it prints is kept in said too.
func (d *desk) socbatch(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	getenv := func(string) string { return "" }
	a := &program{
		ui: newUI(streams{strings.NewReader(stdin), io.MultiWriter(&out, &d.said), io.MultiWriter(&errs, &d.said)}, getenv), getenv: getenv, now: time.Now,
		secrets: &secret.Finder{
			Getenv: getenv, Stdin: strings.NewReader(stdin), Keyring: d.ring, Timeout: time.Hour,
			Prompt: func(context.Context, string) (string, error) {
				if len(d.typed) == 0 {
					return "", secret.ErrNoTerminal
				}
				answer := d.typed[0]
				d.typed = d.typed[1:]
				return answer, nil
			},
		},
		keyring: d.ring,
	}
	root := newRootCmd(a)
	root.SetArgs(append(args, "--config", d.config))
	err := root.ExecuteContext(t.Context())
	if err != nil {
		a.ui.fail(err)
	}
	return exitCode(err), out.String(), errs.String()
}

// What is kept in the keyring opens the file that it is of, and no other; only
// what opens it is kept.
func TestKeyring(t *testing.T) {
	t.Parallel()
	contracts, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	for _, step := range []struct {
		name   string
		args   string
		stdin  string
		typed  []string
		code   int
		want   string // in what is printed
		schema string
		kept   string // all that is in the keyring
	}{
		{name: "nothing yet", args: "secret where", want: "p12          asked for on the terminal\nkey          asked for on the terminal\n"},
		{name: "wrong", args: "secret set p12 --stdin", stdin: "of no file\n", code: exitCredentials, want: "signer.p12: wrong password; nothing was kept"},
		{name: "of another", args: "secret set key --stdin", stdin: d.password + "\n", code: exitCredentials, want: "wrong passphrase for the private key; nothing was kept"},
		{name: "empty", args: "secret set p12 --stdin", code: exitCredentials, want: "standard input ended"},
		{name: "slip of the finger", args: "secret set p12", typed: []string{d.password, d.password + "x"}, code: exitCredentials, want: "the two passwords differ; nothing was kept"},
		{name: "nobody there", args: "secret set p12", stdin: d.password + "\n", code: exitCredentials, want: "with --stdin"},
		{name: "typed", args: "secret set p12", typed: []string{d.password, d.password}, want: "kept  the password of", kept: "p12:signer.p12"},
		{name: "where", args: "secret where", want: "p12          the keyring of this computer\nkey          asked", kept: "p12:signer.p12"},
		{name: "piped", args: "secret set key --stdin --json", stdin: deskPassphrase + "\r\n", schema: "secret", want: `"kept":true`, kept: "key:id p12:signer.p12"},
		{name: "used", args: "sign d.xml -v", want: "of=p12 from=keyring", kept: "key:id p12:signer.p12"},
		{name: "another file", args: "sign --force d.xml --p12 other.p12", code: exitCredentials, want: "no terminal to ask", kept: "key:id p12:signer.p12"},
		{name: "without a passphrase", args: "secret set key --key open_rsa --stdin", stdin: "x\n", code: exitCredentials, want: "this key has no passphrase; nothing was kept", kept: "key:id p12:signer.p12"},
		{name: "nor needs one", args: "secret where --key open_rsa --json", schema: "secret-where", want: `"needed":false`, kept: "key:id p12:signer.p12"},
		{name: "for another file", args: "secret set p12 --p12 other.p12 --stdin", stdin: d.password, want: "kept", kept: "key:id p12:other.p12 p12:signer.p12"},
		{name: "deleted", args: "secret delete p12", want: "not in the keyring any more", kept: "key:id p12:other.p12"},
		{name: "deleted again", args: "secret delete p12 --json", schema: "secret", want: `"kept":false`, kept: "key:id p12:other.p12"},
		{name: "no file", args: "secret set p12 --p12 none.p12 --stdin", stdin: "x\n", code: exitCredentials, want: "no such file", kept: "key:id p12:other.p12"},
	} {
		d.typed = step.typed
		args := strings.Fields(step.args)
		for i, a := range args {
			if strings.Contains(a, ".p12") || a == "open_rsa" || a == "d.xml" {
				args[i] = d.path(a)
			}
		}
		code, out, errs := d.socbatch(t, step.stdin, args...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("%s: code %d\n%s%s", step.name, code, out, errs)
		}
		if step.schema != "" {
			if err := checkContract(contracts, step.schema, out); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		}
		kept := ""
		for _, name := range []string{"key:id", "p12:other.p12", "p12:signer.p12"} {
			kind, file, _ := strings.Cut(name, ":")
			if _, ok := d.ring.kept[keyringName(kind, d.path(file))]; ok {
				kept += " " + name
			}
		}
		if kept = strings.TrimSpace(kept); kept != step.kept || len(strings.Fields(kept)) != len(d.ring.kept) {
			t.Errorf("%s: kept %q of %d", step.name, kept, len(d.ring.kept))
		}
	}
	for _, never := range []string{d.password, deskPassphrase, "of no file"} {
		if strings.Contains(d.said.String(), never) {
			t.Errorf("%q was told:\n%s", never, d.said.String())
		}
	}
}

// A keyring that does not work stops nothing but what is about it.
func TestBrokenKeyring(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ring.err = errors.New("The name org.freedesktop.secrets was not provided by any .service files")
	d.typed = []string{d.password}
	code, _, errs := d.socbatch(t, "", "sign", d.path("d.xml"))
	if code != exitDone || errs != "" {
		t.Errorf("code %d\n%s", code, errs)
	}
	for _, args := range [][]string{{"secret", "set", "p12", "--stdin"}, {"secret", "delete", "p12"}} {
		code, _, errs := d.socbatch(t, d.password, args...)
		if code != exitCredentials || !strings.Contains(errs, "the keyring could not be used: The name") || !strings.Contains(errs, "unlock") {
			t.Errorf("%v: code %d\n%s", args, code, errs)
		}
	}
	// What goes before the keyring is told of.
	d.ring.err = nil
	file := testkit.WriteFile(t, d.dir, "pw", []byte(d.password))
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	d.config = testkit.WriteFile(t, d.dir, "f.toml", []byte(fmt.Sprintf("[identity]\np12 = \"signer.p12\"\npassword_file = %q\n", file)))
	code, _, errs = d.socbatch(t, d.password, "secret", "set", "p12", "--stdin")
	if code != exitDone || !strings.Contains(errs, "goes before the keyring: the file") {
		t.Errorf("code %d\n%s", code, errs)
	}
	if strings.Contains(d.said.String(), d.password) {
		t.Error(d.said.String())
	}
}
