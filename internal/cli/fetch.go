package cli

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
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

func newFetchCmd(a *program) *cobra.Command {
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
		RunE: func(cmd *cobra.Command, _ []string) error { return runFetch(cmd.Context(), a, o) },
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

func runFetch(ctx context.Context, a *program, o fetchOptions) error {
	a.ui.events = a.ui.events || o.wait > 0
	c, err := a.config()
	if err != nil {
		return err
	}
	_, err = a.core().Fetch(ctx, app.FetchRequest{
		Config: c, Environments: o.environments, Keep: o.keep, Incomplete: o.incomplete, DeleteConflicts: o.conflicts,
		Wait: o.wait, Interval: o.interval, LockWait: o.lockWait, Pause: o.pause,
	}, a.observer())
	return err
}

// endFetch prints the JSON.
func endFetch(a *program, r app.FetchResult, err error) {
	if !r.Begun {
		return
	}
	if len(r.Reports) > 0 && err == nil && r.New() == 0 {
		a.ui.say("nothing new")
	}
	out := contract.NewFetch(r)
	if err != nil {
		x := explain(err)
		out.Error = &x
	}
	a.ui.object(out)
}

// tellRead tells programs of the replies and of what became of the sets.
func tellRead(a *program, read []answers.Result) {
	for _, r := range read {
		reply := contract.NewReply(r)
		a.ui.event("reply", contract.Event{Reply: &reply})
		for _, s := range r.Submissions {
			a.ui.event("submission", contract.Event{Submission: contract.NewSubmission(s)})
		}
	}
}

func printFetched(a *program, c config.Config, f app.FetchResult) {
	for _, r := range f.Reports {
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
	for _, r := range f.Read {
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

func printLeft(a *program, c config.Config, r outbox.Report) {
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
