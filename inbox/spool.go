package inbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/naming"
)

// Spool keeps the frozen copies of what is sent: one directory per set with
// the bytes of every FI and FS exactly as they are uploaded. A file that
// changes after it was handed in changes nothing here.
type Spool struct {
	dir  string
	disk *durable.Disk
}

// NewSpool uses dir, which is made when it is first needed.
func NewSpool(dir string, disk *durable.Disk) *Spool { return &Spool{dir, disk} }

// FI is the path of the frozen copy of a part.
func (s *Spool) FI(set string, part int) string {
	return filepath.Join(s.dir, set, strconv.Itoa(part)+".FI")
}

// FS is the path of the signature of a part.
func (s *Spool) FS(set string, part int) string {
	return filepath.Join(s.dir, set, strconv.Itoa(part)+".FS")
}

// Dir is the directory of a set.
func (s *Spool) Dir(set string) string { return filepath.Join(s.dir, set) }

// SpoolError is a failure of the frozen copy of a set.
type SpoolError struct {
	Set  naming.Set
	Path string
	Err  error
}

func (e *SpoolError) Error() string { return fmt.Sprintf("frozen copy %s: %v", e.Path, e.Err) }

func (e *SpoolError) Unwrap() error { return e.Err }

var errSpoolChanged = errors.New("it was changed after it was frozen")

// Drop removes the frozen copies of a set that never got into the ledger.
func (s *Spool) Drop(set string) error {
	if set == "" { // this would be the frozen copies of all sets
		return errors.New("drop a frozen copy: no name is given")
	}
	return s.disk.RemoveAll(s.Dir(set))
}

// Abandoned gives the frozen copies that are older than a time and for which
// known, which is asked only when there are any so old, has no entry: a run
// that was killed left them before they had a name.
func (s *Spool) Abandoned(before time.Time, known func() (map[string]bool, error)) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		stamp, _, ours := strings.Cut(e.Name(), "-")
		t, err := time.Parse(spoolTime, stamp)
		return !ours || err != nil || !t.Before(before)
	})
	if len(old) == 0 {
		return nil, nil
	}
	keep, err := known()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range old {
		if !keep[e.Name()] {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

const spoolTime = "20060102T150405" // UTC

func newSpoolName() (string, error) {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return time.Now().UTC().Format(spoolTime) + "-" + hex.EncodeToString(b[:]), nil
}
