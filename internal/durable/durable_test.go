package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFull = errors.New("disk full")

func failing(step string) *Disk {
	return &Disk{Fault: func(s, _ string) error {
		if s == step {
			return errFull
		}
		return nil
	}}
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%s=%s ", e.Name(), b)
	}
	return out
}

func writing(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func TestWriteNew(t *testing.T) {
	for _, step := range []string{"", "create", "write", "sync", "rename", "syncdir"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		err := failing(step).WriteNew(path, writing("new"))
		if (err == nil) != (step == "") || step != "" && !errors.Is(err, errFull) {
			t.Errorf("%s: %v", step, err)
		}
		want := ""
		if step == "" {
			want = "file=new "
		}
		if got := list(t, dir); got != want {
			t.Errorf("%s: %q in the directory", step, got)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := (&Disk{}).WriteNew(path, writing("old")); err != nil {
		t.Fatal(err)
	}
	if err := (&Disk{}).WriteNew(path, writing("new")); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if got := list(t, dir); got != "file=old " {
		t.Errorf("%q in the directory", got)
	}
}

func TestWriteFile(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{"", "file=new "}, {"create", "file=old "}, {"write", "file=old "}, {"sync", "file=old "}, {"rename", "file=old "},
		{"syncdir", "file=new "}, // the name is given, and only its flush failed
	} {
		t.Run(c.step, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := (&Disk{}).WriteFile(path, writing("old")); err != nil {
				t.Fatal(err)
			}
			if err := failing(c.step).WriteFile(path, writing("new")); errors.Is(err, errFull) != (c.step != "") || (err != nil) != (c.step != "") {
				t.Errorf("got %v", err)
			}
			if got := list(t, dir); got != c.want {
				t.Errorf("in the directory: %q, want %q", got, c.want)
			}
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v", info, err)
			}
		})
	}
	dir := t.TempDir()
	broken := errors.New("the source broke")
	if err := (&Disk{}).WriteFile(filepath.Join(dir, "file"), func(w io.Writer) error { return errors.Join(broken, writing("x")(w)) }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got := list(t, dir); got != "" {
		t.Errorf("in the directory: %q", got)
	}
}

func TestTempEndsOnce(t *testing.T) {
	dir := t.TempDir()
	d := &Disk{}
	temp, err := d.Create(dir, "x-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := temp.Commit(filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	if err := temp.Discard(); err != nil {
		t.Errorf("discard after commit: %v", err)
	}
	if err := temp.Commit(filepath.Join(dir, "other")); err == nil {
		t.Error("committed twice")
	}
	if got := list(t, dir); got != "file= " {
		t.Errorf("in the directory: %q", got)
	}
	if temp, err = d.Create(dir, "x-*"); err != nil {
		t.Fatal(err)
	}
	if err := temp.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := temp.Discard(); err != nil {
		t.Errorf("discarded twice: %v", err)
	}
	if _, err := temp.Write([]byte("x")); err == nil {
		t.Error("written after discard")
	}
	if got := list(t, dir); got != "file= " {
		t.Errorf("in the directory: %q", got)
	}
}

// A name that is taken stays with whoever has it.
func TestCommitNew(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{"", "file=new "}, {"sync", ""}, {"rename", ""}, {"syncdir", "file=new "},
	} {
		dir := t.TempDir()
		temp, err := failing(c.step).Create(dir, "x-*")
		if err != nil {
			t.Fatal(err)
		}
		if err := writing("new")(temp); err != nil {
			t.Fatal(err)
		}
		if err := temp.CommitNew(filepath.Join(dir, "file")); errors.Is(err, errFull) != (c.step != "") {
			t.Errorf("%s: got %v", c.step, err)
		}
		if got := list(t, dir); got != c.want {
			t.Errorf("%s: in the directory: %q, want %q", c.step, got, c.want)
		}
	}
	dir := t.TempDir()
	d := &Disk{}
	path := filepath.Join(dir, "file")
	if err := d.WriteFile(path, writing("old")); err != nil {
		t.Fatal(err)
	}
	temp, err := d.Create(dir, "x-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := temp.CommitNew(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if err := temp.CommitNew(path); err == nil {
		t.Error("committed twice")
	}
	if got := list(t, dir); got != "file=old " {
		t.Errorf("in the directory: %q", got)
	}
}

func TestUnlink(t *testing.T) {
	d := &Disk{}
	path := filepath.Join(t.TempDir(), "file")
	if err := d.WriteFile(path, writing("x")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if gone, err := d.Unlink(path); gone != want || err != nil {
			t.Errorf("got %v, %v, want %v", gone, err, want)
		}
	}
	if _, err := failing("remove").Unlink(path); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b", "c")
	var synced []string
	d := &Disk{Fault: func(step, path string) error {
		if step == "syncdir" {
			synced = append(synced, path)
		}
		return nil
	}}
	for range 2 {
		if err := d.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if want := fmt.Sprint([]string{root, filepath.Join(root, "a"), filepath.Join(root, "a", "b")}); fmt.Sprint(synced) != want {
		t.Errorf("flushed %v, want %v", synced, want)
	}
	for p := dir; p != root; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	// A directory that was not flushed is not taken for safe the next time.
	other := filepath.Join(root, "other")
	if err := failing("syncdir").MkdirAll(other); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	synced = nil
	if err := d.MkdirAll(other); err != nil || len(synced) != 1 {
		t.Errorf("flushed %v, %v", synced, err)
	}
	if err := failing("mkdir").MkdirAll(filepath.Join(root, "x")); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.MkdirAll(file); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func needsDirectoryFlush(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot flush a directory")
	}
}

// Another process made the directories and was killed, or has not come to
// flushing them: whoever finds them there flushes for it, once.
func TestMkdirAllFlushesForOthers(t *testing.T) {
	needsDirectoryFlush(t)
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { // not made by this package
		t.Fatal(err)
	}
	dir := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var synced []string
	d := &Disk{Fault: func(step, path string) error {
		if step == "syncdir" {
			synced = append(synced, path)
		}
		return nil
	}}
	for range 2 {
		if err := errors.Join(d.MkdirAll(dir), d.MkdirAll(filepath.Dir(dir))); err != nil {
			t.Fatal(err)
		}
	}
	if want := fmt.Sprint([]string{root, filepath.Join(root, "a")}); fmt.Sprint(synced) != want {
		t.Errorf("flushed %v, want %v", synced, want)
	}
	if err := failing("syncdir").MkdirAll(dir); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	for _, unable := range []error{os.ErrPermission, syscall.EINVAL} { // above what is ours
		d := &Disk{Fault: func(step, path string) error { return unable }}
		if err := d.MkdirAll(dir); err != nil {
			t.Errorf("got %v", err)
		}
	}
}

// Two processes make the same directories at once: each of them may rely on
// them when its call returns.
func TestMkdirAllAtOnce(t *testing.T) {
	needsDirectoryFlush(t)
	for range 20 {
		root := t.TempDir()
		var wg sync.WaitGroup
		for range 2 {
			var mu sync.Mutex
			flushed := map[string]bool{}
			d := &Disk{Fault: func(step, path string) error {
				mu.Lock()
				defer mu.Unlock()
				flushed[path] = flushed[path] || step == "syncdir"
				return nil
			}}
			wg.Go(func() {
				if err := d.MkdirAll(filepath.Join(root, "a", "b", "c")); err != nil {
					t.Error(err)
				}
				for _, p := range []string{"", "a", "a/b"} {
					if !flushed[filepath.Join(root, p)] {
						t.Errorf("%q was not flushed", p)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	d := &Disk{}
	path := filepath.Join(dir, "file")
	for _, step := range []string{"remove", "syncdir", ""} {
		if err := d.WriteFile(path, writing("x")); err != nil {
			t.Fatal(err)
		}
		if err := failing(step).Remove(path); errors.Is(err, errFull) != (step != "") {
			t.Errorf("%s: got %v", step, err)
		}
		if _, err := os.Stat(path); (err == nil) != (step == "remove") {
			t.Errorf("%s: %v", step, err)
		}
	}
	if err := d.Remove(path); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"file": 48 * time.Hour, NewPrefix + "old": 48 * time.Hour, NewPrefix + "fresh": time.Minute} {
		path := filepath.Join(dir, name)
		if err := errors.Join((&Disk{}).WriteFile(path, writing("x")), os.Chtimes(path, time.Time{}, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	before := now.Add(-24 * time.Hour)
	if err := failing("remove").Sweep(dir, NewPrefix, before); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := (&Disk{}).Sweep(dir, NewPrefix, before); err != nil {
			t.Error(err)
		}
	}
	if got, want := list(t, dir), NewPrefix+"fresh=x file=x "; got != want {
		t.Errorf("in the directory: %q, want %q", got, want)
	}
	if err := (&Disk{}).Sweep(filepath.Join(dir, "none"), NewPrefix, before); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Whoever comes while a flush runs shares the next one, and its error.
func TestSyncDirCoalesces(t *testing.T) {
	dir := t.TempDir()
	started, goOn := make(chan int), make(chan error)
	n := 0
	d := &Disk{Fault: func(step, path string) error {
		n++ // one flush at a time: there is no race
		started <- n
		return <-goOn
	}}
	var wg sync.WaitGroup
	first := make(chan error, 1)
	wg.Go(func() { first <- d.SyncDir(dir) })
	<-started
	const waiters = 20
	errs := make(chan error, waiters)
	for range waiters {
		wg.Go(func() { errs <- d.SyncDir(dir) })
	}
	// The first flush ends only when somebody waits for the next.
	for {
		d.mu.Lock()
		s := d.dirs[dir]
		d.mu.Unlock()
		s.mu.Lock()
		waiting := s.next != nil
		s.mu.Unlock()
		if waiting {
			break
		}
		runtime.Gosched()
	}
	goOn <- nil
	flushes := 0
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-started:
			flushes++
			goOn <- errFull
		case <-done:
			running = false
		}
	}
	if err := <-first; err != nil {
		t.Errorf("the first flush: %v", err)
	}
	for range waiters {
		if err := <-errs; !errors.Is(err, errFull) {
			t.Errorf("a later flush: %v", err)
		}
	}
	if flushes < 1 || flushes > waiters {
		t.Errorf("%d flushes", flushes)
	}
}

func TestSyncDirApart(t *testing.T) {
	needsDirectoryFlush(t)
	a, b := t.TempDir(), t.TempDir()
	inA, release := make(chan struct{}), make(chan struct{})
	d := &Disk{Fault: func(step, path string) error {
		if path == a {
			close(inA)
			<-release
		}
		return nil
	}}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.SyncDir(a); err != nil {
			t.Error(err)
		}
	})
	<-inA
	if err := d.SyncDir(b); err != nil { // does not wait for the other directory
		t.Error(err)
	}
	close(release)
	wg.Wait()
	if err := (&Disk{}).SyncDir(filepath.Join(a, "none")); err == nil {
		t.Error("flushed a directory that is not there")
	}
}
