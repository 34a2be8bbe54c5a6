package hostkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "sftp.example.be:8022"

var keys = sync.OnceValue(func() map[string]ssh.PublicKey {
	out := map[string]ssh.PublicKey{}
	add := func(name string, pub any, err error) {
		k, err2 := ssh.NewPublicKey(pub)
		if err != nil || err2 != nil {
			panic(errors.Join(err, err2))
		}
		out[name] = k
	}
	for _, n := range []string{"ed1", "ed2"} {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		add(n, pub, err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	add("ecdsa", &ec.PublicKey, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	add("rsa", &r.PublicKey, err)
	return out
})

func line(names string, key ssh.PublicKey) string {
	return names + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func write(t *testing.T, lines ...string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(f, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheck(t *testing.T) {
	k := keys()
	bracket := "[sftp.example.be]:8022"
	tests := []struct {
		name  string
		pins  []string
		lines []string
		key   string
		want  error
		where int // line in the error
	}{
		{"nothing known", nil, nil, "ed1", ErrUnknown, 0},
		{"known", nil, []string{line(bracket, k["ed1"])}, "ed1", nil, 0},
		{"known, CRLF and comments", nil, []string{"# c\r", "\r", line(bracket, k["ed1"]) + " comment\r"}, "ed1", nil, 0},
		{"hashed", nil, []string{line(xknownhosts.HashHostname(bracket), k["ed1"])}, "ed1", nil, 0},
		{"other port", nil, []string{line("sftp.example.be", k["ed1"])}, "ed1", ErrUnknown, 0},
		{"other host", nil, []string{line("[x.example.be]:8022", k["ed1"])}, "ed1", ErrUnknown, 0},
		{"wildcard", nil, []string{line("*.example.be", k["ed1"])}, "ed1", nil, 0},
		{"negated", nil, []string{line("[*.example.be]:8022,![sftp.example.be]:8022", k["ed1"])}, "ed1", ErrUnknown, 0},
		{"changed", nil, []string{"# c", line(bracket, k["ed1"])}, "ed2", ErrChanged, 2},
		{"changed, hashed", nil, []string{line(xknownhosts.HashHostname(bracket), k["ed1"])}, "ed2", ErrChanged, 1},
		{"rotation in the file", nil, []string{line(bracket, k["ed1"]), line(bracket, k["ed2"])}, "ed2", nil, 0},
		{"revoked", nil, []string{"@revoked " + line("*", k["ed1"]), line(bracket, k["ed1"])}, "ed1", ErrRevoked, 1},
		{"pinned", []string{Fingerprint(k["rsa"])}, nil, "rsa", nil, 0},
		{"pinned with padding", []string{Fingerprint(k["rsa"]) + "="}, nil, "rsa", nil, 0},
		{"rotation of pins", []string{Fingerprint(k["rsa"]), Fingerprint(k["ed1"])}, nil, "ed1", nil, 0},
		{"other pin", []string{Fingerprint(k["rsa"])}, nil, "ed1", ErrChanged, 0},
		{"pinned and revoked", []string{Fingerprint(k["ed1"])}, []string{"@revoked " + line("*", k["ed1"])}, "ed1", ErrRevoked, 1},
		{"pin beside another line", []string{Fingerprint(k["ed1"])}, []string{line(bracket, k["ed2"])}, "ed1", nil, 0},
		{"authority's own key", nil, []string{"@cert-authority " + line("*", k["ed1"])}, "ed1", ErrUnknown, 0},
		{"authority does not make a host known", nil, []string{"@cert-authority " + line(bracket, k["ed1"])}, "ed2", ErrUnknown, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(tt.pins, write(t, tt.lines...))
			if err != nil {
				t.Fatal(err)
			}
			err = v.Check(host, k[tt.key])
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				return
			}
			e := err.(*Error)
			if e.Host != host || e.Fingerprint != Fingerprint(k[tt.key]) || e.KeyType != k[tt.key].Type() || e.Key == nil {
				t.Errorf("details %+v", e)
			}
			if (tt.want != ErrUnknown) != (len(e.Expected) > 0) {
				t.Errorf("expected keys %v", e.Expected)
			}
			if tt.where > 0 && (e.Expected[0].Line != tt.where || e.Expected[0].File == "") {
				t.Errorf("place %+v, want line %d", e.Expected[0], tt.where)
			}
		})
	}
	if err := (*Verifier)(nil).Check(host, k["ed1"]); !errors.Is(err, ErrUnknown) {
		t.Errorf("nil verifier: %v", err)
	}
}

func TestDamagedFiles(t *testing.T) {
	k := keys()
	good := line("x", k["ed1"])
	for name, bad := range map[string]string{
		"one field":         "garbage",
		"no key":            "x ssh-ed25519",
		"not base64":        "x ssh-ed25519 ***",
		"cut off":           good[:len(good)-9],
		"type differs":      strings.Replace(good, "ssh-ed25519", "ssh-rsa", 1),
		"damaged hash":      strings.Replace(good, "x ", "|1|abc|def ", 1),
		"unknown marker":    "@frobnicate " + good,
		"revoked, no key":   "@revoked * ssh-ed25519",
		"conflict in merge": "<<<<<<< HEAD",
	} {
		f := write(t, good, bad, good)
		_, err := New(nil, f)
		var fe *FileError
		if !errors.As(err, &fe) || fe.File != f || fe.Line != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A whole line of a key type that is not supported here is no damage.
	if _, err := New(nil, write(t, "x ssh-xyz AAAAB3NzaC14eXoAAAAA", good)); err != nil {
		t.Errorf("unsupported type: %v", err)
	}
	if _, err := New(nil, filepath.Join(t.TempDir(), "absent")); err != nil {
		t.Errorf("absent file: %v", err)
	}
	if _, err := New(nil, t.TempDir()); err == nil {
		t.Error("a directory was accepted")
	}
	for _, pin := range []string{"", "MD5:aa", "SHA256:", "SHA256:abc", "SHA256:" + strings.Repeat("A", 44), "abc"} {
		if _, err := New([]string{pin}); err == nil {
			t.Errorf("pin %q was accepted", pin)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	k := keys()
	bracket := "[sftp.example.be]:8022"
	v, _ := New(nil, write(t, line(bracket, k["rsa"]), "@cert-authority "+line(bracket, k["ed1"])))
	got := v.Algorithms(host, false)
	if len(got) != 1 || got[0][0] != "rsa-sha2-512" || got[0][1] != "rsa-sha2-256" || slices.Contains(got[0], "ssh-rsa") {
		t.Errorf("known RSA: %q", got)
	}
	if got := v.Algorithms(host, true)[0]; !slices.Equal(got[:3], []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"}) {
		t.Errorf("known RSA, ssh-rsa allowed: %q", got)
	}
	p, _ := New([]string{Fingerprint(k["rsa"])})
	if got := p.Algorithms(host, true); len(got) != 4 || got[0][0] != "ssh-ed25519" || got[3][2] != "ssh-rsa" {
		t.Errorf("pinned: %q", got)
	}
	if got := (*Verifier)(nil).Algorithms(host, false); len(got) != 1 || len(got[0]) == 0 {
		t.Errorf("nil: %q", got)
	}
}

func TestAccept(t *testing.T) {
	k := keys()
	f := filepath.Join(t.TempDir(), "new", "known_hosts")
	for range 2 { // the second time changes nothing
		if err := Accept(f, host, k["ed1"]); err != nil {
			t.Fatal(err)
		}
	}
	if err := Accept(f, "other.example.be:22", k["rsa"]); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(f)
	want := line("[sftp.example.be]:8022", k["ed1"]) + "\n" + line("other.example.be", k["rsa"]) + "\n"
	if string(b) != want {
		t.Errorf("got %q", b)
	}
	if fi, _ := os.Stat(f); runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f), ".known_hosts-*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	// The last line of an existing file has no line feed.
	g := write(t)
	if err := os.WriteFile(g, []byte(line("x", k["rsa"])), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Accept(g, host, k["ed1"]); err != nil {
		t.Fatal(err)
	}
	if v, err := New(nil, g); err != nil || v.Check(host, k["ed1"]) != nil || v.Check("x:22", k["rsa"]) != nil {
		t.Errorf("appended file: %v", err)
	}
	if err := Accept(write(t, "@revoked "+line("*", k["ed1"])), host, k["ed1"]); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked key: %v", err)
	}
	var fe *FileError
	if err := Accept(write(t, "garbage"), host, k["ed1"]); !errors.As(err, &fe) {
		t.Errorf("damaged file: %v", err)
	}
}
