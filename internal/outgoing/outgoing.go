// Package outgoing is about directories into which people and programs put
// declarations: which files in one are ready, and how they are moved to sent or
// failed, below it, when it is known what became of them.
package outgoing

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/naming"
)

// Place is a directory below, for files that are done with.
type Place string

// The places.
const (
	Sent   Place = "sent"
	Failed Place = "failed"
)

// Reason says why a file was left where it is.
type Reason string

// The reasons; the last ones are found out later than List.
const (
	Temporary  Reason = "temporary"  // its name says that somebody is writing it
	Other      Reason = "other"      // its name is not that of a declaration
	NoFile     Reason = "no-file"    // a link or a device
	Changing   Reason = "changing"   // somebody is writing it
	InUse      Reason = "in-use"     // another program has it open (Windows)
	Incomplete Reason = "incomplete" // another part of its set is not there
	Unfinished Reason = "unfinished" // it is not known to be sent
	Replaced   Reason = "replaced"   // it has the name of one that was dealt with, and is another
)

// Dir is such a directory.
type Dir struct {
	path string
	disk *durable.Disk
}

// New uses the directory of that path, which has to be there.
func New(path string, disk *durable.Disk) *Dir { return &Dir{filepath.Clean(path), disk} }

// Path is the path of the directory.
func (d *Dir) Path() string { return d.path }

// File is the path of a file in it.
func (d *Dir) File(name string) string { return filepath.Join(d.path, name) }

// Place is the path of a place.
func (d *Dir) Place(p Place) string { return filepath.Join(d.path, string(p)) }

// Left is a file that is not ready.
type Left struct {
	Name string
	Why  Reason
}

// List gives the names of the files that look like declarations, in the order
// of Compare, and those of the other files. Directories and hidden files are
// passed over.
func (d *Dir) List() (ready []string, left []Left, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir(), hidden(e):
		case temporary(name):
			left = append(left, Left{name, Temporary})
		case !e.Type().IsRegular():
			left = append(left, Left{name, NoFile})
		case !declaration(name):
			left = append(left, Left{name, Other})
		default:
			ready = append(ready, name)
		}
	}
	slices.SortFunc(ready, Compare)
	return ready, left, nil
}

// temporary reports whether a name is one that programs give to a file while
// they write it, or beside one that is open.
func temporary(name string) bool {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "~$") {
		return true
	}
	return slices.ContainsFunc([]string{".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", "~"},
		func(end string) bool { return strings.HasSuffix(name, end) })
}

// declaration reports whether a name may be that of a declaration: NAME.xml, or
// the FI.… of the channel. A reply, FO.… or CO.…, counts too: somebody put it
// there as one, and has to be told. No note is one.
func declaration(name string) bool {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".xml":
		return true
	case noteExt:
		return false
	}
	kind, _, _ := strings.Cut(strings.ToUpper(name), ".")
	_, reply := naming.ReplyName(name)
	return strings.HasPrefix(name, "FI.") || reply && (kind == string(naming.FO) || kind == string(naming.CO))
}

// Count says how many files lie in a place, without their notes.
func (d *Dir) Count(p Place) (int, error) {
	entries, err := os.ReadDir(d.Place(p))
	if os.IsNotExist(err) {
		return 0, nil
	}
	n := 0
	for _, e := range entries {
		if !e.IsDir() && !hidden(e) && declaration(e.Name()) {
			n++
		}
	}
	return n, err
}

// Compare orders names as people count: "2.xml" before "10.xml". Beside the
// numbers in them names are compared byte by byte.
func Compare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if digit(x[0]) && digit(y[0]) {
			var m, n string
			m, x = number(x)
			n, y = number(y)
			m, n = strings.TrimLeft(m, "0"), strings.TrimLeft(n, "0")
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(a, b) // they differ in leading zeros
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// number cuts off the digits that a text begins with.
func number(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}
