package cli

import (
	"maps"
	"os"
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

// powerCut knows what a power cut would take from a client that is traced.
type powerCut struct {
	client, wal string

	mu        sync.Mutex
	contents  map[string]bool // files whose content is not flushed
	names     map[string]bool // files and directories whose name is not
	unentered map[string]bool // files that got their name after the last flush of the ledger
	flushes   int             // of the ledger
}

func newPowerCut(client string) *powerCut {
	return &powerCut{
		client: client, wal: filepath.Join(client, "state", "ledger.db-wal"),
		contents: map[string]bool{}, names: map[string]bool{}, unentered: map[string]bool{},
	}
}

func (p *powerCut) after(c diskfault.Call, errno syscall.Errno) {
	if errno != 0 || placeOf(p.client, c.Path) == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch c.Name {
	case "write", "truncate":
		p.contents[c.Path] = true
	case "create", "mkdir":
		p.names[c.Path] = true
	case "rename":
		p.contents[c.To] = p.contents[c.Path]
		p.names[c.To], p.unentered[c.To] = true, true
		p.forget(c.Path)
	case "remove":
		p.forget(c.Path)
	case "sync":
		delete(p.contents, c.Path)
		maps.DeleteFunc(p.names, func(name string, _ bool) bool { return filepath.Dir(name) == c.Path })
		if c.Path == p.wal {
			p.flushes++
			clear(p.unentered)
		}
	}
}

func (p *powerCut) forget(path string) {
	delete(p.contents, path)
	delete(p.names, path)
	delete(p.unentered, path)
}

// takes says what would be taken of a file or directory, of what lies below it,
// and of the directories above it.
func (p *powerCut) takes(path string) (lost []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for what, of := range map[string]map[string]bool{
		"the content of ": p.contents, "the name of ": p.names, "the entry in the ledger of ": p.unentered,
	} {
		for x, is := range of {
			if is && (x == path || strings.HasPrefix(x, path+"/") || strings.HasPrefix(path, x+"/")) {
				lost = append(lost, what+strings.TrimPrefix(x, p.client+"/"))
			}
		}
	}
	slices.Sort(lost)
	return lost
}

func (p *powerCut) ledgerFlushes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flushes
}

// A reply is deleted on the server, and a file is sent, only when a power cut
// could not take away what is stored here: every file, its directory, and the
// ledger were flushed before the request leaves. Files are looked at in every
// trial; here also the ledger, which must not lag behind the requests either.
func TestStoredBeforeDelete(t *testing.T) {
	t.Parallel()
	t.Run("fetch", func(t *testing.T) {
		t.Parallel()
		from := answeredDir(t)
		// With one set alone nothing else writes to the ledger meanwhile.
		for _, name := range []string{"FO", "FS", "GO"} {
			found, err := filepath.Glob(filepath.Join(from, "server", naming.Production.Outbox(), name+".NOTI.*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			if err := os.Remove(found[0]); err != nil {
				t.Fatal(err)
			}
		}
		checkOrder(t, func(hook func(sandbox.Operation)) *diskTrial { return newFetchTrial(t, from, hook) },
			func(op sandbox.Operation) bool { return op.Kind == "remove" })
	})
	t.Run("submit", func(t *testing.T) {
		t.Parallel()
		checkOrder(t, func(hook func(sandbox.Operation)) *diskTrial { return newSubmitTrial(t, hook) },
			func(op sandbox.Operation) bool { return op.Kind == "open" && op.Writing })
	})
}

// checkOrder runs a command and looks at the three requests that cannot be
// taken back: two files, and the GO.
func checkOrder(t *testing.T, open func(func(sandbox.Operation)) *diskTrial, final func(sandbox.Operation) bool) {
	t.Helper()
	var d *diskTrial
	var mu sync.Mutex
	seen, flushes := 0, 0
	d = open(func(op sandbox.Operation) {
		mu.Lock()
		defer mu.Unlock()
		if !final(op) {
			return
		}
		seen++
		name := filepath.Base(op.Path)
		for _, lost := range d.cut.takes(d.cut.wal) {
			t.Errorf("%s %s: a power cut would take %s", op.Kind, name, lost)
		}
		n := d.cut.ledgerFlushes()
		if strings.HasPrefix(name, "GO.") && n == flushes {
			t.Errorf("%s %s before the ledger knows of the requests before it", op.Kind, name)
		}
		flushes = n
	})
	e := d.runTraced(t, func(diskfault.Call) diskfault.Verdict { return diskfault.Verdict{} })
	mu.Lock()
	defer mu.Unlock()
	if e.code != exitDone || seen != 3 || flushes == 0 {
		t.Errorf("%d requests were looked at, want 3; the ledger was flushed %d times\n%s", seen, flushes, e)
	}
	for _, x := range d.early {
		t.Error(x)
	}
}

// The state directory lies on a disk that is really full, or may not be written.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const script = `mount -t tmpfs -o size=$1 none "$2" && shift 2 && "$@"`
	if err := inNamespace(`mount -t tmpfs none "$1"`, t.TempDir()).Run(); err != nil {
		t.Skipf("no mount namespace of our own: %v", err)
	}
	for _, size := range []string{"4k", "16k", "64k", "160k", "256k"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			d := newSubmitTrial(t, nil)
			state := filepath.Join(d.dir, "state")
			if err := os.MkdirAll(state, 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := d.command(t, d.args)
			e := d.finish(t, inNamespace(script, append([]string{size, state}, cmd.Args...)...))
			if e.code != exitFailed || !strings.Contains(e.err, "make room") && !strings.Contains(e.err, "has room") || !strings.Contains(e.err, safeHint) {
				t.Error(e)
			}
			if n := len(d.server.Processed()); n != 0 {
				t.Errorf("%d sets were sent", n)
			}
			// The state was on the disk that is gone: this is a first run.
			d.goesOn(t)
		})
	}
}

func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	const script = `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && "$@"`
	if err := inNamespace(script, t.TempDir(), "true").Run(); err != nil {
		t.Skipf("no mount namespace of our own: %v", err)
	}
	answered := answeredDir(t)
	for name, open := range map[string]func(t *testing.T) *diskTrial{
		"submit": func(t *testing.T) *diskTrial { return newSubmitTrial(t, nil) },
		"fetch":  func(t *testing.T) *diskTrial { return newFetchTrial(t, answered, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			state := filepath.Join(d.dir, "state")
			if err := os.MkdirAll(state, 0o700); err != nil {
				t.Fatal(err)
			}
			before := len(d.server.Processed())
			cmd := d.command(t, d.args)
			e := d.finish(t, inNamespace(script, append([]string{state}, cmd.Args...)...))
			if e.code != exitFailed || !strings.Contains(e.err, "writable") || !strings.Contains(e.err, safeHint) {
				t.Error(e)
			}
			if n := len(d.server.Processed()); n != before {
				t.Error("something was sent")
			}
			d.goesOn(t)
		})
	}
}
