package main

import (
	"context"
	"errors"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sftp"
)

type fetchOptions struct {
	environments []string
	keep         bool
	incomplete   bool
	conflicts    bool
	wait         time.Duration
	interval     time.Duration
	lockWait     time.Duration
	pause        time.Duration
}

func newFetchCmd(a *app, run func(context.Context, *app, fetchOptions) error) *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Bring the replies home",
		Long: `Bring the replies home.

Every complete reply is stored in the archive, entered in the ledger, and only
then deleted on the server. Replies are tied to what was sent; "socbatch status"
shows the outcome.`,
		Example: `  socbatch fetch --env R
  socbatch fetch --env T --wait 10m
  socbatch fetch --env R,T --keep`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.environments, "env", "e", nil, "environments to fetch from: R, T, S; several with commas")
	f.BoolVar(&o.keep, "keep", false, "leave everything on the server")
	f.BoolVar(&o.incomplete, "incomplete", false, "store also replies whose GO does not come, and leave them on the server")
	f.BoolVar(&o.conflicts, "delete-conflicts", false, "delete on the server also replies that came a second time with other contents; both stay in the archive")
	f.DurationVarP(&o.wait, "wait", "w", 0, "go on until every sent declaration is answered, at most `TIME` (such as 10m)")
	f.DurationVar(&o.interval, "interval", time.Minute, "`TIME` between two looks while waiting; it grows")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	f.DurationVar(&o.pause, "settle-pause", 10*time.Second, "`TIME` between two looks at a set whose outcome is unknown")
	a.connectionFlags(cmd)
	a.metricsFlag(cmd)
	return cmd
}

// fetched is what a fetch brought.
type fetched struct {
	reports []outbox.Report
	read    []answers.Result
}

func runFetch(ctx context.Context, a *app, o fetchOptions) (err error) {
	a.ui.events = a.ui.events || o.wait > 0
	c, err := a.config()
	if err != nil {
		return err
	}
	a.watch("fetch", c)
	envs, err := fetchEnvironments(o.environments, c)
	if err != nil {
		return err
	}
	a.watched.environments = envs
	link, err := a.newLink(ctx, c)
	if err != nil {
		return err
	}
	defer link.drop()
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	all := fetched{}
	look := func(ctx context.Context) (done bool, err error) {
		anew := link.session == nil
		session, err := link.open(ctx)
		if err != nil {
			return false, err
		}
		if anew {
			if err := settleBeforeFetch(ctx, a, c, l, session, envs, o); err != nil {
				return false, err
			}
		}
		got, err := fetchOnce(ctx, a, c, l, session, envs, o)
		all.reports, all.read = append(all.reports, got.reports...), append(all.read, got.read...)
		tellNameUsed(a, answeredSets(got.read))
		if err != nil {
			link.drop()
			return false, err
		}
		open, err := awaited(ctx, l, envs)
		return open == 0, err
	}
	var missing error
	if o.wait > 0 {
		missing = poll(ctx, a, o.wait, o.interval, look)
		if errors.Is(missing, errNoAnswer) {
			open, err := awaited(ctx, l, envs)
			if err != nil {
				return err
			}
			missing = failure.New(failure.NoAnswer, errorf("no final answer yet to %s sent from here", count(open, "%d declaration", "%d declarations")))
		}
	} else if _, err := look(ctx); err != nil {
		return fetchResult(a, all, err)
	}
	return fetchResult(a, all, missing)
}

func fetchEnvironments(given []string, c config.Config) ([]naming.Environment, error) {
	if len(given) == 0 && c.Environment != "" {
		given = []string{c.Environment}
	}
	if len(given) == 0 {
		return nil, usagef("which environment? give --env R for production, --env T for the test, or several: --env R,T")
	}
	var envs []naming.Environment
	for _, g := range given {
		env, err := naming.ParseEnvironment(strings.ToUpper(g))
		if err != nil {
			return nil, &failure.UsageError{Err: err}
		}
		envs = append(envs, env)
	}
	return envs, nil
}

// settleBeforeFetch looks what became of unknown sets, unless somebody is
// sending: then that process settles them.
func settleBeforeFetch(ctx context.Context, a *app, c config.Config, l *ledger.Ledger, session *sftp.Session, envs []naming.Environment, o fetchOptions) error {
	for _, env := range envs {
		left, err := l.Submissions(ctx, ledger.Filter{Environment: env, States: []inbox.State{inbox.Unknown}, Limit: 1})
		if err != nil {
			return err
		}
		if len(left) == 0 {
			continue
		}
		sender := left[0].Set.Sender
		held, err := lock.Acquire(ctx, filepath.Join(c.StateDir, "locks"), "send-"+sender+"-"+string(env), "socbatch fetch", 0)
		var busy *lock.HeldError
		if errors.As(err, &busy) {
			continue
		}
		if err != nil {
			return err
		}
		d := inbox.NewDeliverer(session, l, inbox.NewSpool(filepath.Join(c.StateDir, "spool"), &a.disk), inbox.Options{Parallel: c.Endpoint.Parallel, Pause: o.pause})
		err = settleLeft(ctx, a, l, d, sender, env)
		if err := errors.Join(err, held.Release()); err != nil {
			return err
		}
	}
	return nil
}

// fetchOnce brings home what is there now, and reads it. What one set does
// wrong stands in the reports; the error is about a folder or the ledger.
func fetchOnce(ctx context.Context, a *app, c config.Config, l *ledger.Ledger, session *sftp.Session, envs []naming.Environment, o fetchOptions) (fetched, error) {
	var out fetched
	reader, err := a.replyReader(c, l)
	if err != nil {
		return out, err
	}
	var errs []error
	for _, env := range envs {
		r, err := fetchFolder(ctx, a, c, l, reader, session, env, o)
		out.reports = append(out.reports, r)
		if err != nil {
			errs = append(errs, errorf("folder %s: %s", env.Outbox(), err))
			if transport.ClassOf(err) != transport.Permanent {
				break
			}
		}
	}
	out.read, err = reader.Unread(context.WithoutCancel(ctx))
	errs = append(errs, err)
	printFetched(a, c, out)
	tellRead(a, out.read)
	a.callHooks(ctx, c, l)
	a.sealFinished(ctx, c, l, "socbatch fetch", envs, len(out.read))
	return out, errors.Join(errs...)
}

func fetchFolder(ctx context.Context, a *app, c config.Config, l *ledger.Ledger, reader *answers.Reader, session *sftp.Session, env naming.Environment, o fetchOptions) (r outbox.Report, err error) {
	held, err := lock.Acquire(ctx, filepath.Join(c.StateDir, "locks"), "fetch-"+string(env), "socbatch fetch", o.lockWait)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	bar := a.ui.progress("fetching", a.ui.text("fetching %s", env.Outbox()), -1, false)
	defer bar.done()
	options := outbox.Options{
		Archive: c.Replies.Archive, Parallel: c.Endpoint.Parallel, Keep: o.keep, DeleteConflicts: o.conflicts, Now: a.now, Disk: &a.disk,
		SealedSuffix: seal.Suffix,
		Observe: func(s outbox.ReplySet) {
			a.log.Debug("stored", "set", s.GO, "replies", len(s.Replies))
			bar.add(1)
		},
	}
	if o.incomplete {
		options.Incomplete = time.Duration(c.Replies.IncompleteAfter)
	}
	if c.Replies.RequireSignature {
		options.Verify = demandSignature(l, reader)
	}
	return outbox.NewFetcher(session, l, options).Fetch(ctx, env)
}

// demandSignature refuses replies whose signature is not valid.
func demandSignature(l *ledger.Ledger, reader *answers.Reader) func(context.Context, int64) error {
	return func(ctx context.Context, id int64) error {
		r, err := l.Reply(ctx, id)
		if err != nil {
			return err
		}
		if s := reader.Signature(r); !answers.Valid(s) {
			return &outbox.UnverifiedError{Reason: s}
		}
		return nil
	}
}

// awaited counts the sets that were sent and have no final answer.
func awaited(ctx context.Context, l *ledger.Ledger, envs []naming.Environment) (int, error) {
	n := 0
	for _, env := range envs {
		open, err := l.Submissions(ctx, ledger.Filter{Environment: env, States: []inbox.State{inbox.Sent, inbox.Received}})
		if err != nil {
			return 0, err
		}
		n += len(open)
	}
	return n, nil
}

// answeredSets are the sets that replies answer, each once.
func answeredSets(read []answers.Result) []inbox.Submission {
	var sets []inbox.Submission
	seen := map[int64]bool{}
	for _, r := range read {
		for _, s := range r.Submissions {
			if !seen[s.ID] {
				seen[s.ID] = true
				sets = append(sets, s)
			}
		}
	}
	return sets
}

// tellRead tells programs of the replies and of what became of the sets.
func tellRead(a *app, read []answers.Result) {
	for _, r := range read {
		a.ui.event("reply", map[string]any{"reply": replyJSON(r)})
		for _, s := range r.Submissions {
			a.ui.event("submission", map[string]any{"submission": submissionJSON(s)})
		}
	}
}

func printFetched(a *app, c config.Config, f fetched) {
	for _, r := range f.reports {
		for _, s := range r.Sets {
			if s.Err != nil {
				a.ui.problem(s.Key, s.Err)
				for _, h := range explain(s.Err).Hints {
					a.ui.hint("%s", h)
				}
				a.ui.hint("it is still on the server; the next fetch tries again")
			}
		}
		printLeft(a, c, r)
	}
	for _, r := range f.read {
		a.ui.result("%s  %s  %s", a.ui.mark("stored", a.ui.text("stored")), r.Reply.Name, replyWords(a.ui, r))
		if r.Reply.Problem == answers.ProblemSignature {
			continue // told among what was left
		}
		if strings.HasPrefix(r.Reply.Signature, answers.SignatureInvalid) {
			a.ui.warn("%s: its signature is %s; do not rely on what it says", r.Reply.Name, wording.Signature(r.Reply.Signature))
			a.ui.hint("check replies.trusted_roots in the configuration, and ask the office when they are right")
		}
		if r.Reply.Problem != "" {
			a.ui.warn("%s cannot be read (%s); it is kept as it came: %s", r.Reply.Name, r.Reply.Problem, r.Reply.Path)
		}
		for _, key := range r.Elsewhere {
			if strings.Split(key, ".")[1] == c.Sender { // others are normal
				a.ui.warn("%s answers a declaration that this ledger does not know, under the name %s: somebody else delivers for sender %s, or this ledger was put back; the name is not used again", r.Reply.Name, key, c.Sender)
			}
		}
		if r.Ambiguous > 0 {
			a.ui.warn("%s: %s fit several declarations and were tied to none", r.Reply.Name, count(r.Ambiguous, "%d form", "%d forms"))
		}
	}
}

// maxLeft is how many files that were left are named for a person, of each
// folder; --json has more.
const maxLeft = 20

func printLeft(a *app, c config.Config, r outbox.Report) {
	shown := 0
	for _, x := range r.Left {
		if x.Reason != outbox.LeftOverflow {
			if shown++; shown > maxLeft {
				continue
			}
		}
		switch x.Reason {
		case outbox.LeftIncomplete:
			// Just written, it is on its way; later somebody should know.
			if age := a.now().Sub(x.Time); age >= time.Duration(c.Replies.IncompleteAfter) && !x.Time.IsZero() {
				a.ui.warn("%s lies in %s since %s and its GO does not come", x.Name, r.Environment.Outbox(), wording.Clock(x.Time))
				a.ui.hint("call the office; to store it without deleting it: socbatch fetch --env %s --incomplete", r.Environment)
			}
		case outbox.LeftOverflow:
			a.ui.warn("%s: %s", r.Environment.Outbox(), x.Detail)
		case outbox.LeftConflict:
			a.ui.warn("%s came a second time with other contents: both are kept (%s), and it stays on the server", x.Name, x.Detail)
			a.ui.hint("ask the office which one counts; then: socbatch fetch --env %s --delete-conflicts", r.Environment)
		case outbox.LeftUnverified:
			a.ui.warn("%s does not count and stays on the server: its signature is %s", x.Name, x.Detail)
			a.ui.hint("it is stored; check replies.trusted_roots in the configuration, and ask the office when they are right")
		default:
			a.ui.say("left in %s: %s (%s)", r.Environment.Outbox(), printable(x.Name), x.Detail)
		}
	}
	if shown > maxLeft {
		a.ui.say("left in %s: %d more (--json has them)", r.Environment.Outbox(), shown-maxLeft)
	}
}

// replyWords says what a reply is about.
func replyWords(u *ui, r answers.Result) string {
	what := u.in(wording.Kind(r.Kind.String()))
	if app, ok := naming.LookupApplication(r.Reply.Application); ok && r.Kind == reply.Other {
		what = u.in(lang.Word(app.Meaning))
	}
	if len(r.Submissions) == 0 {
		return what
	}
	names := make([]string, 0, 3)
	for i, s := range r.Submissions {
		if i == 3 {
			names = append(names, u.text("and %d more", len(r.Submissions)-3))
			break
		}
		names = append(names, s.Set.String())
	}
	return u.text("%s for %s: %s", what, strings.Join(names, ", "), outcomeWords(u, r.Outcomes))
}

// outcomeWords counts outcomes: "2 accepted, 1 refused".
func outcomeWords(u *ui, o map[string]int) string {
	keys := make([]string, 0, len(o))
	total := 0
	for k, n := range o {
		keys = append(keys, k)
		total += n
	}
	sort.Strings(keys)
	if total == 1 && len(keys) == 1 {
		return u.in(wording.Outcome(keys[0]))
	}
	var parts []string
	for _, k := range keys {
		parts = append(parts, u.text("%d %s", o[k], wording.Outcome(k)))
	}
	return strings.Join(parts, ", ")
}

// fetchResult prints the JSON and decides the exit code.
func fetchResult(a *app, f fetched, missing error) error {
	out := fetchJSON(f)
	t, stored := f.tally()
	if len(f.reports) > 0 && missing == nil && stored == 0 && t.First == nil {
		a.ui.say("nothing new")
	}
	err := missing
	if err == nil {
		err = t.result(failure.Together)
	}
	if err != nil {
		x := explain(err)
		out.Error = &x
	}
	a.ui.object(out)
	return err
}

// tally is what went wrong with single sets, and how many brought something new.
func (f fetched) tally() (t tally, stored int) {
	for _, r := range f.reports {
		for _, s := range r.Sets {
			t.Add(setError(s))
			if s.New {
				stored++
			}
		}
	}
	return t, stored
}

// setError is what went wrong with a set. A GO whose reply is not there yet is
// no failure: it is on its way.
func setError(s outbox.ReplySet) error {
	var incomplete *outbox.IncompleteError
	if errors.As(s.Err, &incomplete) {
		return nil
	}
	return s.Err
}
