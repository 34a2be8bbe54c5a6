package cli

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

	everyFlush bool // in spool and archive is tried, always
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
	{"disk of state_dir full", anywhere[:3], diskfault.Call.Grows, noSpace, true, "room", false},
	{"disk of the archive full", anywhere[3:], diskfault.Call.Grows, noSpace, true, "room", false},
	{"no room for one call", anywhere, diskfault.Call.Grows, noSpace, false, "room", false},
	{"one flush fails", anywhere, anyOf("sync"), broken, false, "disk", true},
	{"one write fails", anywhere, anyOf("create", "write", "truncate"), broken, false, "disk", false},
	{"killed", anywhere, func(diskfault.Call) bool { return true }, diskfault.Verdict{Kill: true}, false, "", false},
}

func TestDiskFaults(t *testing.T) {
	t.Parallel()
	answered := answeredDir(t)
	for name, open := range map[string]func(*testing.T) *diskTrial{
		"submit": func(t *testing.T) *diskTrial { return newSubmitTrial(t, nil) },
		"fetch":  func(t *testing.T) *diskTrial { return newFetchTrial(t, answered, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calm := &blow{}
			open(t).strike(t, calm)
			for _, d := range disasters {
				t.Run(d.name, func(t *testing.T) {
					t.Parallel()
					for _, place := range d.places {
						for _, at := range d.spread(place, calm.calls) {
							t.Run(fmt.Sprint(place, " ", at), func(t *testing.T) {
								open(t).strike(t, &blow{disaster: d, place: place, at: at})
							})
						}
					}
				})
			}
		})
	}
}

// spread says which of the calls at a place are tried: without
// SOCBATCH_DISK=all some, evenly spread, and every flush of spool and archive.
func (d disaster) spread(place string, calls []placedCall) (at []int) {
	n := 0
	for _, c := range calls {
		if c.place == place && d.hits(c.Call) {
			n++
		}
	}
	most := min(n, 2)
	if os.Getenv("SOCBATCH_DISK") == "all" || d.everyFlush && (place == "spool" || place == "archive") {
		most = n
	}
	for i := range most {
		at = append(at, 1+(2*i+1)*n/(2*most))
	}
	return at
}

// placedCall is a call on a file that belongs to the place.
type placedCall struct {
	diskfault.Call
	place string
}

// blow is a disaster that begins at the at-th call it hits in a place; in no
// place: never.
type blow struct {
	disaster
	place  string
	at     int
	calls  []placedCall
	hit    int // calls in the place
	begun  bool
	struck []string
}

func (b *blow) before(client string, c diskfault.Call) diskfault.Verdict {
	place := placeOf(client, c.Path)
	if place != "" {
		b.calls = append(b.calls, placedCall{c, place})
	}
	if !slices.Contains(b.places, place) || !b.hits(c) {
		return diskfault.Verdict{}
	}
	strike := b.begun && b.lasting
	if place == b.place {
		b.hit++
		strike = strike || b.hit == b.at
	}
	if !strike {
		return diskfault.Verdict{}
	}
	b.begun = true
	rel, _ := filepath.Rel(client, c.Path)
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
	case rel == ".": // holds state and archive
		return "state"
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
	early   []string          // requests that the server saw too early

	mu  *sync.Mutex
	cut *powerCut // of the command that is traced
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
	st := open(t, dir, func(c *sandbox.Config) {
		c.Hooks.Before = func(op sandbox.Operation) {
			d.mu.Lock()
			d.look(op)
			d.mu.Unlock()
			if hook != nil {
				hook(op)
			}
		}
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stand = st
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

// look is called at every request: before a reply is deleted it must be in the
// archive, and what is sent in the spool, where no power cut takes it away.
func (d *diskTrial) look(op sandbox.Operation) {
	name := filepath.Base(op.Path)
	content, known := d.replies[name]
	var at string
	switch {
	case op.Kind == "remove" && known:
		found, err := d.stored(name, content)
		if err != nil {
			d.early = append(d.early, fmt.Sprintf("%s is deleted on the server before it is stored: %v", name, err))
			return
		}
		at = found
	case op.Kind == "open" && op.Writing:
		at = filepath.Join(d.dir, "state", "spool")
	default:
		return
	}
	if d.cut == nil {
		return
	}
	for _, lost := range d.cut.takes(at) {
		d.early = append(d.early, fmt.Sprintf("%s %s: a power cut would take %s", op.Kind, name, lost))
	}
}

// stored finds a reply in the archive.
func (d *diskTrial) stored(name, content string) (string, error) {
	found, err := filepath.Glob(filepath.Join(d.dir, "replies", "R", "????-??-??", name+"*"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the archive has it %d times", len(found))
	}
	b, err := os.ReadFile(found[0])
	if err == nil && string(b) != content {
		err = errors.New("the archive has other contents")
	}
	return found[0], err
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
	e := d.runTraced(t, func(c diskfault.Call) diskfault.Verdict { return b.before(d.dir, c) })
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
			d.server.Look() // what it was given it may not have looked at yet
			if len(d.server.Processed()) != 1 {
				t.Errorf("it says %s, and the server has no such set", strings.TrimSpace(line))
			}
		case "stored":
			if _, err := d.stored(name, d.replies[name]); err != nil {
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
	for _, v := range d.early {
		t.Error(v)
	}
	if len(d.replies) != 4 { // receipt and notification, each with its signature
		t.Errorf("%d replies were seen", len(d.replies))
	}
	for name, content := range d.replies {
		if _, err := d.stored(name, content); err != nil {
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

func (d *diskTrial) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	return exec.Command(builtProgram(t), append([]string{"--config", d.config}, args...)...)
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

// runTraced runs the command of the trial, and watches what it flushes.
func (d *diskTrial) runTraced(t *testing.T, before func(diskfault.Call) diskfault.Verdict) ending {
	t.Helper()
	cmd := d.command(t, d.args)
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	out, errs := create("out"), create("err")
	defer out.Close()
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = out, errs
	cut := newPowerCut(d.dir)
	d.watch(cut)
	defer d.watch(nil)
	code, err := diskfault.Tracer{Before: before, After: cut.after}.Run(cmd)
	if errors.Is(err, diskfault.ErrNotAllowed) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return ending{code, read(out), read(errs)}
}

func (d *diskTrial) watch(cut *powerCut) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = cut
}
