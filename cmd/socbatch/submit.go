package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// submitOptions are what a person decides about a submission.
type submitOptions struct {
	files       []string
	environment string
	application string
	parts       bool
	dryRun      bool
	sign        bool
	skipChecks  bool
	crlf        bool
	strict      bool
	resubmit    bool
	reason      string
	wait        time.Duration
	lockWait    time.Duration
	settle      time.Duration
	settleSet   bool
	pause       time.Duration
}

func newSubmitCmd(a *app, run func(context.Context, *app, submitOptions) error) *cobra.Command {
	var o submitOptions
	cmd := &cobra.Command{
		Use:   "submit FILE…|DIR…",
		Short: "Sign, name and send declarations",
		Long: `Sign, name and send declarations.

Each FILE is a declaration of its own; with --parts the files are the parts of
one, in the order given. The application is found from the root element of the
file, and from Identification in its forms where the root element is that of
several. A file that is already named FI.… keeps its name.

Of a DIR every file that is ready is sent, in the order of the names, and moved
to DIR/sent or DIR/failed, with a note beside it that says what happened. What
could not be sent for another reason than the file itself stays.

A reply of the social security is never sent, not even with --skip-checks: it
holds data of other people. Only --app with the application of that reply sends
it all the same; an application in the configuration of a directory does not.

Nothing is sent twice: a file whose contents were sent before is refused with
exit code 7, and a run that broke off goes on where it stopped when the same
command is given again.`,
		Example: `  socbatch submit --env T dimona.xml
  socbatch submit --env R --parts dmfa-1.xml dmfa-2.xml --wait 10m
  socbatch submit --env R --dry-run *.xml
  socbatch submit --env T outgoing`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			o.settleSet = cmd.Flags().Changed("settle")
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "environment: R production, T test, S DmfA declaration test")
	f.StringVarP(&o.application, "app", "a", "", "application `CODE`, such as DMFA (default: from the file itself)")
	f.BoolVar(&o.parts, "parts", false, "the files are the parts of one declaration")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "show names, folder, signature and checks, and touch nothing")
	f.BoolVar(&o.sign, "sign", false, "sign also where no signature is asked for (T, S)")
	f.BoolVar(&o.skipChecks, "skip-checks", false, "send also what the server is known to refuse")
	f.BoolVar(&o.crlf, "crlf", false, "sign and send a copy in which every line ends in CR LF")
	f.BoolVar(&o.resubmit, "resubmit", false, "send contents again that were sent before; needs --reason")
	f.StringVar(&o.reason, "reason", "", "why, for the ledger")
	f.DurationVarP(&o.wait, "wait", "w", 0, "stay until the answers are there, at most `TIME` (such as 10m)")
	f.BoolVar(&o.strict, "strict", false, "with --wait: remarks on an accepted declaration are exit code 6 too")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	f.DurationVar(&o.settle, "settle", 0, "a file must not have changed for `TIME` (default 2s)")
	f.DurationVar(&o.pause, "settle-pause", 10*time.Second, "`TIME` between two looks at a set whose outcome is unknown")
	a.p12Flags(f)
	a.connectionFlags(cmd)
	a.metricsFlag(cmd)
	return cmd
}

// submission is a submit command that has been thought through.
type submission struct {
	options  submitOptions
	config   config.Config
	env      naming.Environment
	jobs     []inbox.Job
	identity *sign.Identity
	text     sign.TextForm
	meant    string // the application that --app names, of which a directory may have another
	toMove   bool   // the files are to be moved afterwards
	settled  bool   // what earlier runs left unknown was looked at
}

func runSubmit(ctx context.Context, a *app, o submitOptions) error {
	a.ui.events = a.ui.events || o.wait > 0
	if slices.ContainsFunc(o.files, isDir) {
		return submitDirs(ctx, a, o)
	}
	s, err := planSubmit(ctx, a, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		return dryRun(ctx, a, s)
	}
	return send(ctx, a, s)
}

// newSubmission checks what does not depend on the files.
func newSubmission(a *app, o submitOptions) (*submission, error) {
	c, err := a.needSender()
	if err != nil {
		return nil, err
	}
	if a.touchNothing = o.dryRun; !o.dryRun {
		a.watch("submit", c)
	}
	s := &submission{options: o, config: c, meant: o.application}
	if o.resubmit && strings.TrimSpace(o.reason) == "" {
		return nil, usagef("--resubmit needs a reason for the ledger: --reason \"…\"")
	}
	if !o.resubmit && o.reason != "" {
		return nil, usagef("--reason goes with --resubmit")
	}
	if o.strict && o.wait <= 0 {
		return nil, usagef("--strict goes with --wait: without it no answer is looked at")
	}
	if err := checkApplication(a, o.application); err != nil {
		return nil, err
	}
	return s, a.openSchemas(c)
}

// to sets where the submission goes.
func (s *submission) to(a *app, env naming.Environment) {
	s.env = env
	if a.watched != nil {
		a.watched.environments = []naming.Environment{env}
	}
}

// planSubmit decides everything that can be decided before anything is touched.
func planSubmit(ctx context.Context, a *app, o submitOptions) (*submission, error) {
	s, err := newSubmission(a, o)
	if err != nil {
		return nil, err
	}
	c := s.config
	if s.jobs, err = inbox.Plan(o.files, o.parts); err != nil {
		return nil, &failure.UsageError{Err: err}
	}
	env, err := environmentOf(o.environment, c, s.jobs)
	if err != nil {
		return nil, err
	}
	s.to(a, env)
	for _, j := range s.jobs {
		if err := fitsNamed(j, c, s.env, o.application, naming.DateOf(a.now())); err != nil {
			return nil, err
		}
	}
	for _, f := range o.files {
		if _, err := inbox.CheckSource(f, c.Declaration.MaxSize); err != nil {
			return nil, err
		}
	}
	if err := s.loadIdentity(ctx, a); err != nil {
		return nil, err
	}
	return s, inbox.Settled(ctx, o.files, s.settleTime())
}

// settleTime is for how long a file must not have changed.
func (s *submission) settleTime() time.Duration {
	if s.options.settleSet {
		return s.options.settle
	}
	return time.Duration(s.config.Declaration.Settle)
}

// loadIdentity opens the certificate where a signature is asked for.
func (s *submission) loadIdentity(ctx context.Context, a *app) (err error) {
	c := s.config
	if s.text, err = textForm(c); err != nil {
		return err
	}
	if !s.env.RequiresSignature() && !s.options.sign && !c.Identity.SignAlways {
		return nil
	}
	if s.identity, err = a.identity(ctx, c); err == nil && s.identity == nil {
		err = credentialf(text("put p12 = \"FILE\" under [identity] in the configuration, or give --p12"),
			"environment %s needs a signature and no certificate is configured; nothing was sent", s.env)
	}
	return err
}

// environmentOf decides the environment. Production is never a default.
func environmentOf(flag string, c config.Config, jobs []inbox.Job) (naming.Environment, error) {
	if flag != "" {
		env, err := naming.ParseEnvironment(strings.ToUpper(flag))
		if err != nil {
			return "", &failure.UsageError{Err: err}
		}
		return env, nil
	}
	for _, j := range jobs {
		if j.Named != nil && j.Named.Environment == naming.Production {
			return "", usagef("the files are named for production: say so with --env R; nothing was sent")
		}
		if j.Named != nil {
			return j.Named.Environment, nil
		}
	}
	if c.Environment == "" {
		return "", usagef("which environment? give --env T for a test, --env R for production; nothing was sent")
	}
	return naming.Environment(c.Environment), nil
}

// fitsNamed compares a name that a file already has with everything else.
func fitsNamed(j inbox.Job, c config.Config, env naming.Environment, application string, today naming.Date) error {
	n := j.Named
	switch {
	case n == nil:
		return nil
	case n.Environment != env:
		return usagef("%s is named for environment %s and was to go to %s; nothing was sent", j.Files[0], n.Environment, env)
	case n.Sender != c.Sender:
		return usagef("%s is named for sender %s and you are %s (ACRF-108); nothing was sent", j.Files[0], n.Sender, c.Sender)
	case application != "" && n.Application != application:
		return usagef("%s is named for application %s and was to go as %s; nothing was sent", j.Files[0], n.Application, application)
	case n.Date > today:
		return usagef("%s is dated %s and today is %s (ACRF-111): rename it, or set the clock right; nothing was sent", j.Files[0], n.Date, today)
	}
	return nil
}

func (s *submission) submitter(a *app, spool *inbox.Spool, l inbox.Ledger) *inbox.Submitter {
	sub := &inbox.Submitter{
		Spool: spool, Ledger: l, Sender: s.config.Sender, Environment: s.env, Application: s.options.application, Meant: s.meant,
		Freeze: inbox.FreezeOptions{
			Identity: s.identity, Sign: sign.Options{IncludeChain: s.config.Identity.IncludeChain}, Text: s.text,
			MaxSize: s.config.Declaration.MaxSize, CRLF: s.options.crlf, Now: a.now(),
		},
		SkipChecks: s.options.skipChecks, Again: s.options.resubmit, Reason: s.options.reason, ToMove: s.toMove, Now: a.now,
	}
	if a.schemas != nil {
		sub.Freeze.Validate = func(ctx context.Context, location string, doc io.Reader) ([]declaration.Fault, error) {
			faults, _, err := compareWith(ctx, a.schemas, location, doc, false)
			return faults, err
		}
	}
	if s.identity != nil {
		sub.SignedBy = sign.Describe(s.identity.Certificate()).Owner
	}
	return sub
}

// dryRun shows what would be sent.
func dryRun(ctx context.Context, a *app, s *submission) error {
	outcomes, err := s.preview(ctx, a)
	if err != nil {
		return err
	}
	return s.endDryRun(a, results{outcomes: outcomes})
}

func (s *submission) endDryRun(a *app, r results) error {
	a.ui.say("dry run: nothing was sent, and nothing was written to the ledger")
	return finish(a, s, r, nil, true)
}

// preview prints what would be sent. It works in a temporary directory and on a
// transaction that is undone.
func (s *submission) preview(ctx context.Context, a *app) ([]inbox.JobResult, error) {
	dir, err := os.MkdirTemp("", "socbatch-dry-run-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path := filepath.Join(s.config.StateDir, "ledger.db")
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(dir, "ledger.db") // none yet, and none is made
	}
	l, err := ledger.Open(ctx, path, a.now)
	if err != nil {
		return nil, err
	}
	defer l.Close() //nolint:errcheck // nothing was written
	outcomes := s.submitter(a, inbox.NewSpool(dir, &a.disk), l).Preview(ctx, s.jobs, l.Preview)
	for _, o := range outcomes {
		printWarnings(a, o)
		if o.Err != nil {
			a.ui.problem(jobName(o.Job), o.Err)
			continue
		}
		printPreview(a, o)
	}
	return outcomes, nil
}

func printPreview(a *app, o inbox.JobResult) {
	set := o.Submission.Set
	if o.Resumed {
		a.ui.result("would go on with %s to %s", set, set.Inbox())
	} else {
		a.ui.result("would send %s to %s", set, set.Inbox())
	}
	for _, p := range o.Submission.Parts {
		a.ui.result("  %s  %d bytes, %s, from %s", set.FI(p.Number), p.Size, count(len(p.Forms), "%d form", "%d forms"), printable(p.Source))
		if p.SignSize > 0 {
			a.ui.result("  %s  signed by %s", set.FS(p.Number), printable(o.Submission.SignedBy))
		}
	}
	a.ui.result("  %s", set.GO())
}

// send delivers the jobs and says what became of them.
func send(ctx context.Context, a *app, s *submission) error {
	return s.underLock(ctx, a, func(l *ledger.Ledger, link *link) error {
		outcomes, err := s.deliver(ctx, a, l, link)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			printWarnings(a, o)
			printOutcome(a, o)
		}
		tidy(ctx, a, s.config, l)
		a.sealFinished(ctx, s.config, l, "socbatch submit", nil, len(outcomes))
		return s.waitAndFinish(ctx, a, l, link, results{outcomes: outcomes})
	})
}

// underLock does work under the lock of the sender and environment, with
// credentials, a ledger and a clock that can be relied on.
func (s *submission) underLock(ctx context.Context, a *app, work func(*ledger.Ledger, *link) error) (err error) {
	c := s.config
	link, err := a.newLink(ctx, c)
	if err != nil {
		return err
	}
	defer link.drop()
	held, err := lock.Acquire(ctx, filepath.Join(c.StateDir, "locks"), "send-"+c.Sender+"-"+string(s.env), "socbatch submit", s.options.lockWait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := checkClock(ctx, a, l); err != nil {
		return err
	}
	return work(l, link)
}

// deliver sends the jobs, and gives what became of each. The error says that
// nothing was sent at all.
func (s *submission) deliver(ctx context.Context, a *app, l *ledger.Ledger, link *link) ([]inbox.JobResult, error) {
	c := s.config
	var total int64
	for _, j := range s.jobs {
		for _, f := range j.Files {
			if info, err := os.Stat(f); err == nil {
				total += info.Size()
			}
		}
	}
	bar := a.ui.progress("sending", a.ui.text("sending"), total, true)
	spool := inbox.NewSpool(filepath.Join(c.StateDir, "spool"), &a.disk)
	submitter := s.submitter(a, spool, l)
	var mu sync.Mutex
	submitter.Deliverer = func(ctx context.Context) (*inbox.Deliverer, error) {
		session, err := link.open(ctx)
		if err != nil {
			return nil, err
		}
		d := inbox.NewDeliverer(session, l, spool, inbox.Options{
			Parallel: c.Endpoint.Parallel, Pause: s.options.pause,
			Observe: func(e inbox.Event) {
				mu.Lock()
				defer mu.Unlock()
				a.log.Debug(string(e.Kind), "set", e.Set.String(), "file", e.File, "bytes", e.Size)
				if strings.HasPrefix(e.File, string(naming.FI)) {
					bar.add(e.Size)
				}
			},
		})
		if s.settled {
			return d, nil
		}
		return d, settleLeft(ctx, a, l, d, c.Sender, s.env)
	}
	outcomes, err := submitter.Run(ctx, s.jobs)
	bar.done()
	if err != nil {
		return nil, err
	}
	for i := range outcomes {
		if sub := &outcomes[i].Submission; sub.ID != 0 { // with its times and its note
			if now, err := l.Submission(context.WithoutCancel(ctx), sub.ID); err == nil {
				*sub = now
				var already *inbox.AlreadyError
				if errors.As(outcomes[i].Err, &already) && already.Existing.ID == now.ID {
					already.Existing = now
				}
			}
		}
		if sub := outcomes[i].Submission; outcomes[i].Err == nil {
			a.ui.event("submission", map[string]any{"submission": submissionJSON(sub)})
		}
	}
	return outcomes, nil
}

// waitAndFinish waits for the answers where that was asked for, prints the
// JSON and decides the exit code.
func (s *submission) waitAndFinish(ctx context.Context, a *app, l *ledger.Ledger, link *link, r results) (err error) {
	var answers []inbox.Submission
	if s.options.wait > 0 && ctx.Err() == nil {
		if answers, err = s.await(ctx, a, l, r.outcomes, link); err != nil {
			return err
		}
	}
	return finish(a, s, r, answers, false)
}

// tidy removes what runs that were killed left: frozen copies that have no name
// yet, and halves of small files. A day is longer than any run takes for these.
func tidy(ctx context.Context, a *app, c config.Config, l *ledger.Ledger) {
	before := a.now().Add(-24 * time.Hour)
	stateDir := c.StateDir
	spool := inbox.NewSpool(filepath.Join(stateDir, "spool"), &a.disk)
	left, err := spool.Abandoned(before, func() (map[string]bool, error) { return l.Spools(ctx) })
	for _, name := range left {
		err = errors.Join(err, spool.Drop(name))
	}
	err = errors.Join(err, a.disk.Sweep(stateDir, durable.NewPrefix, before), a.disk.Sweep(stateDir, hostkey.NewPrefix, before))
	if len(left) > 0 || err != nil {
		a.log.Debug("what killed runs left is removed", "copies", len(left), "error", err)
	}
}

// settleLeft looks what became of sets whose outcome an earlier run left
// unknown, and says so. What cannot be settled now stays for resume.
func settleLeft(ctx context.Context, a *app, l *ledger.Ledger, d *inbox.Deliverer, sender string, env naming.Environment) error {
	left, err := l.Submissions(ctx, ledger.Filter{Sender: sender, Environment: env, States: []inbox.State{inbox.Unknown}})
	if err != nil || len(left) == 0 {
		return err
	}
	a.ui.say("an earlier run broke off after GO: looking what became of %s", count(len(left), "%d set", "%d sets"))
	sets := make([]*inbox.Submission, len(left))
	for i := range left {
		sets[i] = &left[i]
	}
	err = d.Settle(ctx, sets)
	for _, s := range sets {
		if s.State != inbox.Unknown {
			a.ui.say("  %s: %s (%s)", s.Set, wording.State(s.State), wording.Note(s.Note))
		}
	}
	if err != nil && (transport.ClassOf(err) == transport.Temporary || transport.ClassOf(err) == transport.Cancelled) {
		return err
	}
	if err != nil {
		a.ui.warn("%s", explain(err).Message)
		a.ui.hint("settle them by hand, see: socbatch help mark-sent")
	}
	return nil
}

func jobName(j inbox.Job) string {
	files := jobFiles(j)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = printable(filepath.Base(f))
	}
	return strings.Join(names, " + ")
}

// jobFiles are the files as the person knows them.
func jobFiles(j inbox.Job) []string {
	if len(j.Sources) > 0 {
		return j.Sources
	}
	return j.Files
}

func printWarnings(a *app, o inbox.JobResult) {
	for _, w := range o.Warnings {
		a.ui.warn("%s", w)
	}
}

func printOutcome(a *app, o inbox.JobResult) {
	if onlyInterrupted(o.Err) { // which concerns all that follow
		if !a.toldInterrupted {
			a.ui.tell(failure.Hint(errorf("interrupted; what is not shown as sent was not sent"), text("run the same command again: it goes on where it stopped")))
		}
		a.toldInterrupted = true
		return
	}
	if o.Err != nil {
		a.ui.problem(jobName(o.Job), o.Err)
		for _, h := range explain(o.Err).Hints {
			a.ui.hint("%s", h)
		}
		return
	}
	s := o.Submission
	u := a.ui
	detail := u.in(count(len(s.Parts), "%d part", "%d parts"))
	if s.Signed() {
		detail += ", " + u.text("signed by %s", printable(s.SignedBy))
	} else {
		detail += ", " + u.text("not signed")
	}
	if o.Resumed {
		detail += ", " + u.text("finished what an earlier run began")
	}
	u.result("%s  %s  %s (%s) to %s", u.mark(string(s.State), u.in(wording.StateWord(s.State))), s.Set, jobName(o.Job), detail, s.Set.Inbox())
}

// onlyInterrupted reports whether nothing went wrong but that somebody ended the
// program, before a GO was sent.
func onlyInterrupted(err error) bool {
	var unknown *inbox.UnknownError
	return errors.Is(err, context.Canceled) && !errors.As(err, &unknown)
}

// results are what became of the files of a submission.
type results struct {
	outcomes []inbox.JobResult
	moved    [][]string // of each outcome, where its files are now; nil where they stay
	left     []jsonLeftFile
	errs     []error // what concerns no single file; told already
}

// jsonSent is what became of the files of one declaration.
type jsonSent struct {
	Files      []string        `json:"files"`
	MovedTo    []string        `json:"moved_to,omitempty"`
	Submission *jsonSubmission `json:"submission,omitempty"`
	Resumed    bool            `json:"resumed,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Error      *explanation    `json:"error,omitempty"`
}

func sentJSON(o inbox.JobResult, moved []string, sub inbox.Submission, err error) jsonSent {
	out := jsonSent{Files: jobFiles(o.Job), MovedTo: moved, Resumed: o.Resumed}
	for _, w := range o.Warnings {
		out.Warnings = append(out.Warnings, w.Error())
	}
	if sub.Set.Application != "" {
		out.Submission = submissionJSON(sub)
	}
	if err != nil {
		x := explain(err)
		out.Error = &x
	}
	return out
}

// movedOf gives where the files of an outcome are now.
func (r results) movedOf(i int) []string {
	if i < len(r.moved) {
		return r.moved[i]
	}
	return nil
}

// finish prints the JSON and decides the exit code.
func finish(a *app, s *submission, r results, answers []inbox.Submission, dry bool) error {
	latest := map[int64]inbox.Submission{}
	for _, x := range answers {
		latest[x.ID] = x
	}
	out := struct {
		DryRun      bool           `json:"dry_run,omitempty"`
		Submissions []jsonSent     `json:"submissions"`
		Left        []jsonLeftFile `json:"left,omitempty"`
		Error       *explanation   `json:"error,omitempty"`
	}{DryRun: dry, Submissions: []jsonSent{}, Left: r.left}
	var t tally
	for i, o := range r.outcomes {
		sub := o.Submission
		if x, ok := latest[sub.ID]; ok {
			sub = x
		}
		err := o.Err
		if err == nil && !dry && (s.options.wait > 0 || sub.State.NeedsPerson()) {
			err = answered(sub, s.options.strict)
		}
		t.Add(err)
		out.Submissions = append(out.Submissions, sentJSON(o, r.movedOf(i), sub, err))
	}
	for _, err := range r.errs {
		t.Add(err)
	}
	err := t.result(failure.Together)
	if err != nil {
		x := t.explain(failure.Together)
		out.Error = &x
	}
	a.ui.object(out)
	return err
}

// answered turns the state of a set that was waited for into an error, unless
// it is accepted; where strict, without remarks.
func answered(s inbox.Submission, strict bool) error {
	switch s.State {
	case inbox.AcceptedWithRemarks:
		if strict {
			return failure.New(failure.Refused, errorf("%s was accepted with remarks, and --strict was given", s.Set))
		}
		return nil
	case inbox.Accepted:
		return nil
	case inbox.Refused:
		return failure.New(failure.Refused, errorf("%s was refused", s.Set))
	case inbox.NameUsed:
		return failure.New(failure.Unknown, errorf("%s: somebody else delivered under this name, and whether it is processed is not known", s.Set))
	}
	return failure.New(failure.NoAnswer, errorf("%s has no final answer yet", s.Set))
}
