package sandbox

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/naming"
)

// Sweep does what the real server does from time to time: it refuses every
// stray file in the folders IN… (ACRF-131, or 132 for a name that starts with
// FS), and every set that has no GO (ACRF-130). Uploads that are going on are
// not spared.
func (s *Server) Sweep() error {
	s.work.Lock()
	defer s.work.Unlock()
	s.mu.Lock()
	var ids []setID
	for id, names := range s.inbox {
		if id.key == "" || !slices.ContainsFunc(slices.Collect(maps.Keys(names)), func(n string) bool { return kindOf(n) == naming.GO }) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b setID) int { return cmp.Or(cmp.Compare(a.folder, b.folder), cmp.Compare(a.key, b.key)) })
	s.mu.Unlock()
	for _, id := range ids {
		if err := s.sweepSet(id); err != nil {
			return err
		}
	}
	s.wakeUp()
	return nil
}

func (s *Server) sweepSet(id setID) error {
	s.mu.Lock()
	names := maps.Clone(s.inbox[id])
	strays := s.newStrays(id.folder)
	s.mu.Unlock()
	for _, name := range strays {
		s.journal.add(Event{Kind: Stray, Folder: id.folder, Name: name})
	}
	refuse := func(fault string, names []string, taken map[string]bool) error {
		set := ProcessedSet{GO: names[0], Folder: id.folder, Time: s.clock(), Errors: []string{fault}}
		var files []member
		for _, name := range names {
			m := member{name, where(id.folder, name, taken[name])}
			file, err := s.digest(m, io.Discard)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			files = append(files, m)
			if kindOf(name) == naming.FS {
				set.Signatures = append(set.Signatures, file)
			} else {
				set.Files = append(set.Files, file)
			}
		}
		if f := strings.Split(names[0], "."); len(f) > 5 {
			set.Environment = f[5]
		}
		return s.conclude(set, files, id.key, Rule{})
	}
	sorted := slices.Sorted(maps.Keys(names))
	if id.key != "" {
		if len(sorted) == 0 {
			return nil
		}
		return refuse(withoutGO, sorted, names)
	}
	for _, name := range sorted {
		fault := badNameFI
		if kindOf(name) == naming.FS {
			fault = badNameFS
		}
		if err := refuse(fault, []string{name}, names); err != nil {
			return err
		}
	}
	return nil
}
