package sandbox

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/naming"
)

// waiting is a set whose GO is there.
type waiting struct {
	folder, name string // of the GO
	at           time.Time
	manual       bool
}

// index notes that a file is there. Server.mu is held, or not yet needed.
func (s *Server) index(folder, name string, taken bool) {
	id := identify(folder, name)
	if s.inbox[id] == nil {
		s.inbox[id] = map[string]bool{}
	}
	s.inbox[id][name] = taken
}

func (s *Server) unindex(folder, name string) {
	id := identify(folder, name)
	delete(s.inbox[id], name)
	if len(s.inbox[id]) == 0 {
		delete(s.inbox, id)
	}
}

// where gives the path of a file in a folder IN….
func where(folder, name string, taken bool) string {
	if taken {
		return takenDir + "/" + folder + "/" + name
	}
	return folder + "/" + name
}

// arrived is called when a client has opened a file for writing.
func (s *Server) arrived(conn int, folder, name string) {
	s.mu.Lock()
	s.index(folder, name, false)
	s.mu.Unlock()
	if kindOf(name) == naming.GO {
		s.journal.add(Event{Kind: GoCreated, Conn: conn, Folder: folder, Name: name})
	}
}

// uploaded is called when the file's handle is closed, or its connection ended.
func (s *Server) uploaded(conn int, folder, name string, n int64, broken bool) {
	s.journal.add(Event{Kind: Put, Conn: conn, Folder: folder, Name: name, Size: size(n), Broken: broken})
	s.mu.Lock()
	_, there := s.inbox[identify(folder, name)][name]
	if there && s.faults().Vanish {
		if err := s.root.Rename(folder+"/"+name, where(folder, name, true)); err != nil {
			s.failed("take "+name, err)
		} else {
			s.index(folder, name, true)
		}
	}
	if there && kindOf(name) == naming.GO {
		s.enqueue(folder, name)
	}
	s.mu.Unlock()
	switch kindOf(name) {
	case naming.GO:
		s.wakeUp()
	case naming.TD:
		s.cancelSet(conn, folder, name)
	}
}

// enqueue notes that the set is complete. Server.mu is held, or not yet needed.
func (s *Server) enqueue(folder, name string) {
	if slices.ContainsFunc(s.queue, func(w waiting) bool { return w.folder == folder && w.name == name }) {
		return
	}
	sc, root := s.scenario.Load(), ""
	if sc.needsRoot() {
		root = s.peekRoot(folder, name)
	}
	delay, manual, err := sc.rule(name, root).process()
	if err != nil {
		s.failed("rule for "+name, err)
	}
	s.queue = append(s.queue, waiting{folder, name, time.Now().Add(delay), manual})
}

// peekRoot reads the root element of the first part. Server.mu is held.
func (s *Server) peekRoot(folder, goName string) string {
	for _, m := range s.members(folder, goName) {
		if kindOf(m.name) != naming.FI {
			continue
		}
		f, err := s.root.Open(m.path)
		if err != nil {
			return ""
		}
		defer f.Close()
		info, _ := declaration.Inspect(io.LimitReader(f, 64<<10), declaration.Options{KeepForms: -1})
		return info.Root
	}
	return ""
}

// member is one file of a set.
type member struct{ name, path string }

// members lists the files of a set, the GO among them, by name. Server.mu is
// held.
func (s *Server) members(folder, goName string) []member {
	names := s.inbox[identify(folder, goName)]
	var found []member
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found = append(found, member{name, where(folder, name, names[name])})
	}
	return found
}

// removed is called when a client has deleted a file in a folder IN….
func (s *Server) removed(folder, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(folder, name)
}

// forget notes that a file is gone. Server.mu is held.
func (s *Server) forget(folder, name string) {
	s.unindex(folder, name)
	s.queue = slices.DeleteFunc(s.queue, func(w waiting) bool { return w.folder == folder && w.name == name })
}
