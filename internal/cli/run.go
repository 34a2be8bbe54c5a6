package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/app"
)

type runOptions struct {
	environments []string
	lockWait     time.Duration
	pause        time.Duration
}

func newRunCmd(a *program) *cobra.Command {
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
		RunE: func(cmd *cobra.Command, _ []string) error { return runEverything(cmd.Context(), a, o) },
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

func runEverything(ctx context.Context, a *program, o runOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	_, err = a.core().Run(ctx, app.RunRequest{Config: c, Environments: o.environments, LockWait: o.lockWait, Pause: o.pause, Sidecar: a.sidecar}, a.observer())
	return err
}

// endRun says what was done, and what needs a person.
func endRun(a *program, r app.RunResult, err error) {
	if len(r.Environments) == 0 { // it did not begin
		return
	}
	out := jsonRun{Environments: []string{}, Resumed: []jsonResumed{}, Submissions: []jsonSent{}, Left: []jsonLeftFile{}, Errors: []jsonStep{}, Fetch: fetchJSON(r.Fetch)}
	for _, env := range r.Environments {
		out.Environments = append(out.Environments, string(env))
	}
	for _, x := range r.Resumed {
		one := jsonResumed{Submission: submissionJSON(x.Submission)}
		if x.Err != nil {
			e := explain(x.Err)
			one.Error = &e
		}
		out.Resumed = append(out.Resumed, one)
	}
	for _, f := range r.Files {
		out.Submissions = append(out.Submissions, sentJSON(f))
	}
	out.Left = append(out.Left, leftJSON(r.Left)...)
	for _, x := range r.Steps {
		out.Errors = append(out.Errors, jsonStep{x.Step, string(x.Environment), explain(x.Err)})
	}
	n := r.Attention
	out.Attention = jsonAttention{Refused: len(n.Refused), NameUsed: len(n.NameUsed), Unfinished: n.Unfinished, Late: n.Late}
	u := a.ui
	if r.Sent+r.Aside+len(r.Fetch.Read)+len(r.Resumed) == 0 && err == nil {
		u.say("nothing to send, and nothing new")
	} else {
		u.say("%s sent, %s put aside, %s stored", count(r.Sent, "%d declaration", "%d declarations"), count(r.Aside, "%d declaration", "%d declarations"), count(len(r.Fetch.Read), "%d reply", "%d replies"))
	}
	tellNameUsed(a, n.NameUsed)
	for _, s := range n.Refused {
		u.warn("%s was refused", s.Set)
		u.hintCodes(s.Note)
		u.hint("see the whole story: socbatch status %s", s.Set)
	}
	for _, x := range n.PutAside {
		out.Attention.PutAside += x.Files
		u.say("for you: %s in %s, each with a note beside it", count(x.Files, "%d file", "%d files"), printable(x.Dir))
	}
	if n.Unfinished > 0 {
		u.say("for you: %s not known to be sent; the next run tries again", count(n.Unfinished, "%d declaration", "%d declarations"))
	}
	if n.Late > 0 {
		u.say("for you: %s whose answer is late; see them with: socbatch status --late", count(n.Late, "%d declaration", "%d declarations"))
	}
	if err != nil {
		x := whole(err)
		out.Error = &x
	}
	u.object(out)
}
