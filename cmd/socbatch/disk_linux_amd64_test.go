package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/socbatch/socbatch/internal/diskfault"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// The tests in this file let the disk of the client fail under the program as
// it is shipped, at one system call after the other, in the whole of what it
// writes: spool, ledger with all that SQLite does, archive, locks. After each
// fault the same commands run on a good disk, and everything must be in its
// place once.
//
// SOCBATCH_DISK=all tries every call; without it some, evenly spread.

// safeHint must be given with every fault.
const safeHint = "nothing is sent, or deleted on the server, before it is safe on this disk"

// disaster is something that befalls a disk.
type disaster struct {
	name    string
	places  []string // that it strikes
	hits    func(diskfault.Call) bool
	what    diskfault.Verdict
	lasting bool   // every call from the first one struck
	hint    string // must be given
}

var (
	anywhere = []string{"state", "spool", "ledger", "archive"}
	noSpace  = diskfault.Verdict{Errno: syscall.ENOSPC}
	broken   = diskfault.Verdict{Errno: syscall.EIO}
)

func anyOf(names ...string) func(diskfault.Call) bool {
	return func(c diskfault.Call) bool { return slices.Contains(names, c.Name) }
}

var disasters = []disaster{
	{"disk of state_dir full", anywhere[:3], diskfault.Call.Grows, noSpace, true, "room"},
	{"disk of the archive full", anywhere[3:], diskfault.Call.Grows, noSpace, true, "room"},
	{"no room for one call", anywhere, diskfault.Call.Grows, noSpace, false, "room"},
	{"one flush fails", anywhere, anyOf("sync"), broken, false, "disk"},
	{"one write fails", anywhere, anyOf("create", "write", "truncate"), broken, false, "disk"},
	{"killed", anywhere, func(diskfault.Call) bool { return true }, diskfault.Verdict{Kill: true}, false, ""},
}

func TestDiskFaults(t *testing.T) {
	t.Parallel()
	answered := answeredDir(t)
	for _, c := range []struct {
		name string
		make func(*testing.T) *diskTrial
		most int // calls of one disaster that are tried without SOCBATCH_DISK=all
	}{
		{"submit", func(t *testing.T) *diskTrial { return newSubmitTrial(t, nil) }, 5},
		{"fetch", func(t *testing.T) *diskTrial { return newFetchTrial(t, answered, nil) }, 5},
	} {
		for _, d := range disasters {
			t.Run(c.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				counting := &blow{disaster: d}
				c.make(t).strike(t, counting)
				if counting.calls == 0 {
					t.Skip("there is no such call")
				}
				tried := map[string]int{}
				for _, at := range spread(counting.calls, c.most) {
					t.Run(fmt.Sprint(at), func(t *testing.T) {
						b := &blow{disaster: d, at: at}
						c.make(t).strike(t, b)
						for _, x := range b.struck[:min(1, len(b.struck))] {
							place, _, _ := strings.Cut(x, ":")
							tried[place]++
						}
					})
				}
				t.Logf("%d calls %v, tried %v", counting.calls, counting.seen, tried)
			})
		}
	}
}

// spread gives the numbers from 1 to n, or at most so many of them.
func spread(n, most int) []int {
	if os.Getenv("SOCBATCH_DISK") == "all" || n < most {
		most = n
	}
	var all []int
	for i := range most {
		all = append(all, 1+i*(n-1)/max(most-1, 1))
	}
	return all
}

// blow is a disaster at its at-th call; 0: never.
type blow struct {
	disaster
	at     int
	calls  int
	seen   map[string]int // calls by place
	struck []string
}

func (b *blow) before(st *stand, c diskfault.Call) diskfault.Verdict {
	place := placeOf(st.dir, c.Path)
	if !slices.Contains(b.places, place) || !b.hits(c) {
		return diskfault.Verdict{}
	}
	if b.seen == nil {
		b.seen = map[string]int{}
	}
	b.seen[place]++
	b.calls++
	if b.at == 0 || b.calls < b.at || b.calls > b.at && !b.lasting {
		return diskfault.Verdict{}
	}
	rel, _ := filepath.Rel(st.dir, c.Path)
	b.struck = append(b.struck, place+": "+c.Name+" "+rel)
	return b.what
}

// placeOf is what a file of the client belongs to; empty where it is not
// written by the commands here.
func placeOf(client, path string) string {
	rel, err := filepath.Rel(client, path)
	if err != nil {
		return ""
	}
	parts := strings.Split(rel, "/")
	switch {
	case parts[0] == "replies":
		return "archive"
	case parts[0] != "state":
		return ""
	case len(parts) > 1 && strings.HasPrefix(parts[1], "ledger.db"):
		return "ledger"
	case len(parts) > 1 && parts[1] == "spool":
		return "spool"
	}
	return "state" // the directory, locks, logins.json
}

// diskTrial is one command that meets a fault.
type diskTrial struct {
	*stand
	args    []string          // the command
	submit  []string          // the submit that was or will be given
	replies map[string]string // contents of those that were seen on the server
	deleted []string          // violations seen by the server
	mu      *sync.Mutex
}

// newSubmitTrial is about the first submit of all.
func newSubmitTrial(t *testing.T, hook func(sandbox.Operation)) *diskTrial {
	t.Helper()
	dir := t.TempDir()
	d := newDiskTrial(t, dir, hook, newStand)
	d.args = d.submit
	return d
}

// newFetchTrial is about a fetch when two replies are there.
func newFetchTrial(t *testing.T, from string, hook func(sandbox.Operation)) *diskTrial {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	d := newDiskTrial(t, dir, hook, openStand)
	d.args = d.fetch()
	d.lookAtReplies(t)
	return d
}

func newDiskTrial(t *testing.T, dir string, hook func(sandbox.Operation), open func(testing.TB, string, func(*sandbox.Config)) *stand) *diskTrial {
	t.Helper()
	d := &diskTrial{replies: map[string]string{}, mu: &sync.Mutex{}}
	files, err := demoFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.submit = []string{"submit", "--env", "R", "--settle-pause", "10ms", files["dmfa-part1.xml"]}
	d.stand = open(t, dir, func(c *sandbox.Config) {
		c.Hooks.Before = func(op sandbox.Operation) {
			d.removing(op)
			if hook != nil {
				hook(op)
			}
		}
	})
	return d
}

func (d *diskTrial) fetch() []string {
	return []string{"fetch", "--env", "R", "--settle-pause", "10ms"}
}

// answeredDir holds a client that has submitted, and a server with the replies.
func answeredDir(t *testing.T) string {
	t.Helper()
	d := newSubmitTrial(t, nil)
	if e := d.run(t, d.submit...); e.code != exitDone {
		t.Fatal(e)
	}
	waitReplies(t, d.stand, 2)
	if err := d.server.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(d.dir)
}

// removing is called when the client asks to delete a file on the server: a
// reply must be in the archive by then.
func (d *diskTrial) removing(op sandbox.Operation) {
	name := filepath.Base(op.Path)
	d.mu.Lock()
	defer d.mu.Unlock()
	content, known := d.replies[name]
	if op.Kind != "remove" || !known {
		return
	}
	if err := d.stored(name, content); err != nil {
		d.deleted = append(d.deleted, fmt.Sprintf("%s is deleted on the server before it is stored: %v", name, err))
	}
}

func (d *diskTrial) stored(name, content string) error {
	found, err := filepath.Glob(filepath.Join(d.dir, "replies", "R", "????-??-??", name+"*"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("the archive has it %d times", len(found))
	}
	b, err := os.ReadFile(found[0])
	if err == nil && string(b) != content {
		err = errors.New("the archive has other contents")
	}
	return err
}

// lookAtReplies reads what the server has for the client.
func (d *diskTrial) lookAtReplies(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range d.server.Pending(naming.Production) {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(d.dir), "server", naming.Production.Outbox(), name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "GO.") {
			d.replies[name] = string(b)
		}
	}
}

// ending is how a command ended.
type ending struct {
	code     int
	out, err string
}

func (e ending) String() string { return fmt.Sprintf("exit code %d\n%s%s", e.code, e.out, e.err) }

// strike runs the command into a fault, and everything again without.
func (d *diskTrial) strike(t *testing.T, b *blow) {
	t.Helper()
	e := d.runTraced(t, diskfault.Tracer{Before: func(c diskfault.Call) diskfault.Verdict { return b.before(d.stand, c) }}, d.args...)
	t.Logf("%s\n%s", strings.Join(b.struck[:min(3, len(b.struck))], "\n"), e)
	if e.code != diskfault.Killed {
		d.honest(t, b, e)
	}
	d.goesOn(t)
	if e.code != diskfault.Killed {
		d.tidy(t)
	}
}

// honest checks what a command that met a fault says.
func (d *diskTrial) honest(t *testing.T, b *blow, e ending) {
	t.Helper()
	for _, bad := range []string{"panic", "goroutine ", "SQLITE_"} {
		if strings.Contains(e.out+e.err, bad) {
			t.Errorf("it prints %q", bad)
		}
	}
	for line := range strings.Lines(e.out) {
		what, rest, _ := strings.Cut(line, "  ")
		name, _, _ := strings.Cut(rest, "  ")
		switch what {
		case "sent":
			if now := d.run(t, "status", name); !strings.Contains(now.out, "sent") {
				t.Errorf("it says %s, and the ledger does not:\n%s", strings.TrimSpace(line), now)
			}
			if len(d.server.Processed()) != 1 {
				t.Errorf("it says %s, and the server has no such set", strings.TrimSpace(line))
			}
		case "stored":
			if err := d.stored(name, d.replies[name]); err != nil {
				t.Errorf("it says %s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	switch {
	case e.code == exitDone:
		if d.args[0] == "submit" && !strings.Contains(e.out, "sent  ") {
			t.Error("nothing was sent, and it did not fail")
		}
		if left := d.server.Pending(naming.Production); d.args[0] == "fetch" && len(left) > 0 {
			t.Errorf("left on the server: %v, and it did not fail", left)
		}
	case e.code != exitFailed && e.code != exitPartly && e.code != exitUnknown:
		t.Errorf("exit code %d", e.code)
	default:
		said, hint, ok := strings.Cut(e.err, "  → ")
		if !strings.Contains(said, "error: ") || !ok || !strings.Contains(hint, b.hint) {
			t.Errorf("it has no clear error, with a hint to %q", b.hint)
		}
		if !strings.Contains(said, d.dir) && !strings.Contains(said, "ledger") {
			t.Error("it does not say where")
		}
		if e.code != exitUnknown && !strings.Contains(e.err, safeHint) {
			t.Error("it does not say what was not done")
		}
	}
}

// goesOn gives the commands again, to the end, and looks for everything in its
// place once.
func (d *diskTrial) goesOn(t *testing.T) {
	t.Helper()
	if e := d.run(t, d.submit...); e.code != exitDone && e.code != exitAlready {
		t.Fatalf("submit on a good disk:\n%s", e)
	}
	if d.args[0] == "submit" {
		waitReplies(t, d.stand, 2)
	}
	d.lookAtReplies(t)
	if e := d.run(t, d.fetch()...); e.code != exitDone {
		t.Fatalf("fetch on a good disk:\n%s", e)
	}
	if e := d.run(t, d.submit...); e.code != exitAlready {
		t.Errorf("a last submit:\n%s", e)
	}
	if sets := d.server.Processed(); len(sets) != 1 || sets[0].Outcome != sandbox.Accepted {
		t.Errorf("the server processed %+v", sets)
	}
	if left := d.server.Pending(naming.Production); len(left) > 0 {
		t.Errorf("left on the server: %v", left)
	}
	if e := d.run(t, "status", "--json"); strings.Count(e.out, `"state"`) != 1 || strings.Count(e.out, `"state":"accepted"`) != 1 {
		t.Errorf("the ledger says\n%s", e)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.deleted {
		t.Error(v)
	}
	if len(d.replies) != 4 { // receipt and notification, each with its signature
		t.Errorf("%d replies were seen", len(d.replies))
	}
	for name, content := range d.replies {
		if err := d.stored(name, content); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(d.dir, "replies"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if slices.Sort(files); err != nil || !slices.Equal(files, slices.Sorted(maps.Keys(d.replies))) {
		t.Errorf("the archive has %v, %v", files, err)
	}
}

// tidy: a command that ended by itself leaves one frozen copy and no temporary
// files.
func (d *diskTrial) tidy(t *testing.T) {
	t.Helper()
	spools, err := os.ReadDir(filepath.Join(d.dir, "state", "spool"))
	if err != nil || len(spools) != 1 {
		t.Errorf("in the spool: %v, %v", spools, err)
	}
	for _, pattern := range []string{"state/.new-*", "state/spool/*/.*"} {
		if found, err := filepath.Glob(filepath.Join(d.dir, pattern)); err != nil || len(found) > 0 {
			t.Errorf("left behind: %v, %v", found, err)
		}
	}
}

// shipped builds the program as it is given to people, beside the one that
// testscript made of the tests and removes at the end.
var shipped = sync.OnceValues(func() (string, error) {
	self, err := exec.LookPath("socbatch")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(filepath.Dir(self), "socbatch-shipped")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return binary, nil
})

func (d *diskTrial) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	binary, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(binary, append([]string{"--config", d.config}, args...)...)
}

func (d *diskTrial) run(t *testing.T, args ...string) ending {
	t.Helper()
	return d.finish(t, d.command(t, args))
}

// inNamespace runs a shell script in a mount namespace of its own.
func inNamespace(script string, args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	return cmd
}

func (d *diskTrial) finish(t *testing.T, cmd *exec.Cmd) ending {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ending{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (d *diskTrial) runTraced(t *testing.T, tracer diskfault.Tracer, args ...string) ending {
	t.Helper()
	cmd := d.command(t, args)
	dir := t.TempDir()
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = out, errs
	code, err := tracer.Run(cmd)
	if errors.Is(err, diskfault.ErrNotAllowed) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ending{code, read("out"), read("err")}
}
