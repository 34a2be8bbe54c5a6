package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/testkit"
)

// env is an environment with a home of its own.
func env(t *testing.T, pairs ...string) func(string) string {
	t.Helper()
	home := t.TempDir()
	values := map[string]string{"HOME": home}
	if runtime.GOOS == "windows" {
		values["USERPROFILE"], values["AppData"] = home, filepath.Join(home, "AppData", "Roaming")
	}
	for name, value := range values {
		t.Setenv(name, value)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return values[k] }
}

func TestDefaults(t *testing.T) {
	getenv := env(t)
	c, path, err := config.Load("", getenv)
	if err != nil || path != "" {
		t.Fatalf("got %q, %v", path, err)
	}
	state := filepath.Join(getenv("HOME"), ".local", "state", "socbatch")
	if runtime.GOOS == "windows" {
		state = filepath.Join(getenv("AppData"), "socbatch")
	}
	if c.StateDir != state || c.Replies.Archive != filepath.Join(state, "replies") || c.Environment != "" || c.Endpoint.Host != "sftp.socialsecurity.be" ||
		c.Endpoint.Port != 8022 || c.Endpoint.AllowSSHRSA || c.Endpoint.Parallel != 64 {
		t.Errorf("%+v", c)
	}
	xdg := t.TempDir()
	testkit.WriteFile(t, xdg, "socbatch/socbatch.toml", []byte("sender = \"101380\"\n"))
	c, path, err = config.Load("", env(t, "XDG_CONFIG_HOME", xdg, "XDG_STATE_HOME", xdg))
	if err != nil || c.Sender != "101380" || path != filepath.Join(xdg, "socbatch", "socbatch.toml") || c.StateDir != filepath.Join(xdg, "socbatch") {
		t.Errorf("%+v, %q, %v", c, path, err)
	}
}

func TestLoad(t *testing.T) {
	drive := "" // of absolute paths
	if runtime.GOOS == "windows" {
		drive = "C:"
	}
	file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte("\ufeff"+`# a comment
sender = "101380"
environment = "T"
state_dir = "state"
[endpoint]
host = "localhost"
key = "~/key"
known_hosts = ["known", "`+drive+`/etc/known"]
timeout = "90s"
[identity]
p12 = "certs/me.p12"
registered = "certs/me.cer"
[declaration]
settle = "0s"
schema_dir = "xsd"
[replies]
archive = "`+drive+`/srv/replies"
`))
	dir := filepath.Dir(file)
	getenv := env(t, "SOCBATCH_CONFIG", file)
	c, path, err := config.Load("", getenv)
	if err != nil || path != file {
		t.Fatalf("got %q, %v", path, err)
	}
	e := c.Endpoint
	if c.StateDir != filepath.Join(dir, "state") || c.Identity.P12 != filepath.Join(dir, "certs", "me.p12") || c.Identity.Registered != filepath.Join(dir, "certs", "me.cer") ||
		e.Key != filepath.Join(getenv("HOME"), "key") ||
		!slices.Equal(e.KnownHosts, []string{filepath.Join(dir, "known"), drive + "/etc/known"}) || c.Replies.Archive != drive+"/srv/replies" ||
		c.Declaration.SchemaDir != filepath.Join(dir, "xsd") {
		t.Errorf("paths: %+v", c)
	}
	if c.Sender != "101380" || e.Host != "localhost" || e.Port != 8022 || e.Timeout != config.Duration(90*time.Second) || c.Declaration.Settle != 0 {
		t.Errorf("values: %+v", c)
	}
	// The environment goes before the file.
	c, _, err = config.Load(file, env(t,
		"SOCBATCH_SENDER", "000042", "SOCBATCH_PORT", "22", "SOCBATCH_STATE_DIR", "/var/state", "SOCBATCH_ENVIRONMENT", "S",
		"SOCBATCH_KEY", "~/other", "SOCBATCH_P12", "mine.p12", "SOCBATCH_P12_PASSWORD", "geheim", "SOCBATCH_HOST_KEYS", "SHA256:a, SHA256:b,"))
	if err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir()
	if c.Sender != "000042" || c.Endpoint.Port != 22 || c.StateDir != "/var/state" || c.Environment != "S" || c.Endpoint.Host != "localhost" ||
		c.Endpoint.Key != filepath.Join(home, "other") || c.Identity.P12 != "mine.p12" || c.Identity.Password != "geheim" ||
		!slices.Equal(c.Endpoint.HostKeys, []string{"SHA256:a", "SHA256:b"}) {
		t.Errorf("%+v", c)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"unknown setting", "sender = \"101380\"\n\nsendr = \"1\"\n", 3, "sendr: there is no such setting: did you mean sender?"},
		{"unknown in a table", "[endpoint]\nhost = \"x\"\n  hots = \"y\" # typo\n", 3, "did you mean endpoint.host?"},
		{"unknown table", "sender = \"101380\"\n[endpiont]\nhost = \"x\"\n", 3, "did you mean endpoint.host?"},
		{"empty unknown table", "[endpiont]\n", 1, "did you mean endpoint?"},
		{"same name in another table", "[endpoint]\nhost = \"x\"\n[identity]\nhost = \"x\"\n", 4, "did you mean endpoint.host?"},
		{"forgotten table", "p12 = \"x\"\n", 1, "did you mean identity.p12?"},
		{"name of several", "timeout = \"1s\"\n", 1, "timeout: there is no such setting"},
		{"dotted", "endpoint.hots = 1\n", 1, "endpoint.hots"},
		{"with a mark", "\ufeffsendr = 1\n", 1, "sendr"},
		{"no TOML", "sender = \"101380\"\nhost = = 1\n", 2, ""},
		{"password in the file", "[identity]\npassword = \"geheim\"\n", 2, "identity.password: there is no such setting"},
		{"odd time", "[endpoint]\ntimeout = \"soon\"\n", 0, "not a time"},
		{"time below zero", "[endpoint]\ntimeout = \"-1s\"\n", 0, "not a time"},
		{"no time", "[endpoint]\ntimeout = \"0s\"\n", 0, "endpoint.timeout"},
		{"sender", "sender = \"1380\"\n", 0, "six digits"},
		{"environment", "environment = \"X\"\n", 0, "does not exist"},
		{"production as a default", "environment = \"R\"\n", 0, "never a default"},
		{"port", "[endpoint]\nport = 70000\n", 0, "endpoint.port"},
		{"parallel", "[endpoint]\nparallel = 0\n", 0, "endpoint.parallel"},
		{"wrong type", "sender = 101380\n", 0, ""},
		{"a key that follows none", "[endpoint]\nnext_key = \"new\"\n", 0, "endpoint.next_key"},
		{"a certificate that follows none", "[identity.next]\np12 = \"new.p12\"\n", 0, "identity.next.p12"},
		{"no certificate that follows", "[identity]\np12 = \"old.p12\"\n[identity.next]\nfrom = 2026-11-25\n", 0, "identity.next.p12"},
		{"no day", "[identity.next]\nfrom = \"25-11-2026\"\n", 0, "25-11-2026 is not a day"},
		{"no number for a day", "[identity.next]\nfrom = 20261125\n", 0, "not a day"},
		{"hook without a program", "[hooks]\non_error = [\"\"]\n", 0, "hooks.on_error"},
		{"hook as one text", "[hooks]\non_error = \"mail ann\"\n", 0, ""},
		{"hook without time", "[hooks]\ntimeout = \"0s\"\n", 0, "hooks.timeout"},
		{"no recipient", "archive_recipient = \"someone\"\n", 0, "archive_recipient: not a recipient of age"},
		{"a secret for a recipient", "archive_recipient = [\"AGE-SECRET-KEY-1geheim\"]\n", 0, "that is a secret key"},
		{"a number for a recipient", "archive_recipient = [7]\n", 0, "must be a text, or a list of texts"},
		{"no period", "[prune]\nafter = \"18 months\"\n", 0, "not a time such as 400d"},
		{"a period of nothing", "[prune]\nafter = \"0d\"\n", 0, "not a time such as 400d"},
		{"command without a program", "[identity]\npassword_command = [\"\"]\n", 0, "identity.password_command"},
		{"command as one text", "[endpoint]\nkey_passphrase_command = \"pass geheim\"\n", 0, ""},
		{"secrets without time", "[secrets]\ntimeout = \"0s\"\n", 0, "secrets.timeout"},
		{"outgoing without a directory", "[[outgoing]]\nenvironment = \"T\"\n", 0, "outgoing.dir"},
		{"outgoing without an environment", "[[outgoing]]\ndir = \"out\"\n", 0, "outgoing.environment"},
		{"outgoing to nowhere", "[[outgoing]]\ndir = \"out\"\nenvironment = \"X\"\n", 0, "does not exist"},
		{"outgoing application", "[[outgoing]]\ndir = \"out\"\nenvironment = \"T\"\napplication = \"dimona\"\n", 0, "outgoing.application: write the application as four capital letters"},
		{"outgoing twice", "[[outgoing]]\ndir = \"out\"\nenvironment = \"T\"\n[[outgoing]]\ndir = \"./out/\"\nenvironment = \"R\"\n", 0, "named twice"},
		{"unknown in outgoing", "[[outgoing]]\ndir = \"out\"\nenv = \"T\"\n", 3, "outgoing.env"},
		{"proxy of no kind", "[endpoint]\nproxy = \"proxy.example.org:3128\"\n", 0, "endpoint.proxy: it must begin with"},
		{"proxy without a port", "[endpoint]\nproxy = \"http://proxy.example.org\"\n", 0, "endpoint.proxy: it must have a host and a port"},
		{"proxy with a password", "[endpoint]\nproxy = \"http://jan:geheim@proxy.example.org:3128\"\n", 0, "endpoint.proxy: a password does not belong here"},
		{"odd proxy with a password", "[endpoint]\nproxy = \"htp://jan:geheim@proxy.example.org:x\"\n", 0, "endpoint.proxy"},
		{"password for nobody", "[endpoint]\nproxy = \"http://proxy.example.org:3128\"\nproxy_password_file = \"f\"\n", 0, "no user name"},
		{"two proxies", "[endpoint]\nproxy = \"http://proxy.example.org:3128\"\nproxy_command = [\"nc\"]\n", 0, "endpoint.proxy_command"},
		{"proxy command without a program", "[endpoint]\nproxy_command = [\"\"]\n", 0, "endpoint.proxy_command"},
		{"heartbeat", "[monitoring]\nheartbeat_url = \"https://ann:geheim@example.org/\"\n", 0, "monitoring.heartbeat_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(c.text))
			_, path, err := config.Load(file, env(t))
			var e *config.Error
			if !errors.As(err, &e) || c.line > 0 && e.Line != c.line || !strings.Contains(err.Error(), c.want) || path != file {
				t.Errorf("got %v (%+v), want line %d, …%s…", err, e, c.line, c.want)
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
	for _, pairs := range [][]string{
		{"SOCBATCH_ENVIRONMENT", "R"}, {"SOCBATCH_PORT", "ssh"}, {"SOCBATCH_PORT", "0"}, {"SOCBATCH_SENDER", "x"},
		{"SOCBATCH_KEYRING", "perhaps"},
		{"SOCBATCH_CONFIG", "/does/not/exist.toml"},
	} {
		if _, _, err := config.Load("", env(t, pairs...)); err == nil {
			t.Errorf("%v: no error", pairs)
		}
	}
	if _, _, err := config.Load("/does/not/exist.toml", env(t)); err == nil || !strings.Contains(err.Error(), "/does/not/exist.toml") {
		t.Errorf("got %v", err)
	}
}

func TestNext(t *testing.T) {
	for _, day := range []string{`"2026-11-25"`, `2026-11-25`} {
		file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(`[endpoint]
key = "old"
next_key = "new"
next_key_passphrase_file = "new-passphrase"
[identity]
p12 = "old.p12"
[identity.next]
p12 = "new.p12"
password_file = "~/new-password"
from = `+day+"\n"))
		dir := filepath.Dir(file)
		getenv := env(t)
		c, _, err := config.Load(file, getenv)
		want := config.NextIdentity{P12: filepath.Join(dir, "new.p12"), PasswordFile: filepath.Join(getenv("HOME"), "new-password"), From: "20261125"}
		if !reflect.DeepEqual(c.Identity.Next, want) || c.Endpoint.NextKey != filepath.Join(dir, "new") ||
			c.Endpoint.NextKeyPassphraseFile != filepath.Join(dir, "new-passphrase") || err != nil {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

func TestSettings(t *testing.T) {
	list := map[string]string{}
	for _, s := range config.Settings() {
		list[s.Key] = s.Default
	}
	for key, want := range map[string]string{
		"sender": "", "state_dir": "", "endpoint.host": `"sftp.socialsecurity.be"`, "endpoint.port": "8022", "endpoint.timeout": `"1m"`, "status.receipt_after": `"24h"`,
		"endpoint.agent": "false", "hooks.on_reply": "", "declaration.max_size": "2147483648",
	} {
		if got, ok := list[key]; !ok || got != want {
			t.Errorf("%s: %s, %t instead of %s", key, got, ok, want)
		}
	}
	if _, ok := list["identity.-"]; ok {
		t.Error("a password from the environment is no setting of the file")
	}
}

func TestVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range config.Variables() {
		if seen[v.Name] || v.Sets == "" || !strings.HasPrefix(v.Name, "SOCBATCH_") {
			t.Errorf("%+v", v)
		}
		seen[v.Name] = true
	}
}

func TestHooks(t *testing.T) {
	file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(`[hooks]
on_reply = ["bin/told", "bin/x"]
on_refused = ["~/told"]
on_error = ["told", "./x"]
[monitoring]
metrics_file = "m.prom"
heartbeat_url = "https://example.org/x"
`))
	dir := filepath.Dir(file)
	getenv := env(t)
	c, _, err := config.Load(file, getenv)
	h := c.Hooks
	if err != nil || !slices.Equal(h.OnReply, []string{filepath.Join(dir, "bin", "told"), "bin/x"}) ||
		!slices.Equal(h.OnRefused, []string{filepath.Join(getenv("HOME"), "told")}) || !slices.Equal(h.OnError, []string{"told", "./x"}) ||
		h.Timeout != config.Duration(30*time.Second) || c.Monitoring.MetricsFile != filepath.Join(dir, "m.prom") || c.Monitoring.HeartbeatURL != "https://example.org/x" {
		t.Errorf("%+v %+v, %v", h, c.Monitoring, err)
	}
}

func TestSecrets(t *testing.T) {
	file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(`[endpoint]
key_passphrase_command = ["pass", "show", "./socbatch"]
[identity]
password_command = ["bin/password", "p12"]
[secrets]
timeout = "5s"
`))
	c, _, err := config.Load(file, env(t))
	if err != nil || !slices.Equal(c.Endpoint.KeyPassphraseCommand, []string{"pass", "show", "./socbatch"}) ||
		!slices.Equal(c.Identity.PasswordCommand, []string{filepath.Join(filepath.Dir(file), "bin", "password"), "p12"}) ||
		!c.Secrets.Keyring || c.Secrets.Timeout != config.Duration(5*time.Second) {
		t.Errorf("%+v, %v", c, err)
	}
	c, _, err = config.Load("", env(t, "SOCBATCH_KEYRING", "false"))
	if err != nil || c.Secrets.Keyring || c.Secrets.Timeout != config.Duration(30*time.Second) {
		t.Errorf("%+v, %v", c.Secrets, err)
	}
}

func TestOutgoing(t *testing.T) {
	file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(`[[outgoing]]
dir = "out"
environment = "T"
[[outgoing]]
dir = "~/dmfa"
environment = "R"
application = "DMFA"
`))
	getenv := env(t)
	c, _, err := config.Load(file, getenv)
	want := []config.Outgoing{
		{Dir: filepath.Join(filepath.Dir(file), "out"), Environment: "T"}, {Dir: filepath.Join(getenv("HOME"), "dmfa"), Environment: "R", Application: "DMFA"},
	}
	if err != nil || !slices.Equal(c.Outgoing, want) {
		t.Errorf("%+v, %v", c.Outgoing, err)
	}
}

func TestProxy(t *testing.T) {
	file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte("[endpoint]\nproxy_command = [\"bin/relay\", \"%h\"]\nproxy_password_file = \"pw\"\n"))
	dir := filepath.Dir(file)
	c, _, err := config.Load(file, env(t))
	if err != nil || !slices.Equal(c.Endpoint.ProxyCommand, []string{filepath.Join(dir, "bin", "relay"), "%h"}) || c.Endpoint.ProxyPasswordFile != filepath.Join(dir, "pw") {
		t.Errorf("%+v, %v", c.Endpoint, err)
	}
	// The variable goes before what the file says of either kind.
	c, _, err = config.Load(file, env(t, "SOCBATCH_PROXY", "socks5://jan@proxy:1080", "SOCBATCH_PROXY_PASSWORD", "geheim"))
	if err != nil || c.Endpoint.Proxy != "socks5://jan@proxy:1080" || c.Endpoint.ProxyPassword != "geheim" || len(c.Endpoint.ProxyCommand) > 0 {
		t.Errorf("%+v, %v", c.Endpoint, err)
	}
	c, _, err = config.Load(file, env(t, "SOCBATCH_PROXY", config.NoProxy))
	if err != nil || c.Endpoint.Proxy != config.NoProxy {
		t.Errorf("%+v, %v", c.Endpoint, err)
	}
}

func TestWithoutSecrets(t *testing.T) {
	got := config.WithoutSecrets([]string{
		"PATH=/bin", "SOCBATCH_P12_PASSWORD=x", "socbatch_key_passphrase=x", "SOCBATCH_P12_PASSWORD_FILE=f", "SOCBATCH_CONFIG=c", "SOCBATCH_KEY_PASSPHRASE=", "SOCBATCH_PROXY_PASSWORD=x",
	})
	if !slices.Equal(got, []string{"PATH=/bin", "SOCBATCH_P12_PASSWORD_FILE=f", "SOCBATCH_CONFIG=c"}) {
		t.Errorf("%q", got)
	}
}

func TestDuration(t *testing.T) {
	var d config.Duration
	if err := d.UnmarshalText([]byte("1h30m")); err != nil || d != config.Duration(90*time.Minute) {
		t.Errorf("got %v, %v", d, err)
	}
	if b, err := d.MarshalText(); err != nil || string(b) != "1h30m0s" {
		t.Errorf("got %s, %v", b, err)
	}
}

func TestPeriod(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"400d": "2025-01-26", "2w": "2026-02-16", "18mo": "2024-09-02", "5y": "2021-03-02"} {
		p, err := config.ParsePeriod(text)
		if got := p.Before(now).Format(time.DateOnly); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "0d", "-1d", "1.5y", "1h", "12m", "d", "400 d", "123456d", "1d\n"} {
		if p, err := config.ParsePeriod(bad); err == nil {
			t.Errorf("%q: got %v", bad, p)
		}
	}
}

func TestArchiveSettings(t *testing.T) {
	const one, two = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"
	for text, want := range map[string][]string{
		"archive_recipient = \"" + one + "\"":                    {one},
		"archive_recipient = [\"" + one + "\", \"" + two + "\"]": {one, two},
	} {
		file := testkit.WriteFile(t, t.TempDir(), "s.toml", []byte(text+"\narchive_identity = \"id.txt\"\n[prune]\nafter = \"18mo\"\n"))
		c, _, err := config.Load(file, env(t))
		if err != nil || !slices.Equal(c.ArchiveRecipient, want) || c.ArchiveIdentity != filepath.Join(filepath.Dir(file), "id.txt") || c.Prune.After != "18mo" {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}
