package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/wording"
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

func newSubmitCmd(a *program) *cobra.Command {
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
			return runSubmit(cmd.Context(), a, o)
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

func runSubmit(ctx context.Context, a *program, o submitOptions) error {
	a.ui.events = a.ui.events || o.wait > 0
	c, err := a.config()
	if err != nil {
		return err
	}
	r := app.SubmitRequest{
		Config: c, Files: o.files, Parts: o.parts, Environment: o.environment, Application: o.application, Sign: o.sign,
		SkipChecks: o.skipChecks, CRLF: o.crlf, Resubmit: o.resubmit, Reason: o.reason, Wait: o.wait, Strict: o.strict,
		LockWait: o.lockWait, Pause: o.pause, Sidecar: a.sidecar,
	}
	if o.settleSet {
		r.Settle = &o.settle
	}
	if o.dryRun {
		_, err = a.core().Preview(ctx, r, a.observer())
	} else {
		_, err = a.core().Submit(ctx, r, a.observer())
	}
	return err
}

// endSubmit prints the JSON.
func endSubmit(a *program, r app.SubmitResult, err error) {
	if err != nil && !isReported(err) {
		return // it did not come to an end
	}
	if r.Previews {
		a.ui.say("dry run: nothing was sent, and nothing was written to the ledger")
	}
	out := contract.Submit{DryRun: r.Previews, Submissions: []contract.Sent{}, Left: contract.NewLeft(r.Left)}
	for _, f := range r.Files {
		out.Submissions = append(out.Submissions, contract.NewSent(f))
	}
	if err != nil {
		x := contract.Whole(err)
		out.Error = &x
	}
	a.ui.object(out)
}

func printPreview(a *program, o inbox.JobResult) {
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

func jobName(j inbox.Job) string {
	files := contract.SourceFiles(j)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = printable(filepath.Base(f))
	}
	return strings.Join(names, " + ")
}

func printWarnings(a *program, o inbox.JobResult) {
	for _, w := range o.Warnings {
		a.ui.warn("%s", w)
	}
}

func printOutcome(a *program, o inbox.JobResult) {
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
