package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// EventKind says what an [Event] records.
type EventKind string

// The kinds of events.
const (
	Connected     EventKind = "connected"     // TCP connection
	Authenticated EventKind = "authenticated" // login; Detail is the fingerprint of the key
	LoginRefused  EventKind = "login-refused" // the handshake failed; Detail says why
	Disconnected  EventKind = "disconnected"  // connection ended
	GoCreated     EventKind = "go"            // OPEN of a GO: from here on the set counts as sent
	Put           EventKind = "put"           // an upload's handle was closed: Name, Size, Broken
	Removed       EventKind = "removed"       // the client deleted a file in a folder IN…
	Cancelled     EventKind = "cancelled"     // TD took a set back; Files are those removed
	CancelLate    EventKind = "cancel-late"   // TD for a set that is not there (any more)
	Stray         EventKind = "stray"         // a name in a folder IN… that belongs to no set
	SetProcessed  EventKind = "set-processed" // a set was taken and checked
	Replied       EventKind = "reply"         // a reply set is complete in a folder OUT…
	ReplyFetched  EventKind = "reply-fetched" // the client read a file in OUT… to its end
	ReplyDeleted  EventKind = "reply-deleted" // the client deleted a file in OUT…
	FaultInjected EventKind = "fault"         // a fault of the scenario struck; Detail says which
	ServerFailed  EventKind = "server-failed" // the stand-in itself could not do its work
)

// File is one file of a set, as received.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Event is one line of the journal.
type Event struct {
	Seq    int       `json:"seq"` // counts from 1 without gaps
	Time   time.Time `json:"time"`
	Kind   EventKind `json:"event"`
	Conn   int       `json:"conn,omitempty"` // number of the connection, from 1
	Folder string    `json:"folder,omitempty"`
	Name   string    `json:"name,omitempty"`   // of the file
	Size   *int64    `json:"size,omitempty"`   // of the file, in bytes
	Broken bool      `json:"broken,omitempty"` // the connection ended before the handle was closed

	// Of a set:

	Set         string   `json:"set,omitempty"` // name of the GO without its kind
	Environment string   `json:"environment,omitempty"`
	Parts       int      `json:"parts,omitempty"`
	Files       []File   `json:"files,omitempty"` // the FI files; for cancelled all files, for a reply those beside its GO
	Signed      bool     `json:"signed,omitempty"`
	Outcome     Outcome  `json:"outcome,omitempty"`
	Errors      []string `json:"errors,omitempty"` // ACRF-nnn, ascending
	Ticket      string   `json:"ticket,omitempty"`

	// Of a reply:

	Reply string `json:"reply,omitempty"` // application: ACRF or NOTI
	For   string `json:"for,omitempty"`   // name of the GO or FI that it answers

	Detail string `json:"detail,omitempty"`
}

// journal keeps the events in memory and writes each as a line.
type journal struct {
	clock func() time.Time
	out   io.Writer
	file  *os.File

	mu      sync.Mutex
	events  []Event
	changed chan struct{}
	failed  error
}

// newJournal opens the journal. With a path, the events of earlier runs are
// read back, and the numbers go on.
func newJournal(out io.Writer, path string, clock func() time.Time) (*journal, error) {
	j := &journal{clock: clock, out: out, changed: make(chan struct{})}
	if path == "" {
		return j, nil
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	end := bytes.LastIndexByte(old, '\n') + 1 // a line that was cut off is written over
	lines := bufio.NewScanner(bytes.NewReader(old[:end]))
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read journal %s: line %d: %w", path, n, err)
		}
		j.events = append(j.events, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err = f.Truncate(int64(end)); err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j.file = f
	return j, nil
}

func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = len(j.events) + 1
	e.Time = j.clock()
	j.events = append(j.events, e)
	line, err := json.Marshal(e)
	line = append(line, '\n')
	if j.out != nil && err == nil {
		_, err = j.out.Write(line)
	}
	if j.file != nil && err == nil {
		_, err = j.file.Write(line)
	}
	if err != nil && j.failed == nil {
		j.failed = fmt.Errorf("write journal: %w", err)
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// snapshot gives the events so far and a channel that is closed with the next.
func (j *journal) snapshot() ([]Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.events[:len(j.events):len(j.events)], j.changed
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.failed
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
		j.file = nil
	}
	return err
}

// Journal gives the events so far. The slice is not to be changed.
func (s *Server) Journal() []Event {
	events, _ := s.journal.snapshot()
	return events
}

// WaitFor waits until the events so far satisfy done, which is called again
// after every event. It returns the context's error when that ends first.
func (s *Server) WaitFor(ctx context.Context, done func([]Event) bool) error {
	for {
		events, changed := s.journal.snapshot()
		if done(events) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func size(n int64) *int64 { return &n }
