package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Look deals at once with everything whose time has come. With [Config.Watch]
// it looks into the folders first: what is there when Look is called is known
// to the journal when it returns.
func (s *Server) Look() {
	s.work.Lock()
	s.step(context.Background(), time.Now(), false)
	s.work.Unlock()
	s.wakeUp()
}

// look brings the index up to what the folders show. The work lock is held.
func (s *Server) look() error {
	for _, folder := range folders {
		if !isInbox(folder) {
			continue
		}
		if err := s.lookInto(folder); err != nil {
			return err
		}
	}
	return nil
}

// lookInto notes what came and went in one folder. A listing may leave out a
// file that was put before another one that it shows. So a GO or TD that is
// new calls for a second listing, and only what that shows beside it is
// believed: it began when the GO was there.
func (s *Server) lookInto(folder string) error {
	there, err := s.listing(folder)
	if err != nil {
		return err
	}
	var orders []string
	for name := range there {
		if k := kindOf(name); (k == naming.GO || k == naming.TD) && !s.indexed(folder, name) {
			orders = append(orders, name)
		}
	}
	if len(orders) > 0 {
		first := there
		if there, err = s.listing(folder); err != nil {
			return err
		}
		for name := range there {
			if k := kindOf(name); k == naming.GO || k == naming.TD {
				if _, ok := first[name]; !ok {
					delete(there, name) // its turn comes next time
				}
			}
		}
	}
	opened := s.compare(folder, there)
	for _, name := range opened {
		s.journal.add(Event{Kind: GoCreated, Folder: folder, Name: name})
	}
	for _, name := range orders {
		if _, ok := there[name]; ok && kindOf(name) == naming.TD {
			s.cancelSet(0, folder, name)
		}
	}
	return nil
}

// compare makes the index of a folder the same as a listing, and queues new
// sets. It gives the GOs that were opened since the last time.
func (s *Server) compare(folder string, there map[string]time.Time) (opened []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, names := range s.inbox {
		for name := range names {
			if _, ok := there[name]; ok || id.folder != folder {
				continue
			}
			s.forget(folder, name)
		}
	}
	maps.DeleteFunc(s.given, func(path string, _ time.Time) bool {
		name, ok := strings.CutPrefix(path, folder+"/")
		_, still := there[name]
		return ok && !still
	})
	for name := range there {
		s.index(folder, name, false)
	}
	for name, at := range there {
		if key := folder + "/" + name; kindOf(name) == naming.GO && !s.given[key].Equal(at) {
			s.given[key] = at
			opened = append(opened, name)
			s.enqueue(folder, name)
		}
	}
	return opened
}

func (s *Server) indexed(folder, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.inbox[identify(folder, name)][name]
	return ok
}

// listing gives the names in a folder and when the files were last changed.
func (s *Server) listing(folder string) (map[string]time.Time, error) {
	entries, err := readDir(s.root, folder)
	if err != nil {
		return nil, err
	}
	found := map[string]time.Time{}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[e.Name()] = info.ModTime()
	}
	return found, nil
}
