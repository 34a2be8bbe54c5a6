// Package durable writes files so that what it reports as done survives a
// power cut: content and directory are flushed to the disk before it returns,
// and a name never shows half-written content.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Disk writes files. The zero value is the real disk; it is safe for use by
// several goroutines, and must not be copied after first use.
type Disk struct {
	// Fault, when set, is asked before every step and may make it fail: tests
	// put a full disk or a failing flush here. The steps are mkdir, create,
	// write, sync, rename, syncdir and remove.
	Fault func(step, path string) error

	mu      sync.Mutex
	dirs    map[string]*dirSync
	entries map[string]bool // directories whose entry is known to be on the disk
}

func (d *Disk) step(name, path string) error {
	if d.Fault == nil {
		return nil
	}
	return d.Fault(name, path)
}

// MkdirAll makes a directory and its parents, readable by the owner only, and
// flushes the parents that changed. A directory that is there already may have
// been made by another process a moment ago, which did not flush yet: the first
// call flushes for that one too.
func (d *Disk) MkdirAll(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		err = d.mkdir(dir)
	case !info.IsDir():
		err = fmt.Errorf("make directory %s: a file of that name is in the way", dir)
	case info.Mode().Perm() == ownerOnly && !d.flushed(dir): // others are not made here
		err = d.flushUpTo(dir)
	}
	return err
}

const ownerOnly = 0o700

func (d *Disk) mkdir(dir string) error {
	if err := d.step("mkdir", dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := d.MkdirAll(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, ownerOnly)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if serr := d.SyncDir(parent); serr != nil {
		if err == nil { // so that the next call does not take it for safe
			serr = errors.Join(serr, os.Remove(dir))
		}
		return serr
	}
	d.setFlushed(dir)
	return nil
}

// flushUpTo flushes the entry of a directory, and of those above it that may
// be as new.
func (d *Disk) flushUpTo(dir string) error {
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil
	}
	if err := d.MkdirAll(parent); err != nil {
		return err
	}
	// Where we may not even look, nobody of ours made a directory.
	if err := d.SyncDir(parent); err != nil && !errors.Is(err, os.ErrPermission) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	d.setFlushed(dir)
	return nil
}

// flushed reports whether this Disk flushed the entry of a directory.
func (d *Disk) flushed(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[dir]
}

func (d *Disk) setFlushed(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.entries == nil {
		d.entries = map[string]bool{}
	}
	d.entries[dir] = true
}

// Temp is a file that is being written and has no final name yet.
type Temp struct {
	disk *Disk
	file *os.File
	done bool
}

// Create starts a temporary file in dir, readable by the owner only. The
// caller ends it with Commit or Discard.
func (d *Disk) Create(dir, pattern string) (*Temp, error) {
	if err := d.step("create", dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &Temp{disk: d, file: f}, nil
}

// Name is the path of the temporary file.
func (t *Temp) Name() string { return t.file.Name() }

// Write adds to the file.
func (t *Temp) Write(p []byte) (int, error) {
	if err := t.disk.step("write", t.file.Name()); err != nil {
		return 0, err
	}
	return t.file.Write(p)
}

// Chmod changes who may read the file.
func (t *Temp) Chmod(mode os.FileMode) error { return t.file.Chmod(mode) }

// Sync flushes the content to the disk.
func (t *Temp) Sync() error {
	if err := t.disk.step("sync", t.file.Name()); err != nil {
		return err
	}
	return t.file.Sync()
}

// Commit flushes the content, gives the file its final name and flushes the
// directory. An existing file of that name is replaced. After an error the
// temporary file is gone and the final name is as it was, except where only
// the last flush of the directory failed.
func (t *Temp) Commit(path string) error {
	if t.done {
		return errors.New("file is already committed or discarded")
	}
	err := t.Sync()
	if cerr := t.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = t.disk.step("rename", path)
	}
	if err == nil {
		err = os.Rename(t.file.Name(), path)
	}
	t.done = true
	if err != nil {
		return errors.Join(err, removeQuietly(t.file.Name()))
	}
	return t.disk.SyncDir(filepath.Dir(path))
}

// CommitNew is Commit for a name that must be free: where something has it,
// the error is os.ErrExist, and that stays as it is.
func (t *Temp) CommitNew(path string) error {
	if t.done {
		return errors.New("file is already committed or discarded")
	}
	// A link takes a name that is free, or fails: nothing can come in between.
	// Some file systems, such as those of memory sticks, have none.
	taken := &os.PathError{Op: "create", Path: path, Err: os.ErrExist}
	if _, err := os.Lstat(path); err == nil {
		return errors.Join(taken, t.Discard())
	}
	if err := t.Sync(); err != nil {
		return errors.Join(err, t.Discard())
	}
	if err := t.disk.step("rename", path); err != nil {
		return errors.Join(err, t.Discard())
	}
	switch err := os.Link(t.file.Name(), path); {
	case errors.Is(err, os.ErrExist):
		return errors.Join(taken, t.Discard())
	case err != nil:
		return t.Commit(path)
	}
	return errors.Join(t.Discard(), t.disk.SyncDir(filepath.Dir(path)))
}

// Discard removes the temporary file. After Commit it does nothing.
func (t *Temp) Discard() error {
	if t.done {
		return nil
	}
	t.done = true
	cerr := t.file.Close()
	return errors.Join(cerr, removeQuietly(t.file.Name()))
}

func removeQuietly(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// NewPrefix begins the names of files that WriteFile is writing.
const NewPrefix = ".new-"

// createFor begins a file that is to be path; an error names path.
func (d *Disk) createFor(path string) (*Temp, error) {
	t, err := d.Create(filepath.Dir(path), NewPrefix+"*")
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	}
	return t, err
}

// WriteFile creates or replaces a file with what write produces.
func (d *Disk) WriteFile(path string, write func(io.Writer) error) error {
	t, err := d.createFor(path)
	if err != nil {
		return err
	}
	if err := write(t); err != nil {
		return errors.Join(err, t.Discard())
	}
	return t.Commit(path)
}

// WriteNew creates a file, readable by the owner only, with what write
// produces. A file of that name is never replaced: the error wraps fs.ErrExist.
// After an error there is no such file; a power cut may leave it empty.
func (d *Disk) WriteNew(path string, write func(io.Writer) error) error {
	if err := d.step("create", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // the name is ours now
	if err != nil {
		return err
	}
	if err = f.Close(); err == nil {
		err = d.WriteFile(path, write)
	}
	if err != nil {
		return errors.Join(err, removeQuietly(path))
	}
	return nil
}

// Remove deletes a file and flushes its directory. A file that is not there
// is no error.
func (d *Disk) Remove(path string) error {
	gone, err := d.Unlink(path)
	if err != nil || !gone {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// Unlink deletes a file, and reports whether it was there. It does not flush
// the directory: the caller does with SyncDir, once for many files.
func (d *Disk) Unlink(path string) (bool, error) {
	if err := d.step("remove", path); err != nil {
		return false, err
	}
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// RemoveAll deletes a directory with everything in it, which need not be
// there. It flushes nothing: what a power cut brings back is removed again.
func (d *Disk) RemoveAll(path string) error {
	if err := d.step("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Sweep removes the temporary files of a directory whose names begin with a
// prefix and that were last written before a time: runs that were killed left
// them.
func (d *Disk) Sweep(dir, prefix string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err == nil && info.ModTime().Before(before) {
			err = d.Remove(filepath.Join(dir, e.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // its writer is done with it
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// dirSync lets the goroutines that wait for the same directory share one
// flush: whoever comes while one is running waits for the next.
type dirSync struct {
	mu      sync.Mutex
	running bool
	next    *flush
}

type flush struct {
	done chan struct{}
	err  error
}

// SyncDir flushes the entries of a directory. Concurrent calls for one
// directory are answered by as few flushes as safety allows. Where the system
// has no such flush (Windows) it does nothing.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	if d.dirs == nil {
		d.dirs = map[string]*dirSync{}
	}
	s := d.dirs[dir]
	if s == nil {
		s = &dirSync{}
		d.dirs[dir] = s
	}
	d.mu.Unlock()

	s.mu.Lock()
	if s.next == nil {
		s.next = &flush{done: make(chan struct{})}
	}
	mine := s.next
	if s.running {
		s.mu.Unlock()
		<-mine.done
		return mine.err
	}
	s.running = true
	for s.next != nil {
		f := s.next
		s.next = nil
		s.mu.Unlock()
		f.err = d.flushDir(dir)
		close(f.done)
		s.mu.Lock()
	}
	s.running = false
	s.mu.Unlock()
	return mine.err
}

func (d *Disk) flushDir(dir string) error {
	if err := d.step("syncdir", dir); err != nil {
		return err
	}
	return syncDir(dir)
}
