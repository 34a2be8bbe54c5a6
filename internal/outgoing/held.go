package outgoing

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A program may write its next file under the name of one that is being dealt
// with. So a file is taken out of its reach before it is compared with what was
// judged of it: into a directory below, under its own name.

// heldDir holds a file while it is compared and moved. It is not swept: what a
// killed run left in it is a declaration, see Recover.
const heldDir = ".moving"

// Judged is what a file was when it was decided where it belongs.
type Judged struct {
	Hash [sha256.Size]byte // SHA-256 of its bytes; zero: not known
	Info os.FileInfo       // where Hash is not known: its size and time then
}

// ReplacedError says that another file has taken the name of one that was to be
// moved. It is left in the directory.
type ReplacedError struct {
	Name string // of the one that was to be moved
	Now  string // of the other one: the same, unless a third came meanwhile
}

func (e *ReplacedError) Error() string {
	return fmt.Sprintf("another file has taken the name %s, and was not moved", e.Name)
}

// hold takes a file out of reach and gives its path there.
func (d *Dir) hold(name string) (string, error) {
	dir := filepath.Join(d.path, heldDir)
	info, err := os.Stat(d.path)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, info.Mode().Perm()); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	held := filepath.Join(dir, name)
	if _, err := os.Lstat(held); err == nil { // of a run that was killed meanwhile
		if _, err := d.giveBack(held); err != nil {
			return "", err
		}
	}
	if err := d.disk.Rename(d.File(name), held); err != nil {
		if _, lerr := os.Lstat(held); lerr == nil { // only a flush failed
			_, gerr := d.giveBack(held)
			err = errors.Join(err, gerr)
		}
		return "", err
	}
	return held, nil
}

// giveBack puts a file that is held back under its name, or, where another file
// has that by now, under a name beside it. Nothing is overwritten.
func (d *Dir) giveBack(held string) (string, error) {
	name := filepath.Base(held)
	ext := filepath.Ext(name)
	to := d.File(name)
	for n := 2; ; n++ {
		done, err := d.takeName(held, to)
		if done || err != nil {
			return to, err
		}
		to = d.File(withRoom(strings.TrimSuffix(name, ext), "-"+strconv.Itoa(n)+ext))
	}
}

// takeName gives a file a name that is free, and reports false where it is not.
// A link takes a free name or fails; some file systems have none.
func (d *Dir) takeName(held, to string) (bool, error) {
	err := os.Link(held, to)
	if errors.Is(err, os.ErrExist) {
		a, aerr := os.Lstat(held)
		b, berr := os.Lstat(to)
		if aerr != nil || berr != nil || !os.SameFile(a, b) {
			return false, aerr
		}
		err = nil // a run was killed between the link and the removal
	}
	if err == nil {
		return true, errors.Join(d.disk.SyncDir(d.path), d.disk.Remove(held))
	}
	if info, err := os.Lstat(held); err != nil || info.IsDir() { // which replaces nothing
		if _, err := os.Lstat(to); err == nil {
			return false, nil
		}
		return true, errors.Join(err, d.disk.Rename(held, to))
	}
	made, err := d.disk.Reserve(to)
	if !made || err != nil {
		return false, err
	}
	if err := d.disk.Rename(held, to); err != nil {
		if info, serr := os.Lstat(to); serr == nil && info.Size() == 0 {
			err = errors.Join(err, os.Remove(to))
		}
		return false, err
	}
	return true, nil
}

// Recover puts back what a run that was killed held, so that it is found again.
// It is called before List, by one process at a time.
func (d *Dir) Recover() error {
	dir := filepath.Join(d.path, heldDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := d.giveBack(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	d.releaseDir()
	return nil
}

// releaseDir removes the directory where nothing is held.
func (d *Dir) releaseDir() {
	_ = os.Remove(filepath.Join(d.path, heldDir)) // it stays while it is not empty, which Recover sees to
}

// is reports whether a file is what was judged, and nobody is writing it.
func (j Judged) is(path string) (bool, error) {
	before, err := os.Lstat(path)
	if err != nil || !before.Mode().IsRegular() {
		return false, err
	}
	if j.Hash == ([sha256.Size]byte{}) {
		return j.Info != nil && before.Size() == j.Info.Size() && before.ModTime().Equal(j.Info.ModTime()), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	after, err := f.Stat()
	if err != nil {
		return false, err
	}
	return [sha256.Size]byte(sum.Sum(nil)) == j.Hash && after.Size() == before.Size() && after.ModTime().Equal(before.ModTime()), nil
}
