package app

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/schema"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// SubmitRequest asks to send declarations.
type SubmitRequest struct {
	Config config.Config
	// Files are declarations, each of its own, or with Parts the parts of one;
	// or directories, of which everything that is ready is sent and moved.
	Files []string
	Parts bool
	// Environment is R, T or S; empty: that of named files, else the configured
	// one, but never production.
	Environment string
	Application string // empty: found from the file itself
	Sign        bool   // also where no signature is asked for
	SkipChecks  bool
	CRLF        bool
	// Resubmit sends contents again that were sent before, for a reason.
	Resubmit bool
	Reason   string
	// Wait is how long to wait for the answers; 0: not at all. Strict counts
	// remarks on an accepted declaration as a refusal.
	Wait   time.Duration
	Strict bool

	LockWait time.Duration
	Settle   *time.Duration // for how long a file must not have changed; nil: as configured
	Pause    time.Duration  // between two looks at a set whose outcome is unknown
	// Sidecar is the text beside a file of a directory that was moved.
	Sidecar func(Sidecar) string
}

// Sidecar is what there is to say of a file that was moved.
type Sidecar struct {
	Environment naming.Environment
	Dir         string // the directory in which it was
	Result      inbox.JobResult
	File        string // as it was
	As          string // its name now
}

// SubmitResult is what became of the files.
type SubmitResult struct {
	Files    []FileResult
	Left     []LeftFile
	Previews bool // nothing was sent
}

// FileResult is what became of the files of one declaration.
type FileResult struct {
	inbox.JobResult
	Moved []string // where the files are now; nil where they stay
	// Latest is the set as it is now, and Final what is wrong with it, also where
	// it was sent well.
	Latest inbox.Submission
	Final  error
}

// LeftFile is a file that was left in its directory.
type LeftFile struct {
	Dir, Name, Reason string
}

// submission is a request that has been thought through.
type submission struct {
	*call
	request     SubmitRequest
	env         naming.Environment
	jobs        []inbox.Job
	identity    *sign.Identity
	text        sign.TextForm
	application string // of what is sent now: that of a directory may differ
	schemas     *schema.Dir
	rehearsal   bool
	toMove      bool // the files are to be moved afterwards
	settled     bool // what earlier runs left unknown was looked at
}

// results are what became of the files of a submission.
type results struct {
	files []FileResult
	left  []LeftFile
	errs  []error // what concerns no single file; told already
}

// Submit sends declarations and gives what became of each. The error is that of
// the whole: of class failure.Partly where some went and others did not.
func (a *App) Submit(ctx context.Context, r SubmitRequest, o Observer) (res SubmitResult, err error) {
	c := a.call(r.Config, o)
	defer func() { c.end(ctx, res, err) }()
	return c.submit(ctx, r, false)
}

// Preview gives what Submit would do. It works in a temporary directory and on a
// transaction that is undone, and touches nothing.
func (a *App) Preview(ctx context.Context, r SubmitRequest, o Observer) (res SubmitResult, err error) {
	c := a.call(r.Config, o)
	defer func() { c.event(Finished{res, err}) }()
	return c.submit(ctx, r, true)
}

func (c *call) submit(ctx context.Context, r SubmitRequest, rehearsal bool) (res SubmitResult, err error) {
	s, err := c.newSubmission(r, rehearsal)
	if s != nil && s.schemas != nil {
		defer func() { err = errors.Join(err, s.schemas.Close()) }()
	}
	if err != nil {
		return res, err
	}
	if slices.ContainsFunc(r.Files, isDir) {
		return s.directories(ctx)
	}
	if err := s.plan(ctx); err != nil {
		return res, err
	}
	if rehearsal {
		outcomes, err := s.preview(ctx)
		if err != nil {
			return res, err
		}
		return s.finish(resultsOf(outcomes), nil)
	}
	return s.send(ctx)
}

// newSubmission checks what does not depend on the files.
func (c *call) newSubmission(r SubmitRequest, rehearsal bool) (*submission, error) {
	if err := needSender(c.config); err != nil {
		return nil, err
	}
	if !rehearsal {
		c.command = "submit"
	}
	s := &submission{call: c, request: r, application: r.Application, rehearsal: rehearsal}
	switch {
	case r.Resubmit && strings.TrimSpace(r.Reason) == "":
		return nil, usagef("--resubmit needs a reason for the ledger: --reason \"…\"")
	case !r.Resubmit && r.Reason != "":
		return nil, usagef("--reason goes with --resubmit")
	case r.Strict && r.Wait <= 0:
		return nil, usagef("--strict goes with --wait: without it no answer is looked at")
	}
	doubt, err := CheckApplication(r.Application)
	if err != nil {
		return nil, err
	}
	if doubt != nil {
		c.event(Warned{*doubt})
	}
	s.schemas, err = OpenSchemas(c.config.Declaration.SchemaDir)
	return s, err
}

// CheckApplication refuses what cannot be the code of an application, and gives
// a doubt about one that is not known. An empty code is none.
func CheckApplication(code string) (doubt *naming.Fault, err error) {
	if code == "" {
		return nil, nil
	}
	if faults := naming.Validate("FI."+code, naming.Context{Nearest: near.Application}); len(faults) > 1 {
		if f := faults[1]; f.Warning {
			return &f, nil
		}
		return nil, usagef("--app: %s", faults[1])
	}
	return nil, nil
}

// to sets where the submission goes.
func (s *submission) to(env naming.Environment) {
	s.env, s.environments = env, []naming.Environment{env}
}

// plan decides everything that can be decided before anything is touched.
func (s *submission) plan(ctx context.Context) (err error) {
	r, c := s.request, s.config
	group := inbox.Plan
	if r.Parts {
		group = inbox.PlanParts
	}
	if s.jobs, err = group(r.Files); err != nil {
		return &failure.UsageError{Err: err}
	}
	env, err := Environment(r.Environment, c, s.jobs)
	if err != nil {
		return err
	}
	s.to(env)
	for _, j := range s.jobs {
		if err := fitsNamed(j, c, s.env, r.Application, naming.DateOf(s.Now())); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		if _, err := inbox.CheckSource(f, c.Declaration.MaxSize); err != nil {
			return err
		}
	}
	if err := s.loadIdentity(ctx); err != nil {
		return err
	}
	return inbox.Settled(ctx, r.Files, s.settleTime())
}

// settleTime is for how long a file must not have changed.
func (s *submission) settleTime() time.Duration {
	if s.request.Settle != nil {
		return *s.request.Settle
	}
	return time.Duration(s.config.Declaration.Settle)
}

// loadIdentity opens the certificate where a signature is asked for.
func (s *submission) loadIdentity(ctx context.Context) (err error) {
	c := s.config
	if s.text, err = TextForm(c); err != nil {
		return err
	}
	if !s.env.RequiresSignature() && !s.request.Sign && !c.Identity.SignAlways {
		return nil
	}
	if s.identity, err = s.Identity(ctx, c, s.rehearsal); err == nil && s.identity == nil {
		err = failure.New(failure.Credentials, problem.New("environment %s needs a signature and no certificate is configured; nothing was sent", s.env),
			lang.T("put p12 = \"FILE\" under [identity] in the configuration, or give --p12"))
	}
	return err
}

// TextForm is the configured form of the signature file.
func TextForm(c config.Config) (sign.TextForm, error) {
	form, err := sign.ParseTextForm(c.Identity.Text)
	if err != nil {
		return form, &config.Error{Key: "identity.text", Problem: err}
	}
	return form, nil
}

// Environment decides the environment: the one that was asked for, that of named
// files, or the configured one. Production is never a default.
func Environment(asked string, c config.Config, jobs []inbox.Job) (naming.Environment, error) {
	if asked != "" {
		env, err := naming.ParseEnvironment(strings.ToUpper(asked))
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

// Environments are those that were asked for, else the configured one.
func Environments(asked []string, c config.Config) ([]naming.Environment, error) {
	if len(asked) == 0 && c.Environment != "" {
		asked = []string{c.Environment}
	}
	if len(asked) == 0 {
		return nil, usagef("which environment? give --env R for production, --env T for the test, or several: --env R,T")
	}
	var envs []naming.Environment
	for _, g := range asked {
		env, err := naming.ParseEnvironment(strings.ToUpper(g))
		if err != nil {
			return nil, &failure.UsageError{Err: err}
		}
		envs = append(envs, env)
	}
	return envs, nil
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

// finish gives the result and the error of the whole. latest are sets as they
// were when waiting ended.
func (s *submission) finish(r results, latest []inbox.Submission) (SubmitResult, error) {
	now := map[int64]inbox.Submission{}
	for _, x := range latest {
		now[x.ID] = x
	}
	out := SubmitResult{Left: r.left, Previews: s.rehearsal}
	var tally failure.Tally
	for _, f := range r.files {
		f.Latest, f.Final = f.Submission, f.Err
		if x, ok := now[f.Submission.ID]; ok {
			f.Latest = x
		}
		if f.Final == nil && !s.rehearsal && (s.request.Wait > 0 || f.Latest.State.NeedsPerson()) {
			f.Final = answered(f.Latest, s.request.Strict)
		}
		tally.Add(f.Final)
		out.Files = append(out.Files, f)
	}
	for _, err := range r.errs {
		tally.Add(err)
	}
	return out, Reported(tally.Result(failure.Together))
}

// answered turns the state of a set that was waited for into an error, unless
// it is accepted; where strict, without remarks.
func answered(s inbox.Submission, strict bool) error {
	switch s.State {
	case inbox.AcceptedWithRemarks:
		if strict {
			return failure.New(failure.Refused, problem.New("%s was accepted with remarks, and --strict was given", s.Set))
		}
		return nil
	case inbox.Accepted:
		return nil
	case inbox.Refused:
		return failure.New(failure.Refused, problem.New("%s was refused", s.Set))
	case inbox.NameUsed:
		return failure.New(failure.Unknown, problem.New("%s: somebody else delivered under this name, and whether it is processed is not known", s.Set))
	}
	return failure.New(failure.NoAnswer, problem.New("%s has no final answer yet", s.Set))
}

// ReportedError is an error whose parts were events already.
type ReportedError struct{ error }

// Unwrap gives the most urgent of them.
func (e ReportedError) Unwrap() error { return e.error }

// Reported marks an error whose parts were events already; nil stays nil.
func Reported(err error) error {
	if err == nil {
		return nil
	}
	return ReportedError{err}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func resultsOf(outcomes []inbox.JobResult) results {
	var r results
	for _, o := range outcomes {
		r.files = append(r.files, FileResult{JobResult: o})
	}
	return r
}
