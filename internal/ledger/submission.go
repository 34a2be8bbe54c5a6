package ledger

import (
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
)

// Filter chooses submissions; empty fields choose all.
type Filter struct {
	Environment naming.Environment
	Sender      string
	Application string
	States      []inbox.State
	Since       time.Time // made then or later
	Limit       int       // newest first; 0: all
}

// Event is one entry in the history of a set.
type Event struct {
	At    time.Time
	State inbox.State
	Note  string
}

// Named is a set or a reply with what is known of it in a word.
type Named struct {
	Name string
	Word string // state of a set, application of a reply
}

// Moment writes a time as the history and the tables of a Snapshot do: to the
// millisecond, in UTC. The zero time is the empty text.
func Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// SetKey is the key (naming.Set.Key) of the set that a name belongs to: the
// name of a GO, FI or FS, with or without its kind and parts.
func SetKey(name string) string {
	if n, err := naming.Parse(name); err == nil {
		return n.SetKey()
	}
	if f := strings.Split(name, "."); len(f) == 6 {
		return strings.Join(f[:5], ".") // the set as it is printed, with its parts
	}
	return name
}
