package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/doctor"
	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/naming"
)

// The check-up against the real OpenSSH: what it finds, and what it leaves.
func TestDoctorOpenSSH(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		server  testsshd.Options
		config  string // below [endpoint]; "-user": without one
		args    []string
		code    int
		found   []string // beside the plain key
		says    string   // of the login
		left    bool     // files are left in INTEST
		missing string   // folder
	}{
		{name: "a write test", args: []string{"--write"}, says: "is let in with rsa-sha2-512"},
		{name: "nothing may be deleted", server: testsshd.Options{External: true, Deny: []string{"remove"}}, args: []string{"--write"}, left: true},
		{name: "nothing may be written", server: testsshd.Options{External: true, Deny: []string{"write"}}, args: []string{"--write"}, code: 4, found: []string{"write-refused"}},
		{name: "nothing may be listed", server: testsshd.Options{External: true, Deny: []string{"opendir"}}, code: 4, found: []string{"listing-refused"}},
		{name: "nothing may be looked at", server: testsshd.Options{External: true, Deny: []string{"stat", "lstat", "fstat"}}, args: []string{"--write"}},
		{name: "a folder is missing", missing: "OUTTEST", code: 4, found: []string{"folder-missing"}},
		{name: "ssh-rsa is needed", server: testsshd.Options{Config: []string{"PubkeyAcceptedAlgorithms ssh-rsa"}}, config: "allow_ssh_rsa = true", says: "ssh-rsa (SHA-1), which is outdated, was needed"},
		{name: "ssh-rsa is needed and not allowed", server: testsshd.Options{Config: []string{"PubkeyAcceptedAlgorithms ssh-rsa"}}, code: 4, found: []string{"login-refused"}},
		{name: "ssh-rsa is allowed and not needed", config: "allow_ssh_rsa = true", found: []string{"ssh-rsa-unneeded"}},
		{name: "no file transfer", server: testsshd.Options{Config: []string{"Subsystem sftp /nonexistent"}}, code: 5, found: []string{"login-broken"}},
		{name: "no user", config: "-user", code: 4, found: []string{"user-missing"}, says: "no user name is configured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := testsshd.Start(t, c.server)
			for _, env := range naming.Environments() {
				for _, folder := range []string{env.Inbox(), env.Outbox()} {
					if folder == c.missing {
						continue
					}
					if err := os.Mkdir(filepath.Join(server.Dir, folder), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}
			dir := t.TempDir()
			user := fmt.Sprintf("user = %q\n%s", server.User, c.config)
			if c.config == "-user" {
				user = ""
			}
			config := filepath.Join(dir, "socbatch.toml")
			text := fmt.Sprintf("sender = \"101380\"\nstate_dir = \"state\"\n[endpoint]\nhost = %q\nport = %d\nkey = %q\nknown_hosts = [%q]\n%s\n",
				server.Host, server.Port, server.UserKey, server.KnownHosts, user)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, talk bytes.Buffer
			args := append([]string{"--config", config, "--json", "doctor", "--env", "T"}, c.args...)
			code := testBuild.run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &talk}, func(string) string { return "" })
			var got struct{ Checks []jsonCheckRead }
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s%s", err, &out, &talk)
			}
			var found []string
			for _, x := range got.Checks {
				if x.Finding != "" && x.Finding != "key-plain" {
					found = append(found, x.Finding)
				}
				if x.ID == string(doctor.Login) && !strings.Contains(x.Message, c.says) {
					t.Errorf("login: %s", x.Message)
				}
			}
			if code != c.code || !slices.Equal(found, c.found) {
				t.Errorf("code %d, found %v instead of %d, %v\n%s", code, found, c.code, c.found, &out)
			}
			left, err := os.ReadDir(filepath.Join(server.Dir, "INTEST"))
			if err != nil || (len(left) > 0) != c.left {
				t.Errorf("left: %v, %v", left, err)
			}
			if spool, _ := os.ReadDir(filepath.Join(dir, "state", "spool")); len(spool) > 0 {
				t.Errorf("left in the spool: %v", spool)
			}
			if c.config == "-user" && strings.Contains(server.Log(), "publickey") {
				t.Errorf("a key was offered:\n%s", server.Log())
			}
		})
	}
}

type jsonCheckRead struct{ ID, State, Finding, Message string }

// What systemd hands over is private, whatever its permission bits say.
func TestDoctorTrustsSystemd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd, and permission bits say nothing")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o440); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		credentials string
		read        bool
	}{{"", true}, {dir + "/", false}, {filepath.Dir(dir), true}} {
		a := &program{getenv: func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": c.credentials}[name] }}
		if read, _, err := a.doctorDisk().Others(file); err != nil || read != c.read {
			t.Errorf("%q: %t, %v", c.credentials, read, err)
		}
	}
}

func TestWebProxy(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{"": "", "https_proxy": "https_proxy", "ALL_PROXY": "ALL_PROXY", "NO_PROXY": ""} {
		got := webProxy(func(name string) string {
			if name == set {
				return "http://user:secret@proxy:3128"
			}
			return ""
		})
		if got != want {
			t.Errorf("%s: %q", set, got)
		}
	}
}

// A machine on which nothing is set up and everything is in the way, read
// aloud; then one that has come a little further.
func TestDoctorIsSaid(t *testing.T) {
	t.Parallel()
	c := config.Defaults(func(string) string { return "" })
	c.StateDir, c.Replies.Archive = "/var/lib/socbatch", "/srv/replies"
	d := &doctor.Doctor{
		Now:   func() time.Time { return time.Date(2001, 1, 1, 12, 0, 0, 0, time.UTC) },
		Scope: doctor.Scope{Environments: naming.Environments()},
		Setup: doctor.Setup{
			DefaultPath:   "/home/me/socbatch.toml",
			Configuration: func() (config.Config, string, error) { return c, "", nil },
			OpenLedger:    func(context.Context, config.Config) (doctor.Ledger, error) { return nil, errors.New("no such device") },
		},
		Disk: doctor.Disk{
			Others: func(string) (read, write bool, err error) { return true, true, nil },
			Write:  func(string) error { return errors.New("read-only file system") },
			Free:   func(string) (uint64, error) { return 5 << 20, nil },
			Remote: func(string) (bool, error) { return true, nil },
		},
		Network: doctor.Network{
			WebProxy: "HTTPS_PROXY",
			Lookup:   func(context.Context, string) ([]string, error) { return []string{"192.0.2.1", "2001:db8::1"}, nil },
			Dial: func(context.Context, config.Config, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
			},
		},
	}
	var results []doctor.Result
	collect := func(r doctor.Result) { results = append(results, r) }
	d.Run(t.Context(), collect)
	c.Sender, c.Endpoint.User, d.Offline = "101380", "EXP101380", true
	d.OpenLedger = func(context.Context, config.Config) (doctor.Ledger, error) { return nil, nil }
	d.Disk = doctor.Disk{
		Others: func(string) (read, write bool, err error) { return false, false, nil },
		Write:  func(string) error { return nil },
		Free:   func(string) (uint64, error) { return 5 << 30, nil },
		Remote: func(string) (bool, error) { return false, nil },
	}
	d.Run(t.Context(), collect)
	golden(t, "doctor", func(a *program) {
		for _, r := range results {
			a.tellResult(r)
		}
	})
}
