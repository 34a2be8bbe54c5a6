package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// cancelSet carries out a TD: a set that was not yet taken is removed. Its name
// counts as used.
func (s *Server) cancelSet(conn int, folder, td string) {
	s.mu.Lock()
	e := Event{Kind: Cancelled, Conn: conn, Folder: folder, Name: td}
	_, e.Set, _ = strings.Cut(td, ".")
	id := identify(folder, td)
	s.queue = slices.DeleteFunc(s.queue, func(w waiting) bool { return identify(w.folder, w.name) == id })
	for _, m := range s.members(folder, td) {
		if kindOf(m.name) != naming.TD && !s.busy[id] {
			if info, err := s.root.Lstat(m.path); err == nil {
				e.Files = append(e.Files, File{Name: m.name, Size: info.Size()})
			}
		} else if m.name != td {
			continue
		}
		if err := s.root.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.failed("cancel "+td, err)
		}
		s.unindex(folder, m.name)
	}
	if len(e.Files) == 0 {
		e.Kind = CancelLate
	} else if err := s.state.note(record{Used: []string{id.key}}); err != nil {
		s.failed("cancel "+td, err)
	}
	s.mu.Unlock()
	s.journal.add(e)
}

// nextSet takes a set from the queue: the first whose time has come, or with
// all the first of any kind. Its files stay where they are; it counts as busy.
func (s *Server) nextSet(now time.Time, all bool) (waiting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.queue {
		if all || (!w.manual && !w.at.After(now)) {
			s.queue = slices.Delete(s.queue, i, i+1)
			s.busy[identify(w.folder, w.name)] = true
			return w, true
		}
	}
	return waiting{}, false
}

// takeSet checks a set, takes its files away and plans the answers. The work
// lock is held.
func (s *Server) takeSet(w waiting) error {
	id := identify(w.folder, w.name)
	defer func() {
		s.mu.Lock()
		delete(s.busy, id)
		s.mu.Unlock()
	}()
	s.mu.Lock()
	files := s.members(w.folder, w.name)
	used := s.state.used[id.key]
	strays := s.newStrays(w.folder)
	s.mu.Unlock()
	for _, name := range strays {
		s.journal.add(Event{Kind: Stray, Folder: w.folder, Name: name})
	}
	set := ProcessedSet{GO: w.name, Folder: w.folder, Time: s.clock()}
	found, root, err := s.check(&set, files)
	if err != nil {
		return err
	}
	if used {
		found[usedName] = true
	}
	rule := s.scenario.Load().rule(w.name, root)
	for _, e := range rule.Refuse {
		found[e] = true
	}
	set.Errors = slices.Sorted(maps.Keys(found))
	return s.conclude(set, files, id.key, rule)
}

// newStrays gives the stray names of a folder that were not yet reported.
// Server.mu is held.
func (s *Server) newStrays(folder string) []string {
	var found []string
	for name := range s.inbox[setID{folder: folder}] {
		if k := folder + "/" + name; !s.strayed[k] {
			s.strayed[k] = true
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// conclude takes the files away, remembers the result and plans the answers.
// The work lock is held.
func (s *Server) conclude(set ProcessedSet, files []member, key string, rule Rule) error {
	s.mu.Lock()
	set.N = len(s.state.processed) + 1
	s.mu.Unlock()
	set.Outcome = Accepted
	if len(set.Errors) > 0 {
		set.Outcome = Refused
	}
	set.Ticket = ticket("340000", int64(set.N))

	dir := set.path()
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The GO goes last, so that after a crash the set is found by it.
	slices.SortStableFunc(files, func(a, b member) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	for _, m := range files {
		if err := s.root.Rename(m.path, dir+"/"+m.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take %s: %w", m.name, err)
		}
	}
	now := time.Now()
	s.mu.Lock()
	r := record{Set: &set, Due: s.plan(set, rule, now)}
	if key != "" {
		r.Used = []string{key}
	}
	err := s.state.note(r)
	for _, m := range files {
		s.unindex(set.Folder, m.name)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.journal.add(Event{
		Kind: SetProcessed, Folder: set.Folder, Name: set.GO, Set: set.Set(), Environment: set.Environment,
		Parts: set.Parts, Files: set.Files, Signed: set.Signed(), Outcome: set.Outcome, Errors: set.Errors, Ticket: set.Ticket,
	})
	return nil
}

// ticket makes a number of 13 characters.
func ticket(prefix string, n int64) string {
	const figures = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var t [13]byte
	copy(t[:], prefix)
	for i := len(t) - 1; i >= len(prefix); i-- {
		t[i] = figures[n%int64(len(figures))]
		n /= int64(len(figures))
	}
	return string(t[:])
}
