package main

import (
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

// unflushed knows which files and directories hold what a power cut would take.
type unflushed struct {
	client string
	mu     sync.Mutex
	dirty  map[string]bool
}

func (u *unflushed) after(c diskfault.Call, errno syscall.Errno) {
	if errno != 0 || !strings.HasPrefix(c.Path, u.client) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch c.Name {
	case "write", "truncate":
		u.dirty[c.Path] = true
	case "sync":
		delete(u.dirty, c.Path)
	case "create", "mkdir":
		u.dirty[filepath.Dir(c.Path)] = true
	case "rename":
		u.dirty[c.To] = u.dirty[c.Path]
		delete(u.dirty, c.Path)
		u.dirty[filepath.Dir(c.To)] = true
	case "remove":
		delete(u.dirty, c.Path)
	}
}

// below gives what is not flushed of a file, its directories, and of what lies
// below it, relative to the client's directory.
func (u *unflushed) below(t *testing.T, path string) (found []string) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	for p, dirty := range u.dirty {
		if filepath.Base(p) == ".incoming" {
			continue // what has no name yet may be lost
		}
		if dirty && (p == path || strings.HasPrefix(p, path+"/") || strings.HasPrefix(path, p+"/")) {
			rel, err := filepath.Rel(u.client, p)
			if err != nil {
				t.Error(err)
			}
			found = append(found, rel)
		}
	}
	slices.Sort(found)
	return found
}

// A reply is deleted on the server, and a GO is sent, only when a power cut
// could not take away what is stored here: every file, its directory, and the
// ledger were flushed before the request leaves.
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
		checkOrder(t, func(hook func(sandbox.Operation)) *diskTrial { return newFetchTrial(t, from, hook) }, 3,
			func(op sandbox.Operation) bool { return op.Kind == "remove" }, []string{"replies", "state/ledger.db-wal"})
	})
	t.Run("submit", func(t *testing.T) {
		t.Parallel()
		checkOrder(t, func(hook func(sandbox.Operation)) *diskTrial { return newSubmitTrial(t, hook) }, 3,
			func(op sandbox.Operation) bool { return op.Kind == "open" && op.Writing }, []string{"state/spool", "state/ledger.db-wal"})
	})
}

// checkOrder runs a command and looks, at every request that cannot be taken
// back, whether the given places are flushed.
func checkOrder(t *testing.T, open func(func(sandbox.Operation)) *diskTrial, requests int, final func(sandbox.Operation) bool, places []string) {
	t.Helper()
	u := &unflushed{dirty: map[string]bool{}}
	var d *diskTrial
	var mu sync.Mutex
	seen, touched := 0, false
	d = open(func(op sandbox.Operation) {
		mu.Lock()
		defer mu.Unlock()
		if u.client == "" || !final(op) {
			return
		}
		seen++
		for _, place := range places {
			if left := u.below(t, filepath.Join(u.client, place)); len(left) > 0 {
				t.Errorf("%s %s before %v was flushed", op.Kind, filepath.Base(op.Path), left)
			}
		}
	})
	mu.Lock()
	u.client = d.dir
	mu.Unlock()
	e := d.runTraced(t, diskfault.Tracer{
		Before: func(c diskfault.Call) diskfault.Verdict {
			touched = touched || c.Name == "write" && placeOf(d.dir, c.Path) == "ledger"
			return diskfault.Verdict{}
		},
		After: u.after,
	}, d.args...)
	if e.code != exitDone || seen != requests || !touched {
		t.Errorf("%d requests were looked at, want %d; the ledger is written: %v\n%s", seen, requests, touched, e)
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
