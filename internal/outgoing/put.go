package outgoing

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// noteExt ends the name of a note: that of the file with it behind.
const noteExt = ".txt"

// newPrefix begins the names of files that are being written.
const newPrefix = ".socbatch-"

// Prepare makes the places, and tries whether files can be moved there: what is
// sent must not stay here for good. Nobody gets more rights on a place than on
// the directory.
func (d *Dir) Prepare() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, p := range []Place{Sent, Failed} {
		dir := d.Place(p)
		_, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) {
			if err = d.disk.MkdirAll(dir); err == nil {
				err = os.Chmod(dir, info.Mode()&(os.ModePerm|os.ModeSetgid))
			}
		}
		if err != nil {
			return err
		}
		if err := d.try(dir); err != nil {
			return err
		}
		// What killed runs left.
		if err := d.disk.Sweep(dir, newPrefix, yesterday); err != nil {
			return err
		}
	}
	return d.disk.Sweep(d.path, newPrefix, yesterday)
}

// try moves a file into a directory and removes it.
func (d *Dir) try(dir string) error {
	t, err := d.disk.Create(d.path, newPrefix+"*")
	if err != nil {
		return err
	}
	to := filepath.Join(dir, filepath.Base(t.Name()))
	if err := t.Commit(to); err != nil {
		return err
	}
	return d.disk.Remove(to)
}

// Put moves a file to a place, with a note beside it, and gives its new path. It
// moves what was judged and nothing else: where another file has taken its name
// meanwhile, that one stays and the error is a *ReplacedError. Nothing is
// overwritten: a name that is taken gets a number. note writes the text, with \n
// between lines, for the name that the file has there.
//
// The file is at any time here, held, or there, and when it is there its note
// is too. After an error it is here, except where only the last flush failed.
func (d *Dir) Put(p Place, name string, judged Judged, note func(as string) string) (string, error) {
	defer d.releaseDir()
	held, err := d.hold(name)
	if err != nil {
		return "", err
	}
	same, err := judged.is(held)
	if err != nil || !same {
		now, gerr := d.giveBack(held)
		if err = errors.Join(err, gerr); err == nil {
			err = &ReplacedError{Name: name, Now: filepath.Base(now)}
		}
		return "", err
	}
	to, err := d.putHeld(p, held, note)
	if _, here := os.Lstat(held); err != nil && here == nil {
		_, gerr := d.giveBack(held)
		return "", errors.Join(err, gerr)
	}
	return to, err
}

// putHeld moves a file that is held. After an error the name that it was to have
// is free again.
func (d *Dir) putHeld(p Place, held string, note func(as string) string) (string, error) {
	info, err := os.Lstat(held)
	if err != nil {
		return "", err
	}
	to, err := d.reserve(p, filepath.Base(held))
	if err != nil {
		return "", err
	}
	if err = d.write(to+noteExt, note(filepath.Base(to)), info.Mode().Perm()|0o200); err == nil {
		err = d.disk.Rename(held, to)
	}
	if _, here := os.Lstat(held); err != nil && here == nil {
		return "", errors.Join(err, removeReserved(to))
	}
	return to, err
}

// reserve finds a name that nobody has, and makes an empty file of it, which the
// move replaces. An empty file that is there already was made by a run that was
// killed, or has nothing in it to lose.
func (d *Dir) reserve(p Place, name string) (string, error) {
	ext := filepath.Ext(name)
	if !strings.EqualFold(ext, ".xml") {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	to := filepath.Join(d.Place(p), withRoom(stem, ext))
	for n := 2; ; n++ {
		made, err := d.disk.Reserve(to)
		if made || err != nil {
			return to, err
		}
		if info, err := os.Lstat(to); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			return to, nil
		}
		to = filepath.Join(d.Place(p), withRoom(stem, "-"+strconv.Itoa(n)+ext))
	}
}

// longestName is what file systems take, in bytes.
const longestName = 255

// withRoom is a name that its note fits behind: the end of a very long stem goes.
func withRoom(stem, tail string) string {
	n := min(len(stem), longestName-len(noteExt)-len(tail))
	for n < len(stem) && !utf8.RuneStart(stem[n]) {
		n--
	}
	return stem[:n] + tail
}

// removeReserved takes a name back, and its note, unless there is a file of
// that name.
func removeReserved(to string) error {
	info, err := os.Lstat(to)
	if err != nil || info.Size() > 0 {
		return err
	}
	if err := os.Remove(to + noteExt); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Remove(to)
}

// write makes a note that whoever may read the file may read.
func (d *Dir) write(path, text string, mode os.FileMode) error {
	t, err := d.disk.Create(filepath.Dir(path), newPrefix+"*")
	if err != nil {
		return err
	}
	if _, err = io.WriteString(t, encoded(text, forNotepad)); err == nil {
		err = t.Chmod(mode)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the note %s: %w", path, err), t.Discard())
	}
	return t.Commit(path)
}

// encoded is a text as a file. Also old versions of Notepad know it by its mark,
// and need both line ends.
func encoded(text string, notepad bool) string {
	if !notepad {
		return text
	}
	return "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n")
}
