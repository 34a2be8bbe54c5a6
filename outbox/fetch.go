package outbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/inflight"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// DefaultParallel is how many files are in flight over one connection.
const DefaultParallel = 64

// Bounds, so that no server can fill our memory: entries of a listing that are
// looked at in one run (the rest is left for the next), and files of a kind
// that are reported as left.
const (
	maxListed = 100_000
	maxBytes  = 32 << 20 // of their names
	maxLeft   = 1_000
)

// DefaultMaxSize is the largest reply that is stored, in bytes: twice the
// largest declaration.
const DefaultMaxSize = 4 << 30

// Options of a Fetcher.
type Options struct {
	// Archive is the root directory of what is stored; files go to
	// ENVIRONMENT/YYYY-MM-DD/ below it.
	Archive string
	// Parallel bounds the files in flight; 0 means DefaultParallel.
	Parallel int
	// MaxSize is the largest reply that is stored, in bytes; 0 means
	// DefaultMaxSize.
	MaxSize int64
	// Keep leaves everything on the server.
	Keep bool
	// Incomplete stores also replies whose GO does not come, when they were
	// last written so long ago; they are not deleted. 0: they are left alone.
	Incomplete time.Duration
	// DeleteConflicts is a person's word that replies which came a second time
	// with other contents may go from the server. Both are in the archive.
	DeleteConflicts bool
	// Verify is asked about every reply of a set before the set is deleted;
	// what it refuses is stored and stays on the server. nil: nothing is asked.
	Verify func(ctx context.Context, replyID int64) error
	// SealedSuffix ends the names of files that the archive has encrypted; empty:
	// there are none. With Keep such a file counts as stored; before anything is
	// deleted, its contents are stored in clear once more.
	SealedSuffix string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Disk writes the archive; nil means the real one.
	Disk *durable.Disk
	// Observe is called for every stored set, by several goroutines.
	Observe func(ReplySet)
}

// Fetcher brings replies home over one session.
type Fetcher struct {
	session Session
	ledger  Ledger
	opt     Options
	flight  *inflight.Limit
	sets    chan struct{}
}

// NewFetcher makes a Fetcher.
func NewFetcher(s Session, l Ledger, o Options) *Fetcher {
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.MaxSize <= 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Disk == nil {
		o.Disk = &durable.Disk{}
	}
	if o.Observe == nil {
		o.Observe = func(ReplySet) {}
	}
	return &Fetcher{
		session: s, ledger: l, opt: o,
		flight: inflight.New(o.Parallel),
		// Sets wait for their files inside, so a few more than fill the line
		// keep it busy.
		sets: make(chan struct{}, o.Parallel+8),
	}
}

// ReplySet is one reply set: what was done with it, or why not.
type ReplySet struct {
	Key     string // name without kind and parts
	GO      string // name of its GO; empty for one that was stored without
	Replies []*Reply
	New     bool // something of it was stored in this run
	Deleted bool // nothing of it is left on the server
	// Err is what went wrong; the set is then still on the server, in whole or
	// in part, and the next run takes it up again.
	Err error

	left []Left
}

// Left is a file that was left on the server.
type Left struct {
	Name   string // as the server gave it: check before any use
	Reason LeftReason
	Detail error     // in words
	Time   time.Time // when the server says that it was last written
}

// LeftReason says why a file was left on the server.
type LeftReason string

// Why files are left.
const (
	LeftUnknown    LeftReason = "unknown"    // not a name of the channel, or not a file
	LeftIncomplete LeftReason = "incomplete" // a reply whose GO is not there yet
	LeftAlone      LeftReason = "alone"      // a GO or FS without a reply
	LeftConflict   LeftReason = "conflict"   // same name as a stored reply, other contents
	LeftUnverified LeftReason = "unverified" // stored; its signature is not as demanded
	LeftOverflow   LeftReason = "overflow"   // the folder holds more than one run takes
)

// Report is the result of one folder.
type Report struct {
	Environment naming.Environment
	Sets        []ReplySet // in the order of their names
	Left        []Left
}

// Fetch takes every complete reply set out of the folder of an environment.
// The error is about the folder as a whole; what went wrong with one set
// stands in its entry of the report.
//
// When ctx ends, no further set is begun; a set that is stored is still
// deleted.
func (f *Fetcher) Fetch(ctx context.Context, env naming.Environment) (Report, error) {
	report := Report{Environment: env}
	groups, left, err := f.listWhole(ctx, env)
	if err != nil {
		return report, err
	}
	report.Left = left
	dir := filepath.Join(f.opt.Archive, string(env), archiveDay(f.opt.Now()))
	if len(groups) > 0 {
		incoming := f.incoming(env)
		if err := errors.Join(f.opt.Disk.MkdirAll(dir), f.opt.Disk.MkdirAll(incoming), sweep(f.opt.Disk, incoming)); err != nil {
			return report, err
		}
	}
	results := make([]*ReplySet, len(groups))
	var alone []int
	var wg sync.WaitGroup
	for i, g := range groups {
		if g.goName != "" && g.missing() != nil {
			alone = append(alone, i)
			continue
		}
		if f.waitForRoom(ctx) != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-f.sets }()
			results[i] = f.fetchSet(ctx, env, dir, g)
		})
	}
	wg.Wait()
	lookAgain := f.secondLook(ctx, env)
	for _, i := range alone {
		if ctx.Err() != nil {
			break
		}
		g := groups[i]
		s := &ReplySet{Key: g.key, GO: g.goName}
		s.Err = f.finishAlone(ctx, env, dir, g, lookAgain, s)
		results[i] = s
	}
	for _, s := range results {
		if s == nil {
			continue
		}
		report.Sets = append(report.Sets, *s)
		report.Left = append(report.Left, s.left...)
	}
	return report, ctx.Err()
}

func (f *Fetcher) waitForRoom(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case f.sets <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// archiveDay is the directory of a day, as YYYY-MM-DD in Brussels.
func archiveDay(t time.Time) string { return t.In(naming.Brussels()).Format(time.DateOnly) }

// groupID tells reply sets apart. Files of one set have one tail, and either
// all of them or none say how many parts there are.
type groupID struct {
	key   string
	parts int // 0: the names do not say
}

// group is a reply set as listed.
type group struct {
	groupID
	goName  string
	moreGOs []string // where each part has a GO of its own
	replies []listed // FO and CO
	signs   []listed // FS
}

type listed struct {
	name naming.Name
	size int64
	time time.Time
}

// list reads the folder and gives the complete sets, and what is to be left.
func (f *Fetcher) list(ctx context.Context, env naming.Environment) ([]*group, []Left, error) {
	all := map[groupID]*group{}
	var left []Left
	n, bytes, unknowns := 0, 0, 0
	seen := map[string]bool{}
	err := f.session.List(ctx, env.Outbox(), func(e transport.Entry) error {
		n, bytes = n+1, bytes+len(e.Name)
		if n > maxListed || bytes > maxBytes {
			return errEnough
		}
		leave := func(detail error) {
			if unknowns++; unknowns <= maxLeft {
				left = append(left, Left{Name: cut(e.Name), Reason: LeftUnknown, Detail: detail, Time: e.ModTime})
			}
		}
		name, err := naming.Parse(e.Name)
		var unknown *naming.UnknownError
		switch {
		case errors.As(err, &unknown):
			leave(unknown.Reason)
			return nil
		case err != nil:
			return err
		case e.Type == transport.TypeDir:
			leave(problem.New("it is a directory"))
			return nil
		case e.Type != transport.TypeFile:
			leave(problem.New("it is not a regular file"))
			return nil
		case seen[e.Name]: // a folder that changes while it is read may give a name twice
			return nil
		}
		seen[e.Name] = true
		id := groupID{name.SetKey(), name.Parts}
		g := all[id]
		if g == nil {
			g = &group{groupID: id}
			all[id] = g
		}
		l := listed{name, e.Size, e.ModTime}
		switch name.Kind {
		case naming.FO, naming.CO:
			g.replies = append(g.replies, l)
		case naming.FS:
			g.signs = append(g.signs, l)
		case naming.GO:
			if g.goName != "" {
				g.moreGOs = append(g.moreGOs, max(g.goName, e.Name))
				g.goName = min(g.goName, e.Name)
			} else {
				g.goName = e.Name
			}
		default:
			leave(problem.New("it is not a reply"))
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	if unknowns > maxLeft {
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("%d more files that are no replies", unknowns-maxLeft)})
	}
	switch {
	case n > maxListed:
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("it holds more than the %d entries that one run takes", maxListed)})
	case bytes > maxBytes:
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("it holds more than the %d bytes of names that one run takes", maxBytes)})
	}
	var complete []*group
	waiting := 0
	for _, g := range all {
		switch {
		case g.goName == "" && f.overdue(g):
			complete = append(complete, g)
		case g.goName == "":
			for _, l := range append(g.replies, g.signs...) {
				reason := LeftIncomplete
				if len(g.replies) == 0 {
					reason = LeftAlone
				}
				if waiting++; waiting <= maxLeft {
					left = append(left, Left{Name: l.name.String(), Reason: reason, Detail: problem.New("no GO yet"), Time: l.time})
				}
			}
		default:
			complete = append(complete, g)
		}
	}
	if waiting > maxLeft {
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("%d more files that have no GO yet", waiting-maxLeft)})
	}
	slices.SortFunc(complete, func(a, b *group) int { return cmp.Compare(a.key, b.key) })
	slices.SortFunc(left, func(a, b Left) int { return cmp.Compare(a.Name, b.Name) })
	return complete, left, nil
}

// maxLooks is how often a folder is listed in which sets appear meanwhile.
const maxLooks = 4

// listWhole is list, again while a set may have been published during the
// listing: what came before its GO is seen only by a listing that begins after
// the GO was seen. Sets that are still new at the last look are for the next run.
func (f *Fetcher) listWhole(ctx context.Context, env naming.Environment) (groups []*group, left []Left, err error) {
	before := map[string]bool{} // GOs that were seen by an earlier listing
	unsure := func(g *group) bool { return g.unsigned() && !before[g.goName] }
	for look := 1; ; look++ {
		groups, left, err = f.list(ctx, env)
		if err != nil || !slices.ContainsFunc(groups, unsure) {
			return groups, left, err
		}
		if look == maxLooks {
			return slices.DeleteFunc(groups, unsure), left, nil
		}
		for _, g := range groups {
			before[g.goName] = true
		}
	}
}

// errEnough ends a listing: of a hostile one there may be no other end.
var errEnough = errors.New("enough entries")

// cut shortens a name that no file system would take.
func cut(name string) string {
	if len(name) > transport.MaxNameBytes {
		return name[:transport.MaxNameBytes] + "…"
	}
	return name
}

// overdue reports whether a set without a GO is to be stored all the same.
func (f *Fetcher) overdue(g *group) bool {
	if f.opt.Incomplete <= 0 || len(g.replies) == 0 {
		return false
	}
	for _, l := range append(g.replies, g.signs...) {
		if l.time.IsZero() || f.opt.Now().Sub(l.time) < f.opt.Incomplete {
			return false
		}
	}
	return true
}

// missing says which replies a set with a GO still lacks.
func (g *group) missing() error {
	if len(g.replies) == 0 {
		return errAlone
	}
	have := map[int]bool{}
	parts := 0
	for _, l := range g.replies {
		have[l.name.Part] = true
		parts = max(parts, l.name.Parts)
	}
	for p := 1; p <= parts; p++ {
		if !have[p] {
			return problem.New("part %d of %d is not there yet", p, parts)
		}
	}
	return nil
}

var errAlone = problem.New("a GO without a reply")

// fetchSet stores a set and then deletes it on the server.
func (f *Fetcher) fetchSet(ctx context.Context, env naming.Environment, dir string, g *group) *ReplySet {
	s := &ReplySet{Key: g.key, GO: g.goName}
	files, err := f.storeFiles(ctx, env, dir, g)
	if err != nil {
		s.Err = err
		return s
	}
	if s.Err = f.enter(ctx, env, g, files, s); s.Err != nil {
		return s
	}
	if s.left, s.Err = f.hold(ctx, files, len(g.replies)); s.Err != nil {
		return s
	}
	f.opt.Observe(*s)
	if f.opt.Keep || g.goName == "" || len(s.left) > 0 {
		return s
	}
	// What is stored is deleted even when the person has had enough.
	s.Err = f.remove(context.WithoutCancel(ctx), env, g, files, nil, s)
	return s
}

// hold says which stored files must stay on the server, and why. The first of
// them are the replies, the others their signatures.
func (f *Fetcher) hold(ctx context.Context, files []*file, replies int) ([]Left, error) {
	var left []Left
	for i, x := range files {
		leave := func(reason LeftReason, detail error) {
			left = append(left, Left{Name: x.name.String(), Reason: reason, Detail: detail, Time: x.time})
		}
		if x.conflict && !f.opt.DeleteConflicts {
			leave(LeftConflict, problem.New("stored as %s", x.Path))
		}
		if f.opt.Verify == nil || i >= replies {
			continue
		}
		var refused *UnverifiedError
		switch err := f.opt.Verify(ctx, x.replyID); {
		case errors.As(err, &refused):
			leave(LeftUnverified, refused)
		case err != nil:
			return nil, err
		}
	}
	return left, nil
}

// UnverifiedError is what Verify says of a reply that must not be deleted.
type UnverifiedError struct {
	Reason string // what is wrong with its signature
}

func (e *UnverifiedError) Error() string { return e.Reason }

// file is one reply or signature of a set: stored before, or just now.
type file struct {
	listed
	File
	replyID  int64 // where it was stored before
	conflict bool  // another file of that name was stored before
}

// storeFiles copies every file of the set to the archive, unless its bytes are
// there.
func (f *Fetcher) storeFiles(ctx context.Context, env naming.Environment, dir string, g *group) ([]*file, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := slices.Concat(g.replies, g.signs)
	files := make([]*file, len(all))
	errs := make([]error, len(all))
	sealed, err := f.mayBeSealed(ctx, env, g)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i, l := range all {
		wg.Go(func() {
			if files[i], errs[i] = f.storeFile(ctx, env, dir, l, sealed); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || transport.ClassOf(first) == transport.Cancelled) {
			first = err
		}
	}
	return files, first
}

// mayBeSealed reports whether replies of a set that are stored encrypted may
// stay so: not where a signature is new, since it is checked over its reply.
func (f *Fetcher) mayBeSealed(ctx context.Context, env naming.Environment, g *group) (bool, error) {
	if !f.opt.Keep || f.opt.SealedSuffix == "" {
		return false, nil
	}
	for _, l := range g.signs {
		known, err := f.ledger.FilesNamed(ctx, env, l.name.String())
		if err != nil || !slices.ContainsFunc(known, func(k Stored) bool { return k.File.Size == l.size }) {
			return false, err
		}
	}
	return true, nil
}

func (f *Fetcher) storeFile(ctx context.Context, env naming.Environment, dir string, l listed, sealed bool) (*file, error) {
	name := l.name.String()
	known, err := f.ledger.FilesNamed(ctx, env, name)
	if err != nil {
		return nil, err
	}
	if f.opt.Keep {
		for _, k := range known {
			if k.File.Size == l.size && (f.inArchive(k.File) || sealed && f.sealedInArchive(k.File)) {
				return &file{listed: l, File: k.File, replyID: k.ReplyID, conflict: k.Conflict}, nil
			}
		}
	}
	var out *file
	err = f.flight.Do(ctx, func() error {
		out, err = f.download(ctx, env, dir, l, known)
		return err
	})
	return out, err
}

// download copies one file to the archive and compares it with what is known
// of its name.
func (f *Fetcher) download(ctx context.Context, env naming.Environment, dir string, l listed, known []Stored) (*file, error) {
	name := l.name.String()
	if l.size > f.opt.MaxSize {
		return nil, &TooLargeError{Name: name, Max: f.opt.MaxSize}
	}
	t, err := f.opt.Disk.Create(f.incoming(env), "*")
	if err != nil {
		return nil, err
	}
	defer t.Discard() //nolint:errcheck // after Commit it does nothing; before, the next run sweeps
	sum := sha256.New()
	bounded := &boundedWriter{io.MultiWriter(t, sum), f.opt.MaxSize, &TooLargeError{Name: name, Max: f.opt.MaxSize}}
	n, err := f.session.Get(ctx, path.Join(env.Outbox(), name), bounded, l.size)
	if err != nil {
		return nil, err
	}
	out := &file{listed: l, File: File{Name: name, Size: n}}
	sum.Sum(out.Hash[:0])
	for _, k := range known {
		if k.File.Hash != out.Hash {
			continue
		}
		out.File, out.replyID, out.conflict = k.File, k.ReplyID, k.Conflict
		target := filepath.Join(f.opt.Archive, filepath.FromSlash(k.File.Path))
		if h, err := hashOf(target); err == nil && h == out.Hash {
			return out, nil
		}
		// The ledger has it, the archive lost it: store it where it was. That it
		// is there encrypted cannot be relied on here: nobody can look into it.
		if err := errors.Join(f.ledger.StoredAgain(ctx, k.ReplyID), f.opt.Disk.MkdirAll(filepath.Dir(target))); err != nil {
			return nil, err
		}
		return out, t.Commit(target)
	}
	stored := name
	if len(known) > 0 {
		out.conflict = true
		stored += "~" + out.Hash.String()[:12]
	}
	target := filepath.Join(dir, stored)
	if err := f.freeFor(target, out.Hash); err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(f.opt.Archive, target)
	if err != nil {
		return nil, err
	}
	out.Path = filepath.ToSlash(rel)
	return out, t.Commit(target)
}

// TooLargeError is a reply that is larger than any can be. It stays on the
// server.
type TooLargeError struct {
	Name string
	Max  int64 // bytes
}

func (e *TooLargeError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *TooLargeError) Said() (format string, args []any) { return e.problem().Said() }

func (e *TooLargeError) problem() *problem.Error {
	return problem.New("%s has more than %d bytes, which no reply has", e.Name, e.Max)
}

// boundedWriter fails when more than left bytes are written to it: a file whose
// size the server does not tell may have no end.
type boundedWriter struct {
	w    io.Writer
	left int64
	full error
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, b.full
	}
	return b.w.Write(p)
}

// inArchive reports whether a stored file is still there with its size.
func (f *Fetcher) inArchive(k File) bool {
	info, err := os.Stat(filepath.Join(f.opt.Archive, filepath.FromSlash(k.Path)))
	return err == nil && info.Mode().IsRegular() && info.Size() == k.Size
}

// sealedInArchive reports whether a stored file is there encrypted, which makes
// it longer.
func (f *Fetcher) sealedInArchive(k File) bool {
	info, err := os.Stat(filepath.Join(f.opt.Archive, filepath.FromSlash(k.Path)) + f.opt.SealedSuffix)
	return err == nil && info.Mode().IsRegular() && info.Size() > k.Size
}

// freeFor makes sure that a file that the ledger does not know is not
// overwritten, unless it holds the same bytes: a crash came between its
// storing and its entry.
func (f *Fetcher) freeFor(target string, want Hash) error {
	h, err := hashOf(target)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if h != want {
		return problem.New("%s is in the archive with other contents and is not in the ledger: move it away by hand", target)
	}
	return nil
}

func hashOf(path string) (h Hash, err error) {
	in, err := os.Open(path)
	if err != nil {
		return h, err
	}
	defer in.Close() //nolint:errcheck // only read
	sum := sha256.New()
	_, err = io.Copy(sum, in)
	sum.Sum(h[:0])
	return h, err
}

// enter puts the replies of a set that the ledger does not have into it.
func (f *Fetcher) enter(ctx context.Context, env naming.Environment, g *group, files []*file, s *ReplySet) error {
	signs, lateSigns := map[int]*File{}, map[int]*file{}
	for _, x := range files[len(g.replies):] {
		signs[x.name.Part] = &x.File
		if x.replyID == 0 {
			lateSigns[x.name.Part] = x
		}
	}
	var fresh []*Reply
	var freshFiles []*file
	for _, x := range files[:len(g.replies)] {
		r := &Reply{
			ID: x.replyID, Environment: env, Name: x.name, File: x.File, Signature: signs[x.name.Part],
			Conflict: x.conflict, FetchedAt: f.opt.Now().UTC(),
		}
		s.Replies = append(s.Replies, r)
		if x.replyID == 0 {
			fresh = append(fresh, r)
			freshFiles = append(freshFiles, x)
		} else if fs := lateSigns[x.name.Part]; fs != nil {
			if err := f.ledger.AddSignature(ctx, x.replyID, fs.File); err != nil {
				return err
			}
			s.New = true
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	s.New = true
	if err := f.ledger.StoreReplies(ctx, fresh); err != nil {
		return err
	}
	for i, x := range freshFiles {
		x.replyID = fresh[i].ID
	}
	return nil
}

// remove deletes a stored set on the server, its GO last: what a crash leaves
// can still be told from a set that was never fetched. The ledger hears of it
// before GO goes, so that a crash cannot keep it from hearing at all. gone are
// replies of the set that an earlier run deleted.
func (f *Fetcher) remove(ctx context.Context, env naming.Environment, g *group, files []*file, gone []int64, s *ReplySet) error {
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	for i, x := range files {
		wg.Go(func() { errs[i] = f.removeFile(ctx, env, x.name.String()) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, x := range files[:len(g.replies)] {
		gone = append(gone, x.replyID)
	}
	slices.Sort(gone)
	for _, id := range slices.Compact(gone) {
		if err := f.ledger.Deleted(ctx, id, f.opt.Now().UTC()); err != nil {
			return err
		}
	}
	for _, name := range append(g.moreGOs, g.goName) {
		if err := f.removeFile(ctx, env, name); err != nil {
			return err
		}
	}
	s.Deleted = true
	return nil
}

func (f *Fetcher) removeFile(ctx context.Context, env naming.Environment, name string) error {
	err := f.flight.Once(ctx, func() error { return f.session.Remove(ctx, path.Join(env.Outbox(), name)) })
	if errors.Is(err, transport.ErrNotFound) {
		return nil // another client, or an earlier run that broke off
	}
	return err
}

// finishAlone deals with a GO whose replies are not, or not all, there. When
// every file of it was stored before, an earlier run broke off while it
// deleted, and the rest is deleted now.
//
// The office may use a name again, and a folder that is written while it is
// listed may show the new GO without its replies. So the folder is looked at a
// second time, and the GO stays when anything of the set has come since.
func (f *Fetcher) finishAlone(ctx context.Context, env naming.Environment, dir string, g *group, lookAgain func() (map[groupID]*group, error), s *ReplySet) error {
	why := g.missing()
	goName, err := naming.Parse(g.goName)
	if err != nil {
		return err
	}
	rest, err := f.storedBefore(ctx, env, goName)
	if err != nil {
		return err
	}
	if rest == nil || f.opt.Keep {
		return &IncompleteError{GO: g.goName, Err: why}
	}
	now, err := lookAgain()
	if err != nil {
		return err
	}
	if now[g.groupID].more(g) {
		return &IncompleteError{GO: g.goName, Err: why}
	}
	// What is still there is compared with what is stored before it goes.
	files, err := f.storeFiles(ctx, env, dir, g)
	if err != nil {
		return err
	}
	for _, x := range files {
		if x.replyID == 0 || x.conflict {
			return &IncompleteError{GO: g.goName, Err: why}
		}
	}
	return f.remove(context.WithoutCancel(ctx), env, g, files, rest, s)
}

// secondLook lists the folder once more, at the first call.
func (f *Fetcher) secondLook(ctx context.Context, env naming.Environment) func() (map[groupID]*group, error) {
	return sync.OnceValues(func() (map[groupID]*group, error) {
		groups, _, err := f.list(ctx, env)
		byID := map[groupID]*group{}
		for _, g := range groups {
			byID[g.groupID] = g
		}
		return byID, err
	})
}

// unsigned reports whether a set whose GO is there lacks a signature, as far as
// it was seen.
func (g *group) unsigned() bool { return g.goName != "" && len(g.signs) < len(g.replies) }

// more reports whether a set holds a reply or signature that was not there
// before.
func (g *group) more(before *group) bool {
	if g == nil {
		return false
	}
	old := map[naming.Name]bool{}
	for _, l := range slices.Concat(before.replies, before.signs) {
		old[l.name] = true
	}
	return slices.ContainsFunc(slices.Concat(g.replies, g.signs), func(l listed) bool { return !old[l.name] })
}

// storedBefore gives the ids of the stored replies of a set when all of its
// parts are stored, else nil.
func (f *Fetcher) storedBefore(ctx context.Context, env naming.Environment, goName naming.Name) ([]int64, error) {
	var ids []int64
	for part := min(1, goName.Parts); part <= goName.Parts; part++ {
		n := goName
		n.Part = part
		found := int64(0)
		for _, k := range []naming.Kind{naming.FO, naming.CO} {
			stored, err := f.ledger.FilesNamed(ctx, env, n.WithKind(k).String())
			if err != nil {
				return nil, err
			}
			for _, st := range stored {
				found = st.ReplyID
			}
		}
		if found == 0 {
			return nil, nil
		}
		ids = append(ids, found)
	}
	return ids, nil
}

// IncompleteError is a set whose GO is there and whose replies are not.
type IncompleteError struct {
	GO  string
	Err error
}

func (e *IncompleteError) Error() string { return fmt.Sprintf("%s: %v", e.GO, e.Err) }
func (e *IncompleteError) Unwrap() error { return e.Err }

// incoming is where replies are written before they have their name. It lies
// in the archive so that giving the name is one atomic step.
func (f *Fetcher) incoming(env naming.Environment) string {
	return filepath.Join(f.opt.Archive, string(env), ".incoming")
}

// sweep removes what a run that was killed left half-written. The caller holds
// the lock of the folder, so nobody else is writing there.
func sweep(disk *durable.Disk, dir string) error {
	old, err := os.ReadDir(dir) // not a glob: the path may hold its characters
	if err != nil {
		return err
	}
	for _, e := range old {
		if err := disk.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
