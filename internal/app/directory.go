package app

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// directorySubmitter sends what lies in directories and moves it to sent or
// failed, under the lock of the sender and environment.
type directorySubmitter struct {
	*submission               // the jobs are those of one directory at a time
	ledger      ledger.Ledger // nil: a rehearsal
	link        *link
	signs       bool                   // the certificate was looked for
	seen        map[string]os.FileInfo // of the files of a directory, before they were looked into

	prepared *outgoing.Dir
	results
}

// directory sends what is ready in a directory. The error says that nothing of
// it was sent; what goes wrong with single files stands in the results.
func (e *directorySubmitter) directory(ctx context.Context, o config.Outgoing) error {
	d, names, err := e.open(o)
	if err != nil {
		return err
	}
	if names, err = e.moveLeft(ctx, d, names); err != nil {
		return err
	}
	jobs, wrong, err := e.plan(ctx, d, names, o)
	if err != nil || len(jobs)+len(wrong) == 0 {
		return err
	}
	if err := e.prepare(d); err != nil {
		return err
	}
	for _, w := range wrong {
		e.done(d, w)
	}
	if len(jobs) == 0 {
		return nil
	}
	if !e.signs {
		if err := e.loadIdentity(ctx); err != nil {
			return err
		}
		e.signs = true
	}
	s := *e.submission
	s.jobs, s.toMove, s.application = jobs, true, o.Application
	outcomes, err := s.deliver(ctx, e.ledger, e.link)
	for _, x := range outcomes {
		e.link.doubt(x.Err)
		e.done(d, x)
	}
	return err
}

// prepare makes sure, once, that files of a directory can be moved.
func (e *directorySubmitter) prepare(d *outgoing.Dir) error {
	if e.prepared == d {
		return nil
	}
	if err := d.Prepare(); err != nil {
		return failure.New(failure.Failed,
			problem.New("%s: files could not be moved to %s and %s (%s); nothing was sent from there", d.Path(), outgoing.Sent, outgoing.Failed, err),
			lang.T("%s and %s have to be directories below it, in which you may write", outgoing.Sent, outgoing.Failed))
	}
	e.prepared = d
	return nil
}

// open lists a directory.
func (e *directorySubmitter) open(o config.Outgoing) (*outgoing.Dir, []string, error) {
	if within(o.Dir, e.config.Replies.Archive) {
		return nil, nil, failure.New(failure.Usage, problem.New("%s is where fetched replies are stored, not an outgoing directory; nothing was sent from there, and nothing was moved", o.Dir))
	}
	d := outgoing.New(o.Dir, e.Disk)
	var err error
	if e.ledger != nil { // no dry run
		err = d.Recover()
	}
	names, left, lerr := d.List()
	if err = cmp.Or(err, lerr); err != nil {
		class := failure.Failed
		if errors.Is(err, fs.ErrNotExist) {
			class = failure.Usage
		}
		return nil, nil, failure.New(class, problem.New("%s: the directory cannot be read (%s); nothing was sent from there", o.Dir, rootOf(err)))
	}
	other := 0
	for _, l := range left {
		e.leave(d, l.Name, l.Why)
		if l.Why != outgoing.Temporary {
			other++
		}
	}
	if other > 0 {
		e.event(Foreign{o.Dir, other})
	}
	return d, names, nil
}

// within reports whether a directory is another, or lies below it.
func within(dir, other string) bool {
	a, err := filepath.EvalSymlinks(dir)
	b, err2 := filepath.EvalSymlinks(other)
	if err != nil || err2 != nil {
		return false
	}
	to, err := filepath.Rel(b, a)
	return err == nil && filepath.IsLocal(to)
}

// rootOf is what the system said, without where.
func rootOf(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (e *directorySubmitter) leave(d *outgoing.Dir, name string, why outgoing.Reason) {
	e.left = append(e.left, LeftFile{d.Path(), name, string(why)})
}

// incompleteAfter is for how long a part of a set may lie alone before that is
// a warning.
const incompleteAfter = time.Hour

// plan decides which files go together. What is wrong with the name of a file
// concerns nothing but its set.
func (e *directorySubmitter) plan(ctx context.Context, d *outgoing.Dir, names []string, o config.Outgoing) (jobs []inbox.Job, wrong []inbox.JobResult, err error) {
	var files []string
	e.seen = map[string]os.FileInfo{}
	for _, n := range names {
		files = append(files, d.File(n))
		if info, err := os.Lstat(d.File(n)); err == nil { // else it is gone
			e.seen[d.File(n)] = info
		}
	}
	unsettled, err := inbox.Unsettled(ctx, files, e.settleTime())
	if err != nil {
		return nil, nil, err
	}
	for _, group := range bySet(files) {
		if i := slices.IndexFunc(group, func(f string) bool { return unsettled[f] != nil }); i >= 0 {
			e.unready(d, group, unsettled[group[i]])
			continue
		}
		planned, err := inbox.Plan(group)
		if err == nil {
			err = e.fits(planned[0], o)
		}
		var missing *inbox.MissingPartError
		switch {
		case err == nil:
			jobs = append(jobs, planned[0])
		case errors.As(err, &missing):
			e.unready(d, group, err)
		default:
			wrong = append(wrong, inbox.JobResult{Job: inbox.Job{Files: group}, Err: &inbox.FileNameError{Path: group[0], Err: err}})
		}
	}
	return jobs, wrong, nil
}

// fits compares the name that a file already has with where it is to go.
func (e *directorySubmitter) fits(j inbox.Job, o config.Outgoing) error {
	err := fitsNamed(j, e.config, e.env, o.Application, naming.DateOf(e.Now()))
	var usage *failure.UsageError
	if errors.As(err, &usage) {
		return usage.Err
	}
	return err
}

// bySet groups files that are named as parts of one set, in the order of the
// first of each.
func bySet(files []string) [][]string {
	var groups [][]string
	at := map[string]int{}
	for _, f := range files {
		key := f
		if n, err := naming.Parse(filepath.Base(f)); err == nil && n.Kind == naming.FI && n.Parts > 0 {
			key = n.SetKey()
		}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// unready leaves files for the next time.
func (e *directorySubmitter) unready(d *outgoing.Dir, files []string, err error) {
	var missing *inbox.MissingPartError
	why := outgoing.Changing
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // somebody took it back
	case errors.As(err, &missing):
		why = outgoing.Incomplete
	case outgoing.BusyError(err):
		why = outgoing.InUse
	}
	for _, f := range files {
		e.leave(d, filepath.Base(f), why)
	}
	e.event(NotReady{Files: files, Err: err, Missing: missing != nil, Old: missing != nil && e.old(files)})
}

// old reports whether files lie there for so long that nobody is about to add
// another.
func (e *directorySubmitter) old(files []string) bool {
	return !slices.ContainsFunc(files, func(f string) bool {
		info, err := os.Stat(f)
		return err == nil && e.Now().Sub(info.ModTime()) < incompleteAfter
	})
}

// moveLeft moves the files of sets that are done with and that an earlier run
// could not move, and gives the names of the others: what was sent is not sent
// again because it still lies there, whatever became of it.
func (e *directorySubmitter) moveLeft(ctx context.Context, d *outgoing.Dir, names []string) ([]string, error) {
	sets, err := e.ledger.ToMove(ctx, e.config.Sender, e.env)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{} // names whose newest set was met
	done := map[string]bool{}  // names with which nothing more is to be done now
	for _, s := range sets {
		var files []string
		var parts []int
		for _, p := range s.Parts {
			name := filepath.Base(p.Source)
			if !p.ToMove || filepath.Dir(p.Source) != d.Path() {
				continue
			}
			switch {
			case !known[name] && s.State.Unfinished():
				known[name] = true // it is finished first
				if e.settled && slices.Contains(names, name) && hashOf(p.Source) == source(p) {
					done[name] = true // which was tried a moment ago
					e.leave(d, name, outgoing.Unfinished)
				}
			case known[name] || !slices.Contains(names, name) || hashOf(p.Source) != source(p):
				// It is gone, or there is another in its place.
				if err := e.ledger.Moved(ctx, s.ID, p.Number, ""); err != nil {
					return nil, err
				}
			default:
				known[name], done[name] = true, true
				files, parts = append(files, p.Source), append(parts, p.Number)
			}
		}
		if len(files) > 0 {
			if err := e.prepare(d); err != nil {
				return nil, err
			}
			e.move(d, inbox.JobResult{Job: inbox.Job{Files: files}, Submission: s, Resumed: true, Err: afterwards(s)}, parts)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return done[n] }), nil
}

// afterwards is what is wrong with a set that came to its end before its file
// could be moved.
func afterwards(s inbox.Submission) error {
	switch s.State {
	case inbox.Cancelled:
		return failure.New(failure.Failed, problem.New("%s was given up; it was not sent", s.Set), lang.T("to send the file after all, put it into the directory again"))
	case inbox.NameUsed:
		return failure.New(failure.Unknown, answered(s, false), lang.T("see why: socbatch status %s", s.Set))
	case inbox.Refused:
		return failure.New(failure.Refused, problem.New("%s was refused; it was not sent again", s.Set), lang.T("see why: socbatch status %s", s.Set))
	}
	return nil
}

// hashOf gives the SHA-256 of a file; zero where it cannot be read.
func hashOf(file string) inbox.Hash {
	h, _ := checksum.OfFile(file)
	return h
}

// done says what became of the files of one declaration, and moves them where
// that is decided for good.
func (e *directorySubmitter) done(d *outgoing.Dir, o inbox.JobResult) {
	var source *inbox.SourceError
	if errors.As(o.Err, &source) && (errors.Is(o.Err, inbox.ErrChanging) || errors.Is(o.Err, fs.ErrNotExist) || outgoing.BusyError(o.Err)) {
		e.unready(d, o.Job.Files, o.Err)
		return
	}
	if sentFromHere(o) {
		o.Err, o.Resumed = nil, true
	}
	switch {
	case o.Err == nil, ownFault(o.Err):
		e.move(d, o, partsOf(o))
	default: // the files stay: the next run goes on with them
		e.report(o, "")
		e.add(o, nil)
	}
}

// partsOf are the numbers of the parts that the files of an outcome are; none
// where they are no parts of its set.
func partsOf(o inbox.JobResult) []int {
	var parts []int
	for _, p := range o.Submission.Parts {
		if o.Err == nil {
			parts = append(parts, p.Number)
		}
	}
	return parts
}

// sentFromHere reports whether a declaration that was sent already is the very
// same files, which nobody moved since: an earlier run was killed before it
// could, or they were named on the command line.
func sentFromHere(o inbox.JobResult) bool {
	var already *inbox.AlreadyError
	if !errors.As(o.Err, &already) || !already.Same || already.Existing.State.Unfinished() || already.Existing.State.NeedsPerson() {
		return false
	}
	for i, p := range already.Existing.Parts {
		a, err := os.Stat(p.Source)
		b, err2 := os.Stat(o.Job.Files[i])
		if err != nil || err2 != nil || !os.SameFile(a, b) || p.MovedTo != "" {
			return false
		}
	}
	return true
}

// ownFault reports whether it is because of the files that they were not sent,
// and not because of the server, the connection or this machine.
func ownFault(err error) bool {
	var (
		name    *inbox.FileNameError
		faults  *inbox.FaultsError
		app     *inbox.ApplicationError
		replied *inbox.ReplyError
		used    *inbox.NameUsedError
		maybe   *inbox.MaybeSentError
		already *inbox.AlreadyError
		source  *inbox.SourceError
		system  syscall.Errno
	)
	switch {
	case errors.As(err, &name), errors.As(err, &faults), errors.As(err, &app), errors.As(err, &replied), errors.As(err, &used), errors.As(err, &maybe):
		return true
	case errors.As(err, &already):
		return !already.Existing.State.Unfinished() || !already.Same
	case errors.As(err, &source):
		return !errors.As(err, &system) && !errors.Is(err, context.Canceled)
	}
	return false
}

// move moves the files of a declaration to where they belong, says so, and
// records it for the parts of its set that they are.
func (e *directorySubmitter) move(d *outgoing.Dir, o inbox.JobResult, parts []int) {
	place := outgoing.Sent
	if o.Err != nil {
		place = outgoing.Failed
	}
	var moved []string
	for i, f := range o.Job.Files {
		to, err := d.Put(place, filepath.Base(f), e.judged(o, parts, i), func(as string) string { return e.sidecar(d, o, f, as) })
		if replaced, ok := errors.AsType[*outgoing.ReplacedError](err); ok {
			err = nil
			e.replaced(d, replaced)
			if i < len(parts) { // there is nothing to look for any more
				err = e.ledger.Moved(context.Background(), o.Submission.ID, parts[i], "")
			}
		}
		if to != "" {
			moved = append(moved, to)
			if i < len(parts) {
				err = errors.Join(err, e.ledger.Moved(context.Background(), o.Submission.ID, parts[i], to))
			}
		}
		if err != nil && o.Err == nil {
			o.Err = failure.New(failure.Failed, problem.New("%s was sent as %s, and could not be moved to %s: %s; the next run does that, and sends nothing again", f, o.Submission.Set, d.Place(place), rootOf(err)))
		} else if err != nil {
			e.event(NotMoved{f, d.Place(place), rootOf(err)})
		}
	}
	aside := ""
	if place == outgoing.Failed && len(moved) > 0 {
		aside = d.Place(place)
	}
	e.report(o, aside)
	e.add(o, moved)
}

// judged is what a file of an outcome was when it was looked into.
func (e *directorySubmitter) judged(o inbox.JobResult, parts []int, i int) outgoing.Judged {
	for _, p := range o.Submission.Parts {
		if i < len(parts) && p.Number == parts[i] {
			return outgoing.Judged{Hash: source(p)}
		}
	}
	if i < len(o.Parts) {
		return outgoing.Judged{Hash: source(o.Parts[i].Part)}
	}
	return outgoing.Judged{Info: e.seen[o.Job.Files[i]]}
}

// source is the hash of the file that was handed in as a part.
func source(p inbox.Part) inbox.Hash { return cmp.Or(p.Original, p.Hash) }

// replaced notes that another file has the name of one that was to be moved.
func (e *directorySubmitter) replaced(d *outgoing.Dir, r *outgoing.ReplacedError) {
	e.leave(d, r.Now, outgoing.Replaced)
	e.event(Replaced{d.File(r.Name), d.File(r.Now)})
}

// sidecar is the text beside a file that is moved.
func (e *directorySubmitter) sidecar(d *outgoing.Dir, o inbox.JobResult, file, as string) string {
	if e.request.Sidecar == nil {
		return ""
	}
	return e.request.Sidecar(Sidecar{Environment: e.env, Dir: d.Path(), Result: o, File: file, As: as})
}

func (e *directorySubmitter) add(o inbox.JobResult, moved []string) {
	e.files = append(e.files, FileResult{JobResult: o, Moved: moved})
}

func (e *directorySubmitter) report(o inbox.JobResult, aside string) { e.event(FilesDone{o, aside}) }

// fail notes what concerns no single file. The same broken connection is told
// once.
func (e *directorySubmitter) fail(err error) {
	e.errs = append(e.errs, err)
	if e.link == nil || !e.link.reportedBefore(err) {
		e.event(StepFailed{err})
	}
}
