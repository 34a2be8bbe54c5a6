package inbox

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// Submitter takes files through the whole way: frozen, looked into, named,
// delivered.
type Submitter struct {
	Spool  *Spool
	Ledger Ledger
	// Deliverer gives the means to send. It is called once, beside the
	// preparation, and before any name is taken.
	Deliverer func(context.Context) (*Deliverer, error)

	Sender      string
	Environment naming.Environment
	Application string // empty: from what the file says
	// Meant is the application that a person named for these files. A reply of
	// the office is sent only as that one, see Reply.Meant; SkipChecks does not
	// change it.
	Meant    string
	Freeze   FreezeOptions
	SignedBy string // for the ledger
	// SkipChecks sends what is known to be refused.
	SkipChecks bool
	Again      bool // contents that were sent before go again
	Reason     string
	ToMove     bool // the files are to be moved afterwards
	Now        func() time.Time
}

// JobResult is what became of a job.
type JobResult struct {
	Job        Job
	Submission Submission // zero before a name was taken
	Parts      []Frozen
	Warnings   []error // what a person should know
	// Resumed is set when an earlier run had begun with this set.
	Resumed bool
	Err     error
}

// Run submits the jobs. Each is independent of the others; its outcome stands
// at its place in the result. The error says that nothing was sent at all.
func (s *Submitter) Run(ctx context.Context, jobs []Job) ([]JobResult, error) {
	prepareCtx, stop := context.WithCancel(ctx)
	defer stop()
	outcomes := make([]JobResult, len(jobs))
	drafts := make([]Draft, len(jobs))
	ready := make([]chan struct{}, len(jobs))
	for i := range jobs {
		outcomes[i].Job = jobs[i]
		ready[i] = make(chan struct{})
	}
	dialled := make(chan struct{})
	var deliverer *Deliverer
	var dialErr error
	go func() {
		defer close(dialled)
		deliverer, dialErr = s.Deliverer(ctx)
	}()

	var freezing sync.WaitGroup
	work := make(chan int)
	for range min(len(jobs), 2*runtime.NumCPU()) {
		freezing.Go(func() {
			for i := range work {
				drafts[i], outcomes[i].Err = s.prepare(prepareCtx, &outcomes[i])
				close(ready[i])
			}
		})
	}
	freezing.Go(func() {
		defer close(work)
		for i := range jobs {
			work <- i
		}
	})
	<-dialled
	if dialErr != nil {
		stop()
		freezing.Wait()
		return outcomes, errors.Join(dialErr, s.dropAll(drafts, outcomes))
	}
	s.send(ctx, deliverer, outcomes, drafts, ready)
	freezing.Wait()
	return outcomes, nil
}

// send takes the names in the order of the jobs, as many as are ready at a
// time, and delivers each set as soon as it has its own.
func (s *Submitter) send(ctx context.Context, d *Deliverer, outcomes []JobResult, drafts []Draft, ready []chan struct{}) {
	limit := make(chan struct{}, d.flight.Max()+8) // sets wait for their files inside
	var sending sync.WaitGroup
	taken := contents{}
	var duplicates []duplicate
	for i := 0; i < len(outcomes); {
		<-ready[i]
		var at []int
		var batch []Draft
		asked := contents{}
		for ; i < len(outcomes) && len(batch) < 256 && closed(ready[i]); i++ {
			if outcomes[i].Err != nil {
				continue
			}
			if _, _, both := asked.in(drafts[i]); both {
				break // first see what becomes of the other
			}
			if first, part, both := taken.in(drafts[i]); both {
				duplicates = append(duplicates, duplicate{i, first, part})
				continue
			}
			asked.add(drafts[i], i)
			at, batch = append(at, i), append(batch, drafts[i])
		}
		if len(batch) == 0 {
			continue
		}
		for n, r := range s.Ledger.Reserve(ctx, batch) {
			o := &outcomes[at[n]]
			if !s.take(o, drafts[at[n]].Spool, r) {
				continue
			}
			taken.add(drafts[at[n]], at[n])
			limit <- struct{}{}
			sending.Go(func() {
				defer func() { <-limit }()
				if o.Submission.State != Unknown {
					o.Err = d.Deliver(ctx, &o.Submission)
					return
				}
				o.Err = d.Settle(ctx, []*Submission{&o.Submission})
				var unknown *UnknownError
				if o.Submission.State == Unknown && !errors.As(o.Err, &unknown) {
					o.Err = &UnknownError{Set: o.Submission.Set, Err: o.Err}
				}
			})
		}
	}
	sending.Wait()
	for _, t := range duplicates {
		s.refuseDuplicate(&outcomes[t.job], &outcomes[t.first], drafts[t.job], t.part)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// take looks at what the ledger said to a draft, and reports whether there is
// a set to send.
func (s *Submitter) take(o *JobResult, spool string, r Reserved) bool {
	o.Submission, o.Err = r.Submission, r.Err
	if o.Err == nil {
		return true
	}
	o.Err = errors.Join(o.Err, s.Spool.Drop(spool))
	var already *AlreadyError
	if errors.As(r.Err, &already) {
		o.Submission = already.Existing
		if already.Same && already.Existing.State.Unfinished() {
			o.Err, o.Resumed = nil, true
			return true
		}
	}
	return false
}

func (s *Submitter) dropAll(drafts []Draft, outcomes []JobResult) error {
	var errs []error
	for i, d := range drafts {
		if outcomes[i].Err == nil {
			errs = append(errs, s.Spool.Drop(d.Spool))
		}
	}
	return errors.Join(errs...)
}

// prepare freezes the files of a job and decides what they are.
func (s *Submitter) prepare(ctx context.Context, o *JobResult) (d Draft, err error) {
	for _, f := range o.Job.given() {
		if r := ReplyByName(f); r != nil && !r.Meant(s.Meant) {
			return Draft{}, &ReplyError{f, *r}
		}
	}
	spool, parts, err := s.Spool.Freeze(ctx, o.Job.Files, s.Freeze)
	if err != nil {
		return Draft{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Spool.Drop(spool))
		}
	}()
	o.Parts = parts
	d = Draft{
		Sender: s.Sender, Environment: s.Environment, Application: s.Application, Date: naming.DateOf(s.Now()),
		Spool: spool, Again: s.Again, Reason: s.Reason, ToMove: s.ToMove,
	}
	if s.Freeze.Identity != nil {
		d.SignedBy = s.SignedBy
	}
	if n := o.Job.Named; n != nil {
		d.Application, d.Date, d.Sequence = n.Application, n.Date, n.Sequence
	}
	seen := map[Hash]int{}
	for i := range parts {
		parts[i].Source = o.Job.given()[i]
		if r := parts[i].Reply; r != nil && !r.Meant(s.Meant) {
			return d, &ReplyError{parts[i].Source, *r}
		}
	}
	for i, p := range parts {
		for _, h := range p.Contents() {
			if before, twice := seen[h]; twice {
				return d, &SourceError{p.Source, problem.New("parts %d and %d have the same contents", before, p.Number)}
			}
		}
		for _, h := range p.Contents() {
			seen[h] = p.Number
		}
		// What is no declaration at all is said before its application is asked.
		if d.Application == "" && !s.SkipChecks {
			if _, err := s.check("", &parts[i]); err != nil {
				return d, err
			}
		}
		if d.Application == "" {
			if d.Application, err = ApplicationOf(parts[i:]...); err != nil {
				return d, err
			}
		}
		warnings, err := s.check(d.Application, &parts[i])
		o.Warnings = append(o.Warnings, warnings...)
		if err != nil {
			return d, err
		}
		d.Parts = append(d.Parts, p.Part)
	}
	return d, nil
}

// sent are the codes of those applications that are sent.
func sent(list []naming.Application) (codes []string) {
	for _, a := range list {
		if a.Direction == naming.Sent {
			codes = append(codes, a.Code)
		}
	}
	return codes
}

// Preview prepares the jobs without keeping anything, and says what would
// become of them. preview is asked for the names.
func (s *Submitter) Preview(ctx context.Context, jobs []Job, preview func(context.Context, []Draft) []Reserved) []JobResult {
	outcomes := make([]JobResult, len(jobs))
	var at []int
	var drafts []Draft
	for i := range jobs {
		outcomes[i].Job = jobs[i]
		d, err := s.prepare(ctx, &outcomes[i])
		if outcomes[i].Err = err; err == nil {
			at, drafts = append(at, i), append(drafts, d)
		}
	}
	taken := contents{}
	for n, r := range preview(ctx, drafts) {
		o, d := &outcomes[at[n]], drafts[n]
		if first, part, both := taken.in(d); both {
			s.refuseDuplicate(o, &outcomes[first], d, part)
			continue
		}
		if s.take(o, d.Spool, r) {
			taken.add(d, at[n])
		}
		if r.Err == nil { // otherwise it is gone already
			o.Err = errors.Join(o.Err, s.Spool.Drop(d.Spool))
		}
	}
	return outcomes
}

// FileNameError is a name that does not fit what the file is to be sent as.
type FileNameError struct {
	Path string
	Err  error
}

func (e *FileNameError) Error() string { return e.Err.Error() }

// Unwrap gives what is wrong with the name.
func (e *FileNameError) Unwrap() error { return e.Err }
