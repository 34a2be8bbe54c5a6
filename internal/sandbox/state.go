package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Folders of the stand-in itself; no client path leads there.
const (
	stateDir     = ".state"
	takenDir     = stateDir + "/taken" // uploads that vanished, by folder
	stagingDir   = stateDir + "/out"   // reply sets on their way to OUT…, by id
	processedDir = ".processed"
	logFile      = stateDir + "/log.jsonl"
)

// Outcome is the result of checking a set.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted"
	Refused  Outcome = "refused"
)

// ProcessedSet is a set that was taken and checked. Its files are in Dir.
type ProcessedSet struct {
	N           int       `json:"n"` // from 1
	Time        time.Time `json:"time"`
	GO          string    `json:"go"` // name of the GO; for a file without one, its own name
	Folder      string    `json:"folder"`
	Environment string    `json:"environment"` // as in the name
	Parts       int       `json:"parts"`       // as in the name of the GO
	Files       []File    `json:"files"`       // the FI files, by name
	Signatures  []File    `json:"signatures,omitempty"`
	Outcome     Outcome   `json:"outcome"`
	Errors      []string  `json:"errors,omitempty"`
	Ticket      string    `json:"ticket"`
	Dir         string    `json:"-"` // where the files are, an absolute path
}

// Signed reports whether there were FS files.
func (p ProcessedSet) Signed() bool { return len(p.Signatures) > 0 }

// Set is the name of the GO without its kind.
func (p ProcessedSet) Set() string {
	_, set, _ := strings.Cut(p.GO, ".")
	return set
}

func (p ProcessedSet) path() string { return fmt.Sprintf("%s/%06d/%s", processedDir, p.N, p.Folder) }

// answerDue is a reply that is to appear.
type answerDue struct {
	ID          int64     `json:"id"`
	At          time.Time `json:"at"`
	Application string    `json:"application"` // ACRF or NOTI
	Folder      string    `json:"folder"`      // OUT…
	Environment string    `json:"environment"`
	For         string    `json:"for"`      // name of the GO, or of the FI for a NOTI
	FileName    string    `json:"fileName"` // what FileReference names
	Sender      string    `json:"sender,omitempty"`
	Ticket      string    `json:"ticket"`
	Errors      []string  `json:"errors,omitempty"`
	FI          string    `json:"fi,omitempty"` // path of the declaration, for a NOTI
	Rule        Rule      `json:"rule"`
}

// setID finds the files of a set in the index: the folder, and the five fields
// that are the same in every name of the set; empty for a stray name.
type setID struct{ folder, key string }

// identify tells the set that a name in a folder belongs to. It works on the
// text, because faulty names have to be checked together with their GO too.
func identify(folder, name string) setID {
	f := strings.Split(name, ".")
	switch kind := naming.Kind(f[0]); {
	case (kind == naming.FI || kind == naming.FS || kind == naming.GO || kind == naming.TD) && len(f) >= 6:
		return setID{folder, strings.Join(f[1:6], ".")}
	case (kind == naming.GO || kind == naming.TD) && len(f) > 1:
		return setID{folder, strings.Join(f[1:], ".")}
	}
	return setID{folder: folder}
}

func kindOf(name string) naming.Kind {
	kind, _, _ := strings.Cut(name, ".")
	return naming.Kind(kind)
}

// record is one line of the log from which the state is read back.
type record struct {
	Used     []string      `json:"used,omitempty"` // setID.key
	Set      *ProcessedSet `json:"set,omitempty"`
	Due      []*answerDue  `json:"due,omitempty"`
	Done     int64         `json:"done,omitempty"`     // id of an answerDue
	Series   string        `json:"series,omitempty"`   // application, date and environment of replies …
	Sequence string        `json:"sequence,omitempty"` // … and their last sequence
}

// state is what is remembered; Server.mu guards it.
type state struct {
	log       io.WriteCloser
	used      map[string]bool
	sequences map[string]naming.Sequence
	due       []*answerDue
	lastDue   int64
	processed []ProcessedSet
}

// note writes a record and applies it.
func (st *state) note(r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note state: %w", err)
	}
	if _, err := st.log.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("note state: %w", err)
	}
	st.apply(r)
	return nil
}

func (st *state) apply(r record) {
	for _, k := range r.Used {
		st.used[k] = true
	}
	if r.Set != nil {
		st.processed = append(st.processed, *r.Set)
	}
	for _, d := range r.Due {
		st.due = append(st.due, d)
		st.lastDue = max(st.lastDue, d.ID)
	}
	if r.Done != 0 {
		for i, d := range st.due {
			if d.ID == r.Done {
				st.due = append(st.due[:i:i], st.due[i+1:]...)
				break
			}
		}
	}
	if r.Series != "" {
		st.sequences[r.Series] = naming.Sequence(r.Sequence)
	}
}

// openState reads the log and cuts off a last line that is not whole.
func openState(root *os.Root) (*state, error) {
	st := &state{used: map[string]bool{}, sequences: map[string]naming.Sequence{}}
	text, err := root.ReadFile(logFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read state: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	n := 0
	for line := range bytes.Lines(text) {
		n++
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("read state: %s: line %d: %w", logFile, n, err)
		}
		st.apply(r)
	}
	f, err := root.OpenFile(logFile, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err = f.Truncate(int64(len(text))); err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open state: %w", err)
	}
	st.log = f
	return st, nil
}

// recover brings the folders to a state that the log knows: a set that was
// being taken goes back, a reply that was being published is published. Then
// the index is read from the folders, and every GO found is queued.
func (s *Server) recover() error {
	entries, err := readDir(s.root, processedDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n <= len(s.state.processed) {
			continue
		}
		dir := processedDir + "/" + e.Name()
		for _, folder := range folders {
			files, err := readDir(s.root, dir+"/"+folder)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for _, f := range files {
				if err := s.root.Rename(dir+"/"+folder+"/"+f.Name(), folder+"/"+f.Name()); err != nil {
					return fmt.Errorf("put back %s: %w", f.Name(), err)
				}
			}
		}
		if err := s.root.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if err := s.recoverReplies(); err != nil {
		return err
	}
	for _, folder := range folders {
		if !isInbox(folder) {
			continue
		}
		for _, dir := range []string{folder, takenDir + "/" + folder} {
			files, err := readDir(s.root, dir)
			if err != nil {
				return err
			}
			for _, f := range files {
				s.index(folder, f.Name(), dir != folder)
			}
		}
	}
	for id, names := range s.inbox {
		for name := range names {
			if kindOf(name) == naming.GO && id.key != "" {
				s.enqueue(id.folder, name)
			}
		}
	}
	return nil
}

// recoverReplies publishes replies that were on their way when the server
// ended.
func (s *Server) recoverReplies() error {
	staged, err := readDir(s.root, stagingDir)
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for _, d := range s.state.due {
		waiting[strconv.FormatInt(d.ID, 10)] = true
	}
	for _, e := range staged {
		dir := stagingDir + "/" + e.Name()
		if !waiting[e.Name()] {
			for _, folder := range folders {
				files, err := readDir(s.root, dir+"/"+folder)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return err
				}
				var names []string
				for _, f := range files {
					names = append(names, f.Name())
				}
				if err := s.publish(dir+"/"+folder, folder, names); err != nil {
					return err
				}
			}
		}
		if err := s.root.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	return nil
}

func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}
