package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/naming"
)

type runOptions struct {
	environments []string
	lockWait     time.Duration
	pause        time.Duration
}

func newRunCmd(a *app, run func(context.Context, *app, runOptions) error) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Do everything that is to be done now, for cron and timers",
		Long: `Do everything that is to be done now, for cron and timers.

For each environment: what an earlier run left open is finished, what is ready in
the outgoing directories of the configuration is sent and moved, and the replies
are brought home. At the end it says what needs a person.

What goes wrong in one step does not hold up the others. The exit code is the
most urgent of all.`,
		Example: `  socbatch run --env R
  socbatch run --env R,T --quiet`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.environments, "env", "e", nil, "environments: R, T, S; several with commas (default: as configured, never R)")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	f.DurationVar(&o.pause, "settle-pause", 10*time.Second, "`TIME` between two looks at a set whose outcome is unknown")
	a.p12Flags(f)
	a.connectionFlags(cmd)
	a.metricsFlag(cmd)
	return cmd
}

// pass is one run of everything.
type pass struct {
	app          *app
	options      runOptions
	config       config.Config
	environments []naming.Environment
	ledger       *ledger.Ledger
	link         *link
	tally        tally
	out          jsonRun
	sent, aside  int
	refused      []inbox.Submission
	disputed     []inbox.Submission // whose name somebody else used, also since earlier runs
}

// jsonRun is what run prints with --json.
type jsonRun struct {
	Environments []string       `json:"environments"`
	Resumed      []jsonResumed  `json:"resumed"`
	Submissions  []jsonSent     `json:"submissions"`
	Left         []jsonLeftFile `json:"left"`
	Fetch        jsonFetch      `json:"fetch"`
	Attention    jsonAttention  `json:"attention"`
	Errors       []jsonStep     `json:"errors"`
	Error        *explanation   `json:"error,omitempty"`
}

type jsonResumed struct {
	Submission *jsonSubmission `json:"submission"`
	Error      *explanation    `json:"error,omitempty"`
}

// jsonStep is a step that failed as a whole.
type jsonStep struct {
	Step        string      `json:"step"` // resume, send, fetch
	Environment string      `json:"environment,omitempty"`
	Error       explanation `json:"error"`
}

// jsonAttention counts what a person has to look after.
type jsonAttention struct {
	PutAside   int `json:"put_aside"`  // files in failed
	Refused    int `json:"refused"`    // sets, in this run
	Unfinished int `json:"unfinished"` // sets that are not known to be sent
	Late       int `json:"late"`       // sets whose answer should have come
	NameUsed   int `json:"name_used"`  // sets whose name somebody else used
}

func runPass(ctx context.Context, a *app, o runOptions) (err error) {
	c, err := a.needSender()
	if err != nil {
		return err
	}
	a.watch("run", c)
	envs, err := fetchEnvironments(o.environments, c)
	if err != nil {
		return err
	}
	slices.Sort(envs)
	envs = slices.Compact(envs)
	a.watched.environments = envs
	if err := a.openSchemas(c); err != nil {
		return err
	}
	link, err := a.newLink(ctx, c)
	if err != nil {
		return err
	}
	link.once = true
	defer link.drop()
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	p := &pass{
		app: a, options: o, config: c, environments: envs, ledger: l, link: link,
		out: jsonRun{Resumed: []jsonResumed{}, Submissions: []jsonSent{}, Left: []jsonLeftFile{}, Errors: []jsonStep{}},
	}
	for _, env := range envs {
		p.out.Environments = append(p.out.Environments, string(env))
		p.send(ctx, env)
	}
	fetched := p.fetch(ctx)
	tidy(ctx, a, c, l)
	if err := p.report(context.WithoutCancel(ctx), fetched); err != nil {
		p.fail("report", "", err)
	}
	return p.finish()
}

// fail notes that a step failed. The same broken connection is told once.
func (p *pass) fail(step string, env naming.Environment, err error) {
	p.tally.Add(err)
	p.out.Errors = append(p.out.Errors, jsonStep{step, string(env), explain(err)})
	if !p.link.toldAlready(err) {
		p.app.ui.tell(err)
	}
}

// send finishes what earlier runs began in an environment, and empties its
// directories, under its lock.
func (p *pass) send(ctx context.Context, env naming.Environment) {
	if ctx.Err() != nil {
		return
	}
	held, err := lock.Acquire(ctx, filepath.Join(p.config.StateDir, "locks"), "send-"+p.config.Sender+"-"+string(env), "socbatch run", p.options.lockWait)
	if err != nil {
		p.fail("send", env, err)
		return
	}
	defer func() {
		if err := held.Release(); err != nil {
			p.fail("send", env, err)
		}
	}()
	if err := checkClock(ctx, p.app, p.ledger); err != nil {
		p.fail("send", env, err)
		return
	}
	if err := p.resume(ctx, env); err != nil {
		p.fail("resume", env, err)
	}
	e := &emptying{
		app: p.app, ledger: p.ledger, link: p.link,
		base: &submission{options: submitOptions{pause: p.options.pause}, config: p.config, env: env, settled: true},
	}
	for _, o := range p.config.Outgoing {
		if o.Environment != string(env) || ctx.Err() != nil {
			continue
		}
		if err := e.directory(ctx, o); err != nil {
			p.fail("send", env, err)
		}
	}
	p.out.Left = append(p.out.Left, e.left...)
	for i, x := range e.outcomes {
		p.tally.Add(x.Err)
		p.out.Submissions = append(p.out.Submissions, sentJSON(x, e.movedOf(i), x.Submission, x.Err))
		switch {
		case x.Err == nil:
			p.sent++
		case e.movedOf(i) != nil:
			p.aside++
		}
	}
}

// resume finishes what earlier runs began.
func (p *pass) resume(ctx context.Context, env naming.Environment) error {
	left, err := unfinished(ctx, p.ledger, p.config.Sender, env)
	if err != nil || len(left) == 0 {
		return err
	}
	session, err := p.link.open(ctx)
	if err != nil {
		return err
	}
	d := inbox.NewDeliverer(session, p.ledger, inbox.NewSpool(filepath.Join(p.config.StateDir, "spool"), &p.app.disk),
		inbox.Options{Parallel: p.config.Endpoint.Parallel, Pause: p.options.pause})
	for _, f := range finishLeft(ctx, p.app, p.ledger, d, left) {
		p.link.doubt(f.err)
		p.tally.Add(f.err)
		r := jsonResumed{Submission: submissionJSON(f.set)}
		if f.err != nil {
			x := explain(f.err)
			r.Error = &x
		}
		p.out.Resumed = append(p.out.Resumed, r)
	}
	return nil
}

// fetch brings the replies of all environments home.
func (p *pass) fetch(ctx context.Context) fetched {
	var got fetched
	p.out.Fetch = fetchJSON(got)
	if err := ctx.Err(); err != nil {
		p.fail("fetch", "", err)
		return got
	}
	session, err := p.link.open(ctx)
	if err == nil {
		got, err = fetchOnce(ctx, p.app, p.config, p.ledger, session, p.environments, fetchOptions{lockWait: p.options.lockWait})
	}
	if err != nil {
		p.fail("fetch", "", err)
	}
	t, _ := got.tally()
	p.tally.Classes = append(p.tally.Classes, t.Classes...)
	if t.First != nil {
		p.tally.Add(t.First)
	}
	p.out.Fetch = fetchJSON(got)
	return got
}

// report says what was done, and what needs a person.
func (p *pass) report(ctx context.Context, got fetched) error {
	n := &p.out.Attention
	seen := map[int64]bool{}
	for _, r := range got.read {
		for _, s := range r.Submissions {
			if s.State == inbox.Refused && !seen[s.ID] {
				seen[s.ID] = true
				p.refused = append(p.refused, s)
			}
		}
	}
	n.Refused = len(p.refused)
	for _, env := range p.environments {
		open, err := p.ledger.Submissions(ctx, ledger.Filter{Sender: p.config.Sender, Environment: env, States: statusOptions{open: true}.states()})
		if err != nil {
			return err
		}
		for _, s := range open {
			if s.State.NeedsPerson() {
				p.disputed = append(p.disputed, s)
				n.NameUsed++
			}
			if s.State.Unfinished() {
				n.Unfinished++
			}
			if late(p.app, p.config, s) != inbox.InTime {
				n.Late++
			}
		}
	}
	u := p.app.ui
	if p.sent+p.aside+len(got.read)+len(p.out.Resumed) == 0 && p.tally.First == nil {
		u.say("nothing to send, and nothing new")
	} else {
		u.say("%s sent, %s put aside, %s stored", count(p.sent, "%d declaration", "%d declarations"), count(p.aside, "%d declaration", "%d declarations"), count(len(got.read), "%d reply", "%d replies"))
	}
	tellNameUsed(p.app, p.disputed)
	for _, s := range p.refused {
		u.warn("%s was refused", s.Set)
		u.hintCodes(s.Note)
		u.hint("see the whole story: socbatch status %s", s.Set)
	}
	p.sayOpen()
	return nil
}

// sayOpen says what waits for a person since earlier runs, too.
func (p *pass) sayOpen() {
	u, n := p.app.ui, &p.out.Attention
	for _, o := range p.config.Outgoing {
		if !slices.Contains(p.environments, naming.Environment(o.Environment)) {
			continue
		}
		d := outgoing.New(o.Dir, &p.app.disk)
		if k, err := d.Count(outgoing.Failed); err == nil && k > 0 { // what is wrong with the directory was told
			n.PutAside += k
			u.say("for you: %s in %s, each with a note beside it", count(k, "%d file", "%d files"), printable(d.Place(outgoing.Failed)))
		}
	}
	if n.Unfinished > 0 {
		u.say("for you: %s not known to be sent; the next run tries again", count(n.Unfinished, "%d declaration", "%d declarations"))
	}
	if n.Late > 0 {
		u.say("for you: %s whose answer is late; see them with: socbatch status --late", count(n.Late, "%d declaration", "%d declarations"))
	}
}

// finish prints the JSON and decides the exit code.
func (p *pass) finish() error {
	err := p.tally.result(failure.MostUrgent)
	if err != nil {
		x := p.tally.explain(failure.MostUrgent)
		p.out.Error = &x
	}
	p.app.ui.object(p.out)
	return err
}
