package inbox

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
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

// FaultsError lists what the server would refuse.
type FaultsError struct {
	Path   string
	Faults []declaration.Fault
}

func (e *FaultsError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *FaultsError) Said() (format string, args []any) { return e.problem().Said() }

func (e *FaultsError) problem() *problem.Error {
	var all []any
	for _, f := range e.Faults {
		one := problem.New("%s", f)
		if f.ID != "" {
			one = problem.New("%s: %s", f.ID, f)
		}
		all = append(all, one)
	}
	return problem.New(strings.TrimSuffix(strings.Repeat("%s; ", len(all)), "; "), all...)
}

// ApplicationError says that the application of a file is not known.
type ApplicationError struct {
	Path       string
	Root       string
	Candidates []string // several fit; empty: none is known
	// Identifications are the values in the forms, which choose none of the
	// candidates.
	Identifications []string
}

func (e *ApplicationError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *ApplicationError) Said() (format string, args []any) { return e.problem().Said() }

func (e *ApplicationError) problem() *problem.Error {
	last := len(e.Candidates) - 1
	if last < 1 {
		return problem.New("no application is known for the root element %s", e.Root)
	}
	fitting := problem.New("%s and %s", strings.Join(e.Candidates[:last], ", "), e.Candidates[last])
	if len(e.Identifications) > 0 {
		return problem.New("root element %s fits the applications %s, and Identification %s does not say which", e.Root, fitting, strings.Join(e.Identifications, ", "))
	}
	return problem.New("root element %s fits the applications %s", e.Root, fitting)
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

// contents says which job of a run has which contents. Whatever the ledger
// says of them, and also with Again, one run sends the same contents once.
type contents map[content]int

type content struct {
	application string
	hash        Hash
}

// duplicate is a job whose part has the contents of an earlier job that is sent.
type duplicate struct{ job, first, part int }

func (c contents) add(d Draft, job int) {
	for _, p := range d.Parts {
		for _, h := range p.Contents() {
			c[content{d.Application, h}] = job
		}
	}
}

// in gives the job that has contents of a draft, and which part has them.
func (c contents) in(d Draft) (job, part int, found bool) {
	for _, p := range d.Parts {
		for _, h := range p.Contents() {
			if job, found = c[content{d.Application, h}]; found {
				return job, p.Number, true
			}
		}
	}
	return 0, 0, false
}

func (s *Submitter) refuseDuplicate(o, first *JobResult, d Draft, part int) {
	o.Submission = first.Submission
	o.Err = errors.Join(
		&AlreadyError{Part: part, Existing: first.Submission, Same: sameContents(first.Submission.Parts, d.Parts)},
		s.Spool.Drop(d.Spool))
}

func sameContents(a, b []Part) bool {
	return slices.EqualFunc(a, b, func(a, b Part) bool { return a.Hash == b.Hash })
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

// ApplicationOf decides the application of a declaration by its first part's
// root element, and where that fits several by Identification in the forms: of
// the first part that has the root element and says it. It fails with
// *ApplicationError.
func ApplicationOf(parts ...Frozen) (string, error) {
	e := &ApplicationError{Path: parts[0].Source, Root: parts[0].Root}
	for _, p := range parts {
		if p.Root != e.Root {
			continue
		}
		fitting := sent(naming.ApplicationsFor(p.Root, p.Info.Codes()))
		if len(fitting) == 1 {
			return fitting[0], nil
		}
		if e.Candidates == nil {
			e.Candidates = fitting
		}
		e.Identifications = append(e.Identifications, p.Info.Codes()...)
	}
	if !slices.Equal(e.Candidates, sent(naming.ApplicationsForRoot(e.Root))) {
		e.Identifications = nil // they chose, if more than one
	}
	slices.Sort(e.Identifications)
	e.Identifications = slices.Compact(e.Identifications)
	return "", e
}

// check gives what a person should know of a part, and fails on what the
// server would refuse.
func (s *Submitter) check(application string, p *Frozen) (warnings []error, err error) {
	var serious []declaration.Fault
	for _, f := range p.Faults(application, s.Environment) {
		if f.Warning || s.SkipChecks {
			warnings = append(warnings, problem.New("%s: %s", p.Source, f))
		} else {
			serious = append(serious, f)
		}
	}
	if len(serious) > 0 {
		return warnings, &FaultsError{p.Source, serious}
	}
	if f, found := p.LineEndFault(); found && p.SignSize > 0 {
		warnings = append(warnings, problem.New("%s: %s", p.Source, f))
	}
	return warnings, nil
}

// otherForm is the error id of the server for forms of another type than the name
// of the file says.
const otherForm = "ACRF-158"

// Faults is what the server would refuse, or might, of a part of a set. The
// application and the environment may be empty: not known yet.
func (f *Frozen) Faults(application string, env naming.Environment) []declaration.Fault {
	faults := slices.Clone(f.Info.Faults)
	a, known := naming.LookupApplication(application)
	if known && f.Root != "" && !a.HasRoot(f.Root) {
		faults = append(faults, declaration.Fault{
			ID:      otherForm,
			Message: problem.New("the root element is %s and files of application %s have %s: check --app and the file", f.Root, application, strings.Join(a.Roots, " or ")),
		})
	} else if fault, found := f.identificationFault(a, known); found {
		faults = append(faults, fault)
	}
	if known && env != "" && !slices.Contains(a.Environments, env) {
		faults = append(faults, declaration.Fault{
			Message: problem.New("environment %s is not for files of application %s: send them to T for a test", env, application),
		})
	}
	return faults
}

// identificationFault compares Identification of the forms with each other and
// with the application. The office refuses forms of another type than the name of
// the file says (ACRF-158); the type is Identification where the root element is
// that of several applications. Where the root element says it already, it is not
// known whether the office looks at both.
func (f *Frozen) identificationFault(a naming.Application, known bool) (declaration.Fault, bool) {
	decided := naming.RootDecides(f.Root)
	if first, other, mixed := f.mixed(); mixed && !decided {
		return declaration.Fault{ID: otherForm, Line: other.Line, Message: problem.New(
			"line %d: Identification %s belongs to application %s, and that of an earlier form, %s, to %s: put the forms of each application into a separate file",
			other.Line, other.Value, applicationNamed(other), first.Value, applicationNamed(first))}, true
	}
	i := a.Foreign(f.Info.Codes())
	if !known || i < 0 {
		return declaration.Fault{}, false
	}
	v := f.Info.Identifications[i]
	of := applicationNamed(v)
	switch {
	case of == "":
		return declaration.Fault{}, false
	case decided:
		return declaration.Fault{ID: "ACRF-135", Warning: true, Line: v.Line, Message: problem.New(
			"line %d: Identification %s belongs to application %s, and the root element %s to %s: correct the one that is wrong", v.Line, v.Value, of, f.Root, a.Code)}, true
	}
	return declaration.Fault{ID: otherForm, Line: v.Line, Message: problem.New(
		"line %d: Identification %s belongs to application %s, not to %s: check --app and the file", v.Line, v.Value, of, a.Code)}, true
}

// Mixed reports whether the forms are known to be of several applications.
func (f *Frozen) Mixed() bool {
	_, _, mixed := f.mixed()
	return mixed
}

// mixed finds the first two values of Identification that are of different
// applications.
func (f *Frozen) mixed() (first, other declaration.Identification, found bool) {
	for _, v := range f.Info.Identifications {
		switch of := applicationNamed(v); {
		case of == "":
		case first.Value == "":
			first = v
		case of != applicationNamed(first):
			return first, v, true
		}
	}
	return first, other, false
}

// applicationNamed is the application of which a value of Identification is;
// empty where that is not known.
func applicationNamed(v declaration.Identification) string {
	code, _, _ := naming.LookupIdentification(v.Value)
	return code
}

// LineEndFault warns of line ends about which programs that check signatures
// disagree.
func (f *Frozen) LineEndFault() (declaration.Fault, bool) {
	if f.LineEnds.Clean() {
		return declaration.Fault{}, false
	}
	return declaration.Fault{ID: "ACRF-125", Warning: true, Message: problem.New(
		"not every line ends in CR LF (or it has NUL bytes), and some programs would check its signature over other bytes: --crlf makes a copy with CR LF before it is signed")}, true
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
