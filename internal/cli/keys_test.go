package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// runAt runs a command at a time, with an environment.
func runAt(ctx context.Context, now time.Time, env map[string]string, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	getenv := func(name string) string { return env[name] }
	a := &program{ui: newUI(streams{strings.NewReader(""), &stdout, &stderr}, getenv), getenv: getenv, now: func() time.Time { return now }}
	code = a.run(ctx, args)
	return code, stdout.String(), stderr.String()
}

func publicKey(t *testing.T, file string) ssh.PublicKey {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := sshkey.ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A rotation against OpenSSH: the old key works until the new one is registered,
// and the new one takes its place only after it worked.
func TestRotateKey(t *testing.T) {
	t.Parallel()
	server := testsshd.Start(t, testsshd.Options{NoUserKey: true})
	if err := os.Mkdir(filepath.Join(server.Dir, "OUTTEST"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	env := map[string]string{"SOCBATCH_KEY_PASSPHRASE": "geheim é"}
	const head = "sender = \"101380\" # ours\nstate_dir = \"state\"\n[declaration]\nsettle = \"0s\"\n"
	file := testkit.WriteFile(t, dir, "s.toml", []byte(head+"[endpoint]\nkey = \"id_rsa\" # since May\nhost = \"127.0.0.1\"\nhost_keys = [\""+server.Fingerprint()+"\"]\n"))
	socbatch := func(want int, args ...string) string {
		t.Helper()
		args = append([]string{"--config", file}, args...)
		if len(args) > 2 && (args[2] == "fetch" || slices.Contains(args, "rotate")) {
			args = append(args, "--user", server.User, "--port", strconv.Itoa(server.Port))
		}
		code, out, stderr := runAt(t.Context(), now, env, args...)
		if code != want {
			t.Fatalf("%q: exit code %d instead of %d\n%s%s", args, code, want, out, stderr)
		}
		if strings.Contains(out+stderr, "geheim") {
			t.Errorf("%q tells the passphrase:\n%s%s", args, out, stderr)
		}
		return out + stderr
	}
	configuration := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(string(text), head)
	}
	has := func(text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("%q misses in:\n%s", want, text)
		}
	}
	oldKey, newKey := filepath.Join(dir, "id_rsa"), filepath.Join(dir, "id_rsa-20261125")

	socbatch(exitUsage, "keys", "rotate", "--finish")
	socbatch(exitDone, "keys", "generate", "--bits", "2048")
	if err := server.Authorize(publicKey(t, oldKey+".pub")); err != nil {
		t.Fatal(err)
	}
	socbatch(exitDone, "fetch", "--env", "T")

	has(socbatch(exitDone, "keys", "rotate", "--bits", "2048"), `next_key = "id_rsa-20261125"`)
	has(configuration(), "key = \"id_rsa\" # since May\nnext_key = \"id_rsa-20261125\"\nhost")
	socbatch(exitUsage, "keys", "rotate")

	// The server does not know the new key yet.
	has(socbatch(exitDone, "fetch", "--env", "T"), "does not take the next SSH key")
	before := configuration()
	has(socbatch(exitCredentials, "keys", "rotate", "--finish"), "nothing was changed")
	if configuration() != before {
		t.Errorf("the configuration was changed: %s", configuration())
	}

	if err := server.Authorize(publicKey(t, oldKey+".pub"), publicKey(t, newKey+".pub")); err != nil {
		t.Fatal(err)
	}
	connections := server.Connections()
	has(socbatch(exitDone, "fetch", "--env", "T"), "takes the next SSH key")
	if n := server.Connections() - connections; n != 1 {
		t.Errorf("%d connections for one login", n)
	}

	// Without an answer nothing is known of the new key.
	server.Down()
	socbatch(exitTemporary, "keys", "rotate", "--finish")
	if configuration() != before {
		t.Errorf("the configuration was changed: %s", configuration())
	}
	if err := server.Up(); err != nil {
		t.Fatal(err)
	}

	socbatch(exitDone, "keys", "rotate", "--finish")
	has(configuration(), "[endpoint]\nkey = \"id_rsa-20261125\"\nhost")
	for _, f := range []string{newKey, newKey + ".pub", oldKey + ".until-20261125", oldKey + ".until-20261125.pub", oldKey + ".until-20261125.ssh2.pub"} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(oldKey); err == nil {
		t.Error("the old key has its name still")
	}
	if err := server.Authorize(publicKey(t, newKey+".pub")); err != nil {
		t.Fatal(err)
	}
	socbatch(exitDone, "fetch", "--env", "T")
}

// A next key that cannot be used does not keep the one in use from working.
func TestNextKeyBroken(t *testing.T) {
	t.Parallel()
	st := newStand(t, t.TempDir(), nil)
	text, err := os.ReadFile(st.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"missing": "", "no key": "hello"} {
		next := filepath.Join(st.dir, "next")
		if content != "" {
			testkit.WriteFile(t, st.dir, "next", []byte(content))
		}
		changed := strings.Replace(string(text), "key = \"id_rsa\"", "key = \"id_rsa\"\nnext_key = \"next\"", 1)
		file := testkit.WriteFile(t, st.dir, "next.toml", []byte(changed))
		code, _, stderr := runAt(t.Context(), time.Now(), nil, "--config", file, "fetch", "--env", "T")
		if code != exitDone || !strings.Contains(stderr, "the next SSH key "+displayPath(next)+" cannot be used") {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
		code, _, stderr = runAt(t.Context(), time.Now(), nil, "--config", file, "keys", "rotate", "--finish")
		if code == exitDone {
			t.Errorf("%s: finished: %s", name, stderr)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != changed {
			t.Errorf("%s: the configuration was changed: %s, %v", name, now, err)
		}
	}
}

// Where the file cannot be edited, it stays, and the person is told what to
// write.
func TestRotateWithoutEditing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := map[string]string{}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, text string
		args       []string
		env        string
	}{
		{"an inline table", "endpoint = {key = \"old.ppk\"}\n", nil, ""},
		{"asked for", "[endpoint]\nkey = \"old.ppk\"\n", []string{"--keep-config"}, ""},
		{"set elsewhere", "[endpoint]\nkey = \"other\"\n", nil, filepath.Join(dir, "old.ppk")},
	} {
		env["SOCBATCH_KEY"] = c.env
		file := testkit.WriteFile(t, dir, "s.toml", []byte(c.text))
		args := append([]string{"--config", file, "--json", "keys", "rotate", "--bits", "2048", "--no-passphrase"}, c.args...)
		code, out, stderr := runAt(t.Context(), now, env, args...)
		var result struct {
			Configured bool
			Files      map[string]string
		}
		if err := json.Unmarshal([]byte(out), &result); err != nil || code != exitDone || result.Configured {
			t.Fatalf("%s: exit code %d, %v, %s%s", c.name, code, err, out, stderr)
		}
		name := filepath.Base(result.Files["private"])
		if !strings.HasPrefix(name, "old-20261125") || !strings.Contains(stderr, "next_key = \""+name+"\"") {
			t.Errorf("%s: %s: %s", c.name, name, stderr)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != c.text {
			t.Errorf("%s: changed to %s, %v", c.name, text, err)
		}
	}
}

func TestRotatedName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	testkit.WriteFile(t, dir, "taken-20261125", nil)
	testkit.WriteFile(t, dir, "taken-20261125-2.pub", nil)
	for old, want := range map[string]string{
		"id_rsa": "id_rsa-20261125", "id_rsa-20250101": "id_rsa-20261125", "id_rsa-20250101-2": "id_rsa-20261125",
		"key.PPK": "key-20261125", "taken": "taken-20261125-3",
	} {
		if got := rotatedName(filepath.Join(dir, old), "20261125"); got != filepath.Join(dir, want) {
			t.Errorf("%s: %s instead of %s", old, got, want)
		}
	}
}
