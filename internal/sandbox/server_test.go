package sandbox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

func TestConfigIsChecked(t *testing.T) {
	sound := Config{Sender: account, User: "EXP101380", AcceptAnyKey: true}
	for name, change := range map[string]func(*Config){
		"sender":   func(c *Config) { c.Sender = "999999" },
		"user":     func(c *Config) { c.User = "" },
		"keys":     func(c *Config) { c.AcceptAnyKey = false },
		"scenario": func(c *Config) { c.Scenario.Rules = []Rule{{Process: "soon"}} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound
			change(&cfg)
			if s, err := New(cfg); err == nil {
				s.Close()
				t.Error("no error")
			}
		})
	}
	s, err := New(sound)
	if err != nil {
		t.Fatal(err)
	}
	dir := s.Dir()
	if s.Addr() != "" {
		t.Errorf("address %q before Start", s.Addr())
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	if err := s.Start(context.Background()); err == nil {
		t.Error("started after Close")
	}
}

func TestLogin(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	stranger, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		any  bool
		user string
		key  ssh.Signer
		ok   bool
	}{
		{"known", false, "EXP101380", loginKey(), true},
		{"another user", false, "EXP000001", loginKey(), false},
		{"another key", false, "EXP101380", stranger, false},
		{"any key", true, "EXP101380", stranger, true},
		{"any key, another user", true, "root", stranger, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(c *Config) { c.AcceptAnyKey = tt.any })
			c, err := dial(s, tt.user, tt.key)
			if err == nil {
				c.close()
			}
			if (err == nil) != tt.ok {
				t.Fatalf("login: %v", err)
			}
			wait(t, s, func(n map[EventKind]int) bool { return n[Disconnected] == 1 })
			if n := kinds(s.Journal()); (n[Authenticated] == 1) != tt.ok || (n[LoginRefused] == 1) == tt.ok {
				t.Errorf("events %v", n)
			}
		})
	}
}

func TestOnlySFTP(t *testing.T) {
	s := start(t, nil)
	c, err := dial(s, "EXP101380", loginKey())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	session, err := c.conn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Run("ls"); err == nil {
		t.Error("a command was run")
	}
	if _, err := c.conn.Dial("tcp", s.Addr()); err == nil {
		t.Error("a connection was forwarded")
	}
}

func TestClientIsConfined(t *testing.T) {
	s := start(t, nil)
	c := connect(t, s)
	list, err := c.ReadDir(".")
	var names []string
	for _, i := range list {
		names = append(names, i.Name())
	}
	if want := []string{"IN", "INTEST", "INTEST-S", "OUT", "OUTTEST", "OUTTEST-S"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("top folder %q, %v", names, err)
	}
	for _, p := range []string{".state", ".state/log.jsonl", ".processed", "../etc/passwd", "IN/../.state/identity.pem", "IN/a/b", "/etc/passwd"} {
		if _, err := c.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %s: %v", p, err)
		}
		if f, err := c.Open(p); err == nil {
			f.Close()
			t.Errorf("%s was opened", p)
		}
		if err := put(c, p, "x"); err == nil {
			t.Errorf("%s was written", p)
		}
	}
	const file = "IN/FI.DIMN.101380.20261125.00001.R.1.1"
	mustPut(t, c, file, "x")
	for what, err := range map[string]error{
		"mkdir":         c.Mkdir("IN/new"),
		"rmdir":         c.RemoveDirectory("IN"),
		"rename":        c.Rename(file, "IN/other"),
		"posix rename":  c.PosixRename(file, "IN/other"),
		"chmod":         c.Chmod(file, 0o600),
		"chtimes":       c.Chtimes(file, noon(), noon()),
		"truncate":      c.Truncate(file, 0),
		"write to OUT":  put(c, "OUT/FO.ACRF.999999.20261125.00001.R", ""),
		"write to top":  put(c, "hello", ""),
		"write folder":  put(c, "IN", ""),
		"delete folder": c.Remove("OUT"),
	} {
		if err == nil {
			t.Errorf("%s was allowed", what)
		} else if what != "write to top" && !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v is no permission error", what, err)
		}
	}
	for what, err := range map[string]error{"symlink": c.Symlink(file, "IN/link"), "link": c.Link(file, "IN/link")} {
		if err == nil || !strings.Contains(err.Error(), "SSH_FX_OP_UNSUPPORTED") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if get(t, c, file) != "x" {
		t.Error("the file was changed")
	}
}

// TestJournal goes through a whole exchange and compares the journal line by
// line, in memory and as JSON.
func TestJournal(t *testing.T) {
	var lines bytes.Buffer
	s := start(t, func(c *Config) { c.Journal = &lines })
	c := connect(t, s)
	s1 := set("DIMN", "00001", naming.Test, 1)
	mustPut(t, c, "INTEST/FI.wrong", "abc")
	if err := c.Remove("INTEST/FI.wrong"); err != nil {
		t.Fatal(err)
	}
	send(t, c, s1, registered(), dimona(1))
	s.Flush()
	get(t, c, "OUTTEST/"+foACRF)
	if err := c.Remove("OUTTEST/" + foACRF); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, e := range s.Journal() {
		if e.Seq != i+1 || !e.Time.Equal(noon()) {
			t.Errorf("event %d: number %d, time %v", i, e.Seq, e.Time)
		}
		got = append(got, strings.TrimSpace(string(e.Kind)+" "+e.Folder+" "+e.Name))
	}
	fi, fs, goName := s1.FI(1).String(), s1.FS(1).String(), s1.GO().String()
	want := []string{
		"connected", "authenticated  EXP101380",
		"put INTEST FI.wrong", "removed INTEST FI.wrong",
		"put INTEST " + fi, "put INTEST " + fs, "go INTEST " + goName, "put INTEST " + goName,
		"set-processed INTEST " + goName,
		"reply OUTTEST " + foACRF, "reply OUTTEST " + foNOTI,
		"reply-fetched OUTTEST " + foACRF, "reply-deleted OUTTEST " + foACRF,
	}
	if !slices.Equal(got, want) {
		t.Fatalf("journal\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p := s.Journal()[8]
	sum := sha256.Sum256([]byte(dimona(1)))
	if p.Set != s1.String() || p.Environment != "T" || p.Parts != 1 || !p.Signed || p.Outcome != Accepted || len(p.Ticket) != 13 ||
		len(p.Files) != 1 || p.Files[0] != (File{fi, int64(len(dimona(1))), hex.EncodeToString(sum[:])}) {
		t.Errorf("event %+v", p)
	}
	if r := s.Journal()[10]; r.Reply != "NOTI" || r.For != fi || r.Ticket != p.Ticket {
		t.Errorf("event %+v", r)
	}
	var read []Event
	for d := json.NewDecoder(&lines); d.More(); {
		var e Event
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		read = append(read, e)
	}
	a, _ := json.Marshal(read)
	b, _ := json.Marshal(s.Journal())
	if !bytes.Equal(a, b) {
		t.Errorf("written\n%s\nin memory\n%s", a, b)
	}
}

// TestRestart ends a server at the worst moments and goes on with the next.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	next := func(sc Scenario) *Server {
		return start(t, func(c *Config) {
			c.Dir, c.JournalPath, c.Scenario = filepath.Join(dir, "server"), filepath.Join(dir, "journal.jsonl"), sc
		})
	}
	s := next(Scenario{Rules: []Rule{{Sequence: "00002", Process: "manual"}}, Faults: Faults{}})
	key, ca := s.HostKeyFingerprint(), s.ReplyCA()
	c, err := dial(s, "EXP101380", loginKey())
	if err != nil {
		t.Fatal(err)
	}
	s1, s2 := set("DIMN", "00001", naming.Test, 1), set("DIMN", "00002", naming.Test, 1)
	send(t, c.Client, s1, nil, dimona(1))
	wait(t, s, func(n map[EventKind]int) bool { return n[SetProcessed] == 1 })
	// The answers to the first set are due, the second was not looked at.
	send(t, c.Client, s2, nil, dimona(1))
	if err := s.SetScenario(Scenario{Faults: Faults{Vanish: true}}); err != nil {
		t.Fatal(err)
	}
	s3 := set("DIMN", "00003", naming.Test, 1)
	mustPut(t, c.Client, "INTEST/"+s3.FI(1).String(), dimona(1)) // vanished, without GO
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.close()
	events := len(s.Journal())

	// As after a crash while a set was being taken.
	half := filepath.Join(dir, "server", ".processed", "000002", "INTEST")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "server", "INTEST", s2.FI(1).String()), filepath.Join(half, s2.FI(1).String())); err != nil {
		t.Fatal(err)
	}

	s = next(Scenario{})
	if s.HostKeyFingerprint() != key || !s.ReplyCA().Equal(ca) {
		t.Error("the keys have changed")
	}
	if n := s.Journal()[events:]; len(n) > 0 && n[0].Seq != events+1 {
		t.Errorf("journal goes on with %+v", n[0])
	}
	client := connect(t, s)
	mustPut(t, client, "INTEST/"+s3.GO().String(), "")
	send(t, client, s1, nil, dimona(1)) // the name is still used
	s.Flush()
	var got []string
	for _, p := range s.Processed() {
		got = append(got, p.GO+" "+strings.Join(p.Errors, " "))
	}
	slices.Sort(got)
	want := []string{s1.GO().String() + " ", s1.GO().String() + " ACRF-133", s2.GO().String() + " ", s3.GO().String() + " "}
	if !slices.Equal(got, want) {
		t.Errorf("processed %q, want %q", got, want)
	}
	names := s.Pending(naming.Test)
	for i := 1; i <= 4; i++ {
		if !slices.Contains(names, fmt.Sprintf("GO.ACRF.999999.%s.%05d.T", today, i)) {
			t.Errorf("receipt %d is missing in %q", i, names)
		}
	}
	if len(names) != 3*(4+3) {
		t.Errorf("%d files of replies", len(names))
	}
}

// TestReplyNumbersAreNotReused deletes replies before the restart.
func TestReplyNumbersAreNotReused(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		s := start(t, func(c *Config) {
			c.Dir = dir
			c.Scenario.Rules = []Rule{{Notification: "none"}}
			c.Scenario.Faults.HalfWrittenReplies = i == 0
		})
		c, err := dial(s, "EXP101380", loginKey())
		if err != nil {
			t.Fatal(err)
		}
		send(t, c.Client, set("DIMN", fmt.Sprintf("0000%d", i+1), naming.Test, 1), nil, dimona(1))
		s.Flush()
		names := s.Pending(naming.Test)
		c.close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// The first server left half of a reply; the second has completed it.
		if want := [][]string{{foACRF}, {
			foACRF, "FO.ACRF.999999.20261125.00002.T", "FS" + foACRF[2:], "FS.ACRF.999999.20261125.00002.T",
			"GO" + foACRF[2:], "GO.ACRF.999999.20261125.00002.T",
		}}[i]; !slices.Equal(names, want) {
			t.Errorf("replies %q, want %q", names, want)
		}
	}
}

// TestHooks checks that every request is seen, in order, with its path.
func TestHooks(t *testing.T) {
	var mu sync.Mutex
	var before, after []Operation
	s := start(t, func(c *Config) {
		c.Hooks = Hooks{
			Before: func(op Operation) { mu.Lock(); before = append(before, op); mu.Unlock() },
			After:  func(op Operation) { mu.Lock(); after = append(after, op); mu.Unlock() },
		}
	})
	c := connect(t, s)
	const fi = "INTEST/FI.DIMN.101380.20261125.00001.T.1.1"
	f, err := c.Create(fi)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Stat(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RealPath("IN"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadDir("OUT"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(fi); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"init  0", "open " + fi + " 0", "write " + fi + " 3", "fstat " + fi + " 0", "close " + fi + " 0", "realpath IN 0",
		"list OUT 0", "readdir OUT 0", "close OUT 0", "remove " + fi + " 0",
	}
	mu.Lock()
	defer mu.Unlock()
	for what, ops := range map[string][]Operation{"before": before, "after": after} {
		var got []string
		for i, op := range ops {
			if op.N != int64(i+1) || op.Conn != 1 || op.Writing != (op.Kind == "open") {
				t.Errorf("%s: operation %+v", what, op)
			}
			got = append(got, fmt.Sprintf("%s %s %d", op.Kind, op.Path, op.Size))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
}

// TestClientDiesAtGO lets the client disappear around the OPEN of its GO:
// whether the set counts depends on nothing but the creation of the file.
func TestClientDiesAtGO(t *testing.T) {
	s1 := set("DIMN", "00001", naming.Test, 1)
	isGO := func(op Operation) bool { return op.Kind == "open" && strings.HasPrefix(op.Path, "INTEST/GO") }
	for name, created := range map[string]bool{"request lost": false, "request under way": true, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			var s *Server
			cut := func(op Operation) {
				if isGO(op) {
					s.CutConnections()
				}
			}
			hooks := map[string]Hooks{"request lost": {Drop: isGO}, "request under way": {Before: cut}, "answer lost": {After: cut}}[name]
			s = start(t, func(c *Config) { c.Hooks = hooks })
			c := connect(t, s)
			mustPut(t, c, "INTEST/"+s1.FI(1).String(), dimona(1))
			if err := put(c, "INTEST/"+s1.GO().String(), ""); err == nil {
				t.Error("the client does not know that it died")
			}
			wait(t, s, func(n map[EventKind]int) bool { return n[Disconnected] == 1 })
			s.Flush()
			n := kinds(s.Journal())
			if (n[GoCreated] == 1) != created || (n[SetProcessed] == 1) != created {
				t.Errorf("events %v", n)
			}
			if p := s.Processed(); created && p[0].Outcome != Accepted {
				t.Errorf("processed %+v", p)
			}
		})
	}
}

// TestManyInFlight sends 200 sets with hundreds of requests under way.
func TestManyInFlight(t *testing.T) {
	const sets = 200
	s := start(t, func(c *Config) { c.Scenario.Rules = []Rule{{Notification: "none", SignReplies: new(bool)}} })
	c := connect(t, s)
	var wg sync.WaitGroup
	for i := range sets {
		wg.Go(func() {
			set := set("DIMN", fmt.Sprintf("%05d", i+1), naming.Test, 1)
			if err := put(c, "INTEST/"+set.FI(1).String(), dimona(1)); err != nil {
				t.Error(err)
			}
			if err := put(c, "INTEST/"+set.GO().String(), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.Flush()
	accepted := 0
	for _, p := range s.Processed() {
		if p.Outcome == Accepted {
			accepted++
		}
	}
	list, err := c.ReadDir("OUTTEST")
	if accepted != sets || len(list) != 2*sets || err != nil {
		t.Errorf("%d accepted, %d files, %v", accepted, len(list), err)
	}
	if !slices.IsSortedFunc(list, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) }) {
		t.Error("the listing is not sorted")
	}
}

func TestNewTestIdentity(t *testing.T) {
	id, err := NewTestIdentity("Jan Test")
	if err != nil {
		t.Fatal(err)
	}
	p12, err := id.P12("geheim")
	if err != nil {
		t.Fatal(err)
	}
	read, err := sign.ReadPKCS12(p12, "geheim", id.Certificate.NotBefore.AddDate(0, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !read.Certificate().Equal(id.Certificate) || sign.Describe(id.Certificate).Key != "RSA 2048" {
		t.Errorf("certificate %+v", sign.Describe(read.Certificate()))
	}
	if _, err := sign.ReadPKCS12(p12, "wrong", noon()); !errors.Is(err, sign.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
}
