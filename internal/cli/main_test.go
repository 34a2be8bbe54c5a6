package cli

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/testproxy"
	"github.com/socbatch/socbatch/naming"
)

// raceOptions keep a program that was built with the race detector from
// sleeping a second before it ends.
const raceOptions = "atexit_sleep_ms=0"

// testBuild is the program that tests run.
var testBuild = Build{Version: "dev"}

func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		panic(err)
	}
	testscript.Main(leakChecked{m}, map[string]func(){"socbatch": func() { os.Exit(Main(testBuild)) }, "socbatch-measured": measured, "socbatch-relay": relay})
}

// leakChecked fails where something runs on after all tests.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// relay is a program of its own that connects its standard input and output to
// HOST PORT, as a proxy command does.
func relay() {
	conn, err := net.Dial("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "no way to", os.Args[1])
		os.Exit(1)
	}
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
}

// sharedKit is made once: its keys take a while.
var sharedKit = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "socbatch-kit-")
	if err != nil {
		return "", err
	}
	_, err = sandbox.OpenKit(dir, sandboxSender)
	return dir, err
})

// stand is a stand-in server with the client's files for it.
type stand struct {
	server *sandbox.Server
	dir    string // of the client
	config string
	letGo  func() // what the script holds
	proxy  *testproxy.Proxy
	t      testing.TB
}

// newStand starts a server. change may be nil.
func newStand(t testing.TB, dir string, change func(*sandbox.Config)) *stand {
	t.Helper()
	kitDir, err := sharedKit()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "client"), os.DirFS(kitDir)); err != nil {
		t.Fatal(err)
	}
	return openStand(t, dir, change)
}

// openStand starts a server on the files that dir has for it and its client.
func openStand(t testing.TB, dir string, change func(*sandbox.Config)) *stand {
	t.Helper()
	client := filepath.Join(dir, "client")
	for _, name := range []string{"id_rsa", "signer.p12", "signer.password"} {
		if err := os.Chmod(filepath.Join(client, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kit, err := sandbox.OpenKit(client, sandboxSender)
	if err != nil {
		t.Fatal(err)
	}
	c := sandbox.Config{
		Dir: filepath.Join(dir, "server"), Sender: kit.Sender, User: kit.User, AuthorizedKeys: []ssh.PublicKey{kit.Key},
		Certificate: kit.Certificate, ReceiptDelay: -1, NotificationDelay: -1,
	}
	if change != nil {
		change(&c)
	}
	s, err := sandbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the stand-in: %v", err)
		}
	})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	config, err := kit.WriteConfig(s)
	if err != nil {
		t.Fatal(err)
	}
	return &stand{server: s, dir: client, config: config}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	type key struct{}
	contracts, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			t, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("no testing.TB")
			}
			if needsUnix(env.WorkDir) {
				t.Skip("needs sh and its like")
			}
			scenario, err := scenarioOf(env.WorkDir)
			if err != nil {
				return err
			}
			st := newStand(t, env.WorkDir, func(c *sandbox.Config) { c.Scenario = scenario })
			st.t = t
			env.Values[key{}] = st
			env.Setenv("SOCBATCH_CONFIG", st.config)
			env.Setenv("GORACE", raceOptions)
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			_, port, err := net.SplitHostPort(st.server.Addr())
			if err != nil {
				return err
			}
			env.Setenv("PORT", port)
			env.Setenv("HOSTKEY", st.server.HostKeyFingerprint())
			env.Setenv("TODAY", string(naming.DateOf(time.Now())))
			examples, err := demoFiles(env.WorkDir)
			if err != nil {
				return err
			}
			env.Setenv("DECLARATIONS", filepath.Dir(examples["dimona-in.xml"]))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exitcode N COMMAND… runs a command and compares its exit code.
			"exitcode": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := "0"
				if err != nil {
					got = strings.TrimPrefix(err.Error(), "exit status ")
				}
				if got != args[0] {
					ts.Fatalf("exit code %s instead of %s", got, args[0])
				}
			},
			// processed N: the server took N sets so far.
			"processed": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				st.server.Look() // what it was given it may not have looked at yet
				if got := fmt.Sprint(len(st.server.Processed())); got != args[0] {
					ts.Fatalf("the server processed %s sets instead of %s: %v", got, args[0], st.server.Processed())
				}
			},
			// connections N: so many were made so far.
			"connections": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				n := 0
				for _, e := range st.server.Journal() {
					if e.Kind == sandbox.Connected {
						n++
					}
				}
				if fmt.Sprint(n) != args[0] {
					ts.Fatalf("%d connections instead of %s", n, args[0])
				}
			},
			// pending ENV N: so many files are left in the reply folder.
			"pending": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				if left := st.server.Pending(naming.Environment(args[0])); fmt.Sprint(len(left)) != args[1] {
					ts.Fatalf("%v left instead of %s", left, args[1])
				}
			},
			// hold lock NAME, hold ledger: as another socbatch at work would,
			// until release.
			"hold": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				letGo, err := st.hold(args)
				ts.Check(err)
				ts.Defer(letGo)
				st.letGo = letGo
			},
			"release": func(ts *testscript.TestScript, _ bool, _ []string) {
				st, _ := ts.Value(key{}).(*stand)
				st.letGo()
			},
			// proxy KIND [USER PASSWORD] starts one, socks or http, and puts its
			// address into $PROXY.
			"proxy": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				args = append(args, "", "")
				switch args[0] {
				case "socks":
					st.proxy = testproxy.SOCKS(st.t, args[1], args[2])
				case "http":
					st.proxy = testproxy.HTTP(st.t, args[1], args[2])
				}
				ts.Setenv("PROXY", st.proxy.Address)
			},
			// ageing DAYS: everything in the ledger happened so much earlier; with
			// a negative number later, as by a clock that was ahead.
			"ageing": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				ts.Check(st.ageing(args[0]))
			},
			// proxied N: so many connections went through the last proxy.
			"proxied": func(ts *testscript.TestScript, _ bool, args []string) {
				st, _ := ts.Value(key{}).(*stand)
				if got := fmt.Sprint(st.proxy.Joined.Load()); got != args[0] {
					ts.Fatalf("%s connections instead of %s", got, args[0])
				}
			},
			// schema NAME: the last standard output is as docs/schema/NAME says.
			"schema": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(checkContract(contracts, args[0], ts.ReadFile("stdout")))
			},
			// json: the last line of standard output is a JSON object; json
			// KEY=VALUE… compares values by their dotted paths.
			"json": func(ts *testscript.TestScript, _ bool, args []string) {
				lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
				var v any
				if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
					ts.Fatalf("not JSON: %v", err)
				}
				for _, a := range args {
					path, want, _ := strings.Cut(a, "=")
					if got := fmt.Sprint(at(v, strings.Split(path, "."))); got != want {
						ts.Fatalf("%s is %s instead of %s", path, got, want)
					}
				}
			},
		},
	})
}

// unixPrograms are what scripts call to prepare something.
var unixPrograms = regexp.MustCompile(`(?m)\bexec (sh|cat|ls|ln|touch|chmod|grep)\b`)

// needsUnix reports whether the script of a work directory calls programs that
// are not here.
func needsUnix(work string) bool {
	if _, err := exec.LookPath("sh"); err == nil {
		return false
	}
	name := strings.TrimPrefix(filepath.Base(work), "script-")
	text, err := os.ReadFile(filepath.Join("testdata", "script", name+".txtar"))
	return err != nil || unixPrograms.Match(text)
}

// hold takes a lock, or the ledger for writing.
func (s *stand) hold(args []string) (letGo func(), err error) {
	state := filepath.Join(s.dir, "state")
	if args[0] == "lock" {
		l, err := lock.Acquire(context.Background(), filepath.Join(state, "locks"), args[1], "socbatch elsewhere", 0)
		return sync.OnceFunc(func() { _ = l.Release() }), err
	}
	db, err := sql.Open("sqlite", filepath.Join(state, "ledger.db"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`BEGIN IMMEDIATE`)
	return sync.OnceFunc(func() { _ = db.Close() }), err
}

// ageing lets everything in the ledger have happened so many days earlier.
func (s *stand) ageing(days string) error {
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "state", "ledger.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	for table, columns := range map[string][]string{
		"submission": {"created_at", "updated_at", "sent_at"}, "event": {"at"}, "reply": {"fetched_at", "deleted_at", "read_at"},
	} {
		for _, c := range columns {
			if _, err := db.Exec(`UPDATE `+table+` SET `+c+` = strftime('%Y-%m-%dT%H:%M:%fZ', `+c+`, (-CAST($1 AS INTEGER)) || ' days') WHERE `+c+` <> ''`, days); err != nil {
				return err
			}
		}
	}
	return nil
}

// scenarioOf reads scenario.toml of a script, where it has one.
func scenarioOf(dir string) (sandbox.Scenario, error) {
	text, err := os.ReadFile(filepath.Join(dir, "scenario.toml"))
	if os.IsNotExist(err) {
		return sandbox.Scenario{}, nil
	}
	if err != nil {
		return sandbox.Scenario{}, err
	}
	return sandbox.ParseScenario(text)
}

func at(v any, path []string) any {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// Every exit code that the program can give stands in the help, and no other.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	codes := []int{
		exitDone, exitFailed, exitUsage, exitPartly, exitCredentials, exitTemporary, exitRefused, exitAlready,
		exitNoAnswer, exitUnknown, exitLocked, exitInterrupted,
	}
	var documented []int
	for _, x := range exitCodes {
		documented = append(documented, x.code)
	}
	if !slices.Equal(codes, documented) {
		t.Errorf("codes %v, documented %v", codes, documented)
	}
}
