package outbox

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/inflight"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// DefaultParallel is how many files are in flight over one connection.
const DefaultParallel = 64

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
