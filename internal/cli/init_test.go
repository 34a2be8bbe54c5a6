package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// person answers questions by the words in them. Several answers to one
// question are given in turn.
type person struct {
	t       *testing.T
	answers map[string][]string
	asked   []string
	hidden  []string
}

func (p *person) ask(question string, secret bool) (string, error) {
	p.asked = append(p.asked, question)
	if secret {
		p.hidden = append(p.hidden, question)
	}
	for part, answers := range p.answers {
		if !strings.Contains(question, part) {
			continue
		}
		if len(answers) == 0 {
			p.t.Fatalf("asked once more: %s", question)
		}
		p.answers[part] = answers[1:]
		return answers[0], nil
	}
	p.t.Fatalf("nobody expects the question %q", question)
	return "", io.EOF
}

func (p *person) done() {
	p.t.Helper()
	for part, answers := range p.answers {
		if len(answers) > 0 {
			p.t.Errorf("never asked: %s (%q)", part, answers)
		}
	}
}

// A person is asked little, wrong answers are asked again, and secrets are not
// shown.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	st := newStand(t, t.TempDir(), nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "config", "socbatch.toml")
	password, err := os.ReadFile(filepath.Join(st.dir, "signer.password"))
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(st.server.Addr(), ":")
	p := &person{t: t, answers: map[string][]string{
		"Sender number":                   {"", "12", "101380"},
		"User name":                       {"a b", ""},
		"Environment":                     {"R", "x", "s"},
		"File of the certificate":         {"none.p12", `"` + filepath.Join(st.dir, "signer.p12") + `"`},
		"Copy it":                         {"perhaps", "y"},
		"Password of":                     {"wrong", strings.TrimSpace(string(password))},
		"Passwords (keyring":              {"vault", "file"},
		"Passphrase for the new SSH key":  {"short", "correct horse", "correct horse"},
		"Once more":                       {"correct hose", "correct horse"},
		"Has the office confirmed it?":    {"no"},
		"Keep it under another name, and": {""},
	}}
	run := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		a := &program{ui: newUI(streams{strings.NewReader(""), &out, &errs}, noEnv), getenv: noEnv, now: time.Now, askPerson: p.ask, fromDesktop: func() bool { return false }}
		code := a.run(t.Context(), append([]string{"--config", file, "--lang", "en", "--state-dir", filepath.Join(dir, "state"), "init", "--host", host, "--port", port}, args...))
		return code, out.String() + errs.String()
	}
	code, said := run()
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, said)
	}
	if len(p.hidden) != 2+3+2 {
		t.Errorf("hidden while typed: %q", p.hidden)
	}
	for _, want := range []string{
		"shows this key", "When the office has confirmed it:", "socbatch hostkey accept " + st.server.HostKeyFingerprint(), "there is no such file: none.p12",
		"production is never a default", "the two are not the same", "at least 8 characters",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q: %s", want, said)
		}
	}
	for _, secret := range []string{"correct horse", strings.TrimSpace(string(password))} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret is told: %s", said)
		}
	}
	c, _, err := config.Load(file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Sender != "101380" || c.Environment != "S" || c.Endpoint.User != "EXP101380" || filepath.Dir(c.Identity.P12) != filepath.Dir(file) || len(c.Endpoint.HostKeys) > 0 {
		t.Errorf("%+v", c)
	}
	for _, f := range []string{file, c.Endpoint.Key, c.Endpoint.KeyPassphraseFile, c.Identity.P12, c.Identity.PasswordFile} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "known_hosts")); !os.IsNotExist(err) {
		t.Errorf("a key that nobody confirmed is accepted: %v", err)
	}
	key, err := os.ReadFile(c.Endpoint.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sshkey.Parse(key, []byte("correct horse")); err != nil {
		t.Error(err)
	}

	// Once more: it asks before it changes anything, and no is proposed.
	if code, said := run(); code != exitDone || !strings.Contains(said, "nothing was changed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	p.done()
}

// Whoever says yes to a new configuration, and ends the questions, keeps the old
// one.
func TestInitInterrupted(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "socbatch.toml")
	old := []byte("sender = \"101380\"\n")
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	ask := func(question string, _ bool) (string, error) {
		if strings.Contains(question, "set up anew") {
			return "yes", nil
		}
		return "", context.Canceled
	}
	a := &program{ui: newUI(streams{strings.NewReader(""), &out, &errs}, noEnv), getenv: noEnv, now: time.Now, askPerson: ask, fromDesktop: func() bool { return false }}
	if code := a.run(t.Context(), []string{"--config", file, "--lang", "en", "init"}); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, old) {
		t.Errorf("%q, %v", now, err)
	}
}

func noEnv(string) string { return "" }
