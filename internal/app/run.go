package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/naming"
)

// RunRequest asks to do everything that is to be done now.
type RunRequest struct {
	Config       config.Config
	Environments []string
	LockWait     time.Duration
	Pause        time.Duration // between two looks at a set whose outcome is unknown
	Sidecar      func(Sidecar) string
}

// RunResult is what was done, and what needs a person.
type RunResult struct {
	Environments []naming.Environment
	Resumed      []Resumed
	Files        []FileResult
	Left         []LeftFile
	Fetch        FetchResult
	Steps        []StepError
	Attention    Attention
	Sent, Aside  int // declarations
}

// StepError is a step that failed as a whole.
type StepError struct {
	Step        string             // resume, send, fetch, report
	Environment naming.Environment // empty: all
	Err         error
}

// Attention is what a person has to look after.
type Attention struct {
	PutAside   []AsideFiles       // files that are wrong
	Refused    []inbox.Submission // in this run
	NameUsed   []inbox.Submission // whose name somebody else used, also since earlier runs
	Unfinished int                // sets that are not known to be sent
	Late       int                // sets whose answer should have come
}

// AsideFiles are files in a directory for wrong ones.
type AsideFiles struct {
	Dir   string
	Files int
}

// cycle is one run of everything.
type cycle struct {
	*call
	request RunRequest
	ledger  ledger.Ledger
	link    *link
	tally   failure.Tally
	result  RunResult
}

// Run finishes what earlier runs began, sends what is ready in the outgoing
// directories, and fetches, for each environment. What goes wrong in one step does
// not hold up the others; the error is the most urgent of all.
func (a *App) Run(ctx context.Context, r RunRequest, o Observer) (res RunResult, err error) {
	c := a.call(r.Config, o)
	defer func() { c.end(ctx, res, err) }()
	if err := needSender(c.config); err != nil {
		return res, err
	}
	c.command = "run"
	envs, err := Environments(r.Environments, c.config)
	if err != nil {
		return res, err
	}
	slices.Sort(envs)
	envs = slices.Compact(envs)
	c.environments = envs
	schemas, err := OpenSchemas(c.config.Declaration.SchemaDir)
	if err != nil {
		return res, err
	}
	if schemas != nil {
		defer func() { err = errors.Join(err, schemas.Close()) }()
	}
	link, err := c.newLink(ctx)
	if err != nil {
		return res, err
	}
	link.once = true
	defer link.drop()
	l, err := a.OpenLedger(ctx, c.config)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	p := &cycle{call: c, request: r, ledger: l, link: link, result: RunResult{Environments: envs}}
	for _, env := range envs {
		p.send(ctx, &submission{call: c, request: SubmitRequest{Config: r.Config, Pause: r.Pause, Sidecar: r.Sidecar}, env: env, settled: true, schemas: schemas})
	}
	p.fetch(ctx)
	c.tidy(ctx, l)
	if err := p.attend(context.WithoutCancel(ctx)); err != nil {
		p.fail("report", "", err)
	}
	return p.result, Reported(p.tally.Result(failure.MostUrgent))
}

// fail notes that a step failed. The same broken connection is told once.
func (p *cycle) fail(step string, env naming.Environment, err error) {
	p.tally.Add(err)
	p.result.Steps = append(p.result.Steps, StepError{step, env, err})
	if !p.link.reportedBefore(err) {
		p.event(StepFailed{err})
	}
}

// send finishes what earlier runs began in an environment, and sends what lies in
// its directories, under its lock.
func (p *cycle) send(ctx context.Context, s *submission) {
	if ctx.Err() != nil {
		return
	}
	env := s.env
	held, err := p.lock(ctx, SendLock(p.config.Sender, env), p.request.LockWait)
	if err != nil {
		p.fail("send", env, err)
		return
	}
	defer func() {
		if err := held.Release(); err != nil {
			p.fail("send", env, err)
		}
	}()
	if err := p.CheckClock(ctx, p.ledger); err != nil {
		p.fail("send", env, err)
		return
	}
	if err := p.resume(ctx, env); err != nil {
		p.fail("resume", env, err)
	}
	e := &directorySubmitter{submission: s, ledger: p.ledger, link: p.link}
	for _, o := range p.config.Outgoing {
		if o.Environment != string(env) || ctx.Err() != nil {
			continue
		}
		if err := e.directory(ctx, o); err != nil {
			p.fail("send", env, err)
		}
	}
	p.result.Left = append(p.result.Left, e.left...)
	for _, f := range e.files {
		f.Latest, f.Final = f.Submission, f.Err
		p.tally.Add(f.Err)
		p.result.Files = append(p.result.Files, f)
		switch {
		case f.Err == nil:
			p.result.Sent++
		case f.Moved != nil:
			p.result.Aside++
		}
	}
}

// resume finishes what earlier runs began.
func (p *cycle) resume(ctx context.Context, env naming.Environment) error {
	left, err := unfinished(ctx, p.ledger, p.config.Sender, env)
	if err != nil || len(left) == 0 {
		return err
	}
	d, err := p.link.deliverer(ctx, p.ledger, p.request.Pause)
	if err != nil {
		return err
	}
	for _, r := range p.finishLeft(ctx, p.ledger, d, left) {
		p.link.doubt(r.Err)
		p.tally.Add(r.Err)
		p.result.Resumed = append(p.result.Resumed, r)
	}
	return nil
}

// fetch stores the replies of all environments.
func (p *cycle) fetch(ctx context.Context) {
	if err := ctx.Err(); err != nil {
		p.fail("fetch", "", err)
		return
	}
	session, err := p.link.open(ctx)
	if err == nil {
		p.result.Fetch, err = p.fetchOnce(ctx, p.ledger, session, p.environments, FetchRequest{LockWait: p.request.LockWait})
	}
	if err != nil {
		p.fail("fetch", "", err)
	}
	t := p.result.Fetch.Tally()
	p.tally.Classes = append(p.tally.Classes, t.Classes...)
	if t.First != nil {
		p.tally.Add(t.First)
	}
}

// attend finds what needs a person.
func (p *cycle) attend(ctx context.Context) error {
	n := &p.result.Attention
	for _, s := range answeredSets(p.result.Fetch.Read) {
		if s.State == inbox.Refused {
			n.Refused = append(n.Refused, s)
		}
	}
	for _, env := range p.environments {
		open, err := p.ledger.Submissions(ctx, ledger.Filter{Sender: p.config.Sender, Environment: env, States: OpenStates()})
		if err != nil {
			return err
		}
		for _, s := range open {
			if s.State.NeedsPerson() {
				n.NameUsed = append(n.NameUsed, s)
			}
			if s.State.Unfinished() {
				n.Unfinished++
			}
			if p.Late(p.config, s) != inbox.InTime {
				n.Late++
			}
		}
	}
	for _, o := range p.config.Outgoing {
		if !slices.Contains(p.environments, naming.Environment(o.Environment)) {
			continue
		}
		d := outgoing.New(o.Dir, p.Disk)
		if k, err := d.Count(outgoing.Failed); err == nil && k > 0 { // what is wrong with the directory was told
			n.PutAside = append(n.PutAside, AsideFiles{d.Place(outgoing.Failed), k})
		}
	}
	return nil
}

// Late tells whether the answer to a set should have come.
func (a *App) Late(c config.Config, s inbox.Submission) inbox.Lateness {
	return s.Late(a.Now(), inbox.Patience{Receipt: time.Duration(c.Status.ReceiptAfter), Notification: time.Duration(c.Status.NotificationAfter)})
}

// OpenStates are those of sets that are not done with.
func OpenStates() []inbox.State {
	var open []inbox.State
	for _, s := range inbox.States() {
		if !s.Final() || s.NeedsPerson() {
			open = append(open, s)
		}
	}
	return open
}
