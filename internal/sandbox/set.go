package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/xmlstream"
	"github.com/socbatch/socbatch/naming"
)

// Error ids of the receipt that concern the set as a whole.
const (
	unknownApplication = "ACRF-129"
	wrongCountFI       = "ACRF-120"
	wrongCountFS       = "ACRF-122"
	wrongNumberFI      = "ACRF-123"
	wrongNumberFS      = "ACRF-124"
	badSignature       = "ACRF-125"
	withoutGO          = "ACRF-130"
	badNameFI          = "ACRF-131"
	badNameFS          = "ACRF-132"
	usedName           = "ACRF-133"
	otherCertificate   = "ACRF-153"
	otherForm          = "ACRF-158"
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

// check finds every error of a set, and the root element of its first part.
func (s *Server) check(set *ProcessedSet, files []member) (found map[string]bool, root string, err error) {
	found = map[string]bool{}
	context := naming.Context{
		Account: s.cfg.Sender, Today: naming.DateOf(s.clock()), MaxAge: s.cfg.MaxAge,
		MaxParts: s.cfg.MaxParts, Folder: set.Folder,
	}
	fields := append(strings.Split(set.GO, "."), make([]string, 7)...)
	set.Environment = fields[5]
	set.Parts = 1 // the form without parts
	if fields[6] != "" {
		set.Parts = digit(fields[6])
	}
	byKind := map[naming.Kind][]member{}
	for _, m := range files {
		for _, f := range naming.Validate(m.name, context) {
			// An application that is not on the list is a warning to a client,
			// because its list may be old; here the list is the server's.
			if f.ID != "" && (!f.Warning || f.ID == unknownApplication) {
				found[f.ID] = true
			}
		}
		byKind[kindOf(m.name)] = append(byKind[kindOf(m.name)], m)
	}
	declarations, signatures := byKind[naming.FI], byKind[naming.FS]
	checkNumbers(found, wrongCountFI, wrongNumberFI, declarations, fields[6], set.Parts)
	if required := naming.Environment(set.Environment).RequiresSignature(); required || len(signatures) > 0 {
		checkNumbers(found, wrongCountFS, wrongNumberFS, signatures, fields[6], set.Parts)
	}
	signatureOf := map[string]member{}
	for _, m := range signatures {
		signatureOf[strings.TrimPrefix(m.name, string(naming.FS))] = m
		file, err := s.digest(m, io.Discard)
		if err != nil {
			return nil, "", err
		}
		set.Signatures = append(set.Signatures, file)
	}
	for i, m := range declarations {
		file, info, err := s.inspect(m)
		if err != nil {
			return nil, "", err
		}
		set.Files = append(set.Files, file)
		if i == 0 {
			root = info.Root
		}
		for _, f := range info.Faults {
			if !f.Warning {
				found[f.ID] = true
			}
		}
		if a, ok := naming.LookupApplication(fields[1]); ok && info.Root != "" &&
			(!a.HasRoot(info.Root) || !naming.RootDecides(info.Root) && a.Foreign(info.Codes()) >= 0) {
			found[otherForm] = true
		}
		fsFile, ok := signatureOf[strings.TrimPrefix(m.name, string(naming.FI))]
		if !ok {
			continue
		}
		id, err := s.checkSignature(m, fsFile, naming.Environment(set.Environment))
		if err != nil {
			return nil, "", err
		}
		if id != "" {
			found[id] = true
		}
	}
	return found, root, nil
}

// checkNumbers compares count and part numbers of the files of one kind with
// the number of parts in the GO; 0 is no number, and says nothing.
func checkNumbers(found map[string]bool, count, number string, files []member, partsField string, parts int) {
	if parts == 0 {
		return
	}
	if len(files) != parts {
		found[count] = true
	}
	seen := map[string]bool{}
	for _, m := range files {
		part := "1" // the form without parts
		if f := strings.Split(m.name, "."); len(f) == 8 {
			part = f[7]
			if partsField != "" && f[6] != partsField {
				found[number] = true
			}
		}
		if seen[part] {
			found[number] = true
		}
		seen[part] = true
	}
}

func digit(s string) int {
	if len(s) != 1 || s[0] < '1' || s[0] > '9' {
		return 0
	}
	return int(s[0] - '0')
}

// digest copies a file to w and gives its size and hash.
func (s *Server) digest(m member, w io.Writer) (File, error) {
	f, err := s.root.Open(m.path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, w), f)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", m.name, err)
	}
	return File{Name: m.name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// inspect looks into a declaration and hashes it, in one pass.
func (s *Server) inspect(m member) (File, declaration.Info, error) {
	f, err := s.root.Open(m.path)
	if err != nil {
		return File{}, declaration.Info{}, err
	}
	defer f.Close()
	sum := sha256.New()
	info, err := declaration.Inspect(io.TeeReader(f, sum), declaration.Options{KeepForms: -1})
	if errors.Is(err, xmlstream.ErrTooDeep) || errors.Is(err, xmlstream.ErrTooLarge) {
		info.Faults = append(info.Faults, declaration.Fault{ID: declaration.NotWellFormed})
		_, err = io.Copy(sum, f)
	}
	if err != nil {
		return File{}, info, fmt.Errorf("read %s: %w", m.name, err)
	}
	n, err := f.Seek(0, io.SeekCurrent)
	return File{Name: m.name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, info, err
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

func rank(name string) int {
	if kindOf(name) == naming.GO {
		return 1
	}
	return 0
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
