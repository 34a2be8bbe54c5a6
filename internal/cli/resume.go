package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
)

type resumeOptions struct {
	environment string
	lockWait    time.Duration
	pause       time.Duration
}

func newResumeCmd(a *program) *cobra.Command {
	var o resumeOptions
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Finish what an earlier run began",
		Long: `Finish what an earlier run began.

Declarations that were not completely sent are sent under the names that they
have. Where a GO was sent and its answer was lost, the folder on the server is
looked at: what was taken is recorded as sent, and a GO that never arrived, seen
twice with a pause between, is sent.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runResume(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "environment: R, T or S")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	f.DurationVar(&o.pause, "settle-pause", 10*time.Second, "`TIME` between two looks at a set whose outcome is unknown")
	a.connectionFlags(cmd)
	a.metricsFlag(cmd)
	return cmd
}

func runResume(ctx context.Context, a *program, o resumeOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	_, err = a.core().Resume(ctx, app.ResumeRequest{Config: c, Environment: o.environment, LockWait: o.lockWait, Pause: o.pause}, a.observer())
	return err
}

// endResume prints the JSON.
func endResume(a *program, r app.ResumeResult, err error) {
	if err != nil && !isReported(err) {
		return // it did not begin
	}
	if len(r.Sets) == 0 {
		a.ui.say("nothing is left to do")
	}
	list := []*contract.Submission{}
	for _, s := range r.Sets {
		list = append(list, contract.NewSubmission(s.Submission))
	}
	out := contract.Submissions{Submissions: list}
	if err != nil {
		x := contract.Whole(err)
		out.Error = &x
	}
	a.ui.object(out)
}

type handOptions struct {
	name     string
	reason   string
	lockWait time.Duration
}

func handFlags(cmd *cobra.Command, o *handOptions) {
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the ledger")
	cmd.Flags().DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
}

func newCancelCmd(a *program) *cobra.Command {
	var o handOptions
	cmd := &cobra.Command{
		Use:   "cancel NAME",
		Short: "Give up a declaration that was not completely sent",
		Long: `Give up a declaration that was not completely sent.

What is on the server of it is removed, or, where that is not allowed, cancelled
with a TD file. Its contents may then be sent again under a new name. A
declaration whose GO was sent cannot be cancelled any more. Where the server
could not be cleaned up, the same command does it later.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runCancel(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	a.connectionFlags(cmd)
	return cmd
}

// request is what a person decides about a set.
func (o handOptions) request(a *program) (app.HandRequest, error) {
	c, err := a.config()
	return app.HandRequest{Config: c, Name: o.name, Reason: o.reason, LockWait: o.lockWait}, err
}

func runCancel(ctx context.Context, a *program, o handOptions) error {
	r, err := o.request(a)
	if err != nil {
		return err
	}
	s, err := a.core().Cancel(ctx, r, a.observer())
	if err != nil {
		return err
	}
	a.ui.result("cancelled  %s", s.Set)
	a.ui.object(contract.OneSubmission{Submission: contract.NewSubmission(s)})
	return nil
}

func newResubmitCmd(a *program) *cobra.Command {
	var o handOptions
	cmd := &cobra.Command{
		Use:   "resubmit NAME --reason TEXT",
		Short: "Send again a declaration whose outcome is unknown and that did not arrive",
		Long: `Send again a declaration whose outcome is unknown and that did not arrive.

A GO was sent, its answer was lost, and the folder on the server may not be
listed: then only a person can find out, by asking the office. If it did not
arrive, this gives the old name up and sends the same contents under a new one.
The reason is kept in the ledger. If it did arrive: mark-sent.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runResubmit(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	a.p12Flags(cmd.Flags())
	a.connectionFlags(cmd)
	return cmd
}

func runResubmit(ctx context.Context, a *program, o handOptions) error {
	r, err := o.request(a)
	if err != nil {
		return err
	}
	_, err = a.core().Resubmit(ctx, r, a.observer())
	return err
}

func newMarkSentCmd(a *program) *cobra.Command {
	var o handOptions
	cmd := &cobra.Command{
		Use:   "mark-sent NAME --reason TEXT",
		Short: "Say that a declaration whose outcome is unknown was sent",
		Long: `Say that a declaration whose outcome is unknown was sent.

A GO was sent, its answer was lost, and the folder on the server may not be
listed: then only a person can find out, by asking the office. The reason is
kept in the ledger. If it did not arrive: resubmit.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runMarkSent(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	return cmd
}

func runMarkSent(ctx context.Context, a *program, o handOptions) error {
	r, err := o.request(a)
	if err != nil {
		return err
	}
	s, err := a.core().MarkSent(ctx, r, a.observer())
	if err != nil {
		return err
	}
	a.ui.result("sent  %s", s.Set)
	a.ui.object(contract.OneSubmission{Submission: contract.NewSubmission(s)})
	return nil
}
