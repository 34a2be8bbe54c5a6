package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sftp"
)

type resumeOptions struct {
	environment string
	lockWait    time.Duration
	pause       time.Duration
}

func newResumeCmd(a *app, run func(context.Context, *app, resumeOptions) error) *cobra.Command {
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
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "environment: R, T or S")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	f.DurationVar(&o.pause, "settle-pause", 10*time.Second, "`TIME` between two looks at a set whose outcome is unknown")
	a.connectionFlags(cmd)
	a.metricsFlag(cmd)
	return cmd
}

// workplace is what the commands need that deal with sets by hand.
type workplace struct {
	config    config.Config
	ledger    *ledger.Ledger
	session   *sftp.Session
	deliverer *inbox.Deliverer
	held      *lock.Lock
}

// open takes the lock, opens the ledger, and connects where that is asked for.
func (a *app) open(ctx context.Context, c config.Config, sender string, env naming.Environment, command string, connect bool, lockWait, pause time.Duration) (*workplace, error) {
	w := &workplace{config: c}
	var endpoint sftp.Endpoint
	var err error
	if connect {
		if endpoint, err = a.endpoint(ctx, c); err != nil {
			return nil, err
		}
	}
	if w.held, err = lock.Acquire(ctx, filepath.Join(c.StateDir, "locks"), "send-"+sender+"-"+string(env), command, lockWait); err != nil {
		return nil, err
	}
	if w.ledger, err = a.openLedger(ctx, c); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if !connect {
		return w, nil
	}
	if w.session, err = a.dial(ctx, c, endpoint); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.deliverer = inbox.NewDeliverer(w.session, w.ledger, inbox.NewSpool(filepath.Join(c.StateDir, "spool"), &a.disk),
		inbox.Options{Parallel: c.Endpoint.Parallel, Pause: pause})
	return w, nil
}

func (w *workplace) close() error {
	if w.session != nil {
		_ = w.session.Close()
	}
	var err error
	if w.ledger != nil {
		err = w.ledger.Close()
	}
	return errors.Join(err, w.held.Release())
}

func runResume(ctx context.Context, a *app, o resumeOptions) (err error) {
	c, err := a.needSender()
	if err != nil {
		return err
	}
	a.watch("resume", c)
	env, err := environmentOf(o.environment, c, nil)
	if err != nil {
		return err
	}
	a.watched.environments = []naming.Environment{env}
	w, err := a.open(ctx, c, c.Sender, env, "socbatch resume", true, o.lockWait, o.pause)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	left, err := unfinished(ctx, w.ledger, c.Sender, env)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		a.ui.say("nothing is left to do")
	}
	list := []*jsonSubmission{}
	var tally failure.Tally
	var first error
	for _, r := range finishLeft(ctx, a, w.ledger, w.deliverer, left) {
		list = append(list, submissionJSON(r.set))
		tally.Add(r.err)
		if first == nil {
			first = r.err
		}
	}
	a.sealFinished(ctx, c, w.ledger, "socbatch resume", nil, len(left))
	out := map[string]any{"submissions": list}
	if first != nil {
		class := failure.Together(tally.Classes)
		out["error"] = explain(first).of(class)
		err = toldError{failure.New(class, first)}
	}
	a.ui.object(out)
	return err
}

// unfinished are the sets that earlier runs did not bring to an end, newest
// first.
func unfinished(ctx context.Context, l *ledger.Ledger, sender string, env naming.Environment) ([]inbox.Submission, error) {
	var states []inbox.State
	for _, s := range inbox.States() {
		if s.Unfinished() {
			states = append(states, s)
		}
	}
	return l.Submissions(ctx, ledger.Filter{Sender: sender, Environment: env, States: states})
}

// finished is what became of a set that an earlier run began.
type finished struct {
	set inbox.Submission
	err error
}

// finishLeft brings sets to their end, oldest first, and says what became of
// each.
func finishLeft(ctx context.Context, a *app, l *ledger.Ledger, d *inbox.Deliverer, left []inbox.Submission) []finished {
	var all []finished
	report := func(s *inbox.Submission, err error) {
		if now, lerr := l.Submission(context.WithoutCancel(ctx), s.ID); lerr == nil {
			*s = now // with its times and its note
		}
		if err == nil && s.State.NeedsPerson() {
			err = answered(*s, false)
		}
		all = append(all, finished{*s, err})
		if err != nil {
			a.ui.problem(s.Set.String(), err)
			for _, h := range explain(err).Hints {
				a.ui.hint("%s", h)
			}
			return
		}
		a.ui.result("%s  %s", a.ui.mark(string(s.State), a.ui.in(wording.StateWord(s.State))), s.Set)
	}
	var unknown []*inbox.Submission
	for i := range left {
		s := &left[len(left)-1-i]
		if s.State == inbox.Unknown {
			unknown = append(unknown, s)
			continue
		}
		report(s, d.Deliver(ctx, s))
	}
	if len(unknown) == 0 {
		return all
	}
	serr := d.Settle(ctx, unknown)
	for _, s := range unknown {
		var err error
		if s.State == inbox.Unknown {
			err = &inbox.UnsettledError{Set: s.Set, Err: serr}
		}
		report(s, err)
	}
	return all
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

func newCancelCmd(a *app, run func(context.Context, *app, handOptions) error) *cobra.Command {
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
			return run(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	a.connectionFlags(cmd)
	return cmd
}

// byHand finds the set that a person named, and opens what is needed for it.
func (a *app) byHand(ctx context.Context, o handOptions, command string, connect func(inbox.Submission) bool) (*workplace, inbox.Submission, error) {
	c, err := a.config()
	if err != nil {
		return nil, inbox.Submission{}, err
	}
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return nil, inbox.Submission{}, err
	}
	s, err := l.Find(ctx, o.name)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, s, err
	}
	w, err := a.open(ctx, c, s.Set.Sender, s.Set.Environment, command, connect(s), o.lockWait, 0)
	if err != nil {
		return nil, s, err
	}
	s, err = w.ledger.Submission(ctx, s.ID) // as it is under the lock
	if err != nil {
		return nil, s, errors.Join(err, w.close())
	}
	return w, s, nil
}

func runCancel(ctx context.Context, a *app, o handOptions) (err error) {
	w, s, err := a.byHand(ctx, o, "socbatch cancel", func(s inbox.Submission) bool {
		return s.State.BeforeGO() && s.State != inbox.Prepared || s.State == inbox.Cancelled
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	d := w.deliverer
	if d == nil {
		d = inbox.NewDeliverer(nil, w.ledger, nil, inbox.Options{})
		if s.State != inbox.Prepared {
			return &inbox.StateError{Name: s.Set.String(), Now: s.State, To: inbox.Cancelled}
		}
	}
	if err := d.Cancel(ctx, &s, o.reason); err != nil {
		return err
	}
	a.ui.result("cancelled  %s", s.Set)
	a.ui.object(map[string]any{"submission": submissionJSON(s)})
	return nil
}

func newResubmitCmd(a *app, run func(context.Context, *app, handOptions) error) *cobra.Command {
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
			return run(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	a.p12Flags(cmd.Flags())
	a.connectionFlags(cmd)
	return cmd
}

func runResubmit(ctx context.Context, a *app, o handOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return usagef("say how you know that it did not arrive, for the ledger: --reason \"…\"")
	}
	w, s, err := a.byHand(ctx, o, "socbatch resubmit", func(s inbox.Submission) bool { return s.State == inbox.Unknown })
	if err != nil {
		return err
	}
	again := againUnderNewName(a, w.config, s, o)
	gone, err := giveUp(ctx, a, w, &s, again, o)
	if err = errors.Join(err, w.close()); err != nil || !gone {
		return err
	}
	return send(ctx, a, again)
}

// againUnderNewName is the submission of the frozen copies of a set.
func againUnderNewName(a *app, c config.Config, s inbox.Submission, o handOptions) *submission {
	again := &submission{
		config: c, env: s.Set.Environment,
		options: submitOptions{application: s.Set.Application, sign: s.Signed(), resubmit: true, reason: o.reason, lockWait: o.lockWait, skipChecks: true},
	}
	again.config.Sender = s.Set.Sender
	job := inbox.Job{}
	spool := inbox.NewSpool(filepath.Join(c.StateDir, "spool"), &a.disk)
	for _, p := range s.Parts {
		job.Files = append(job.Files, spool.FI(s.Spool, p.Number))
		job.Sources = append(job.Sources, p.Source)
		again.toMove = again.toMove || p.ToMove
	}
	again.jobs = []inbox.Job{job}
	return again
}

// giveUp looks once more what became of the set. It reports false when that
// could be found out; only else the word of the person counts.
func giveUp(ctx context.Context, a *app, w *workplace, s *inbox.Submission, again *submission, o handOptions) (bool, error) {
	if err := again.loadIdentity(ctx, a); err != nil {
		return false, err
	}
	if s.State != inbox.Unknown {
		return false, &inbox.StateError{Name: s.Set.String(), Now: s.State, To: inbox.Cancelled}
	}
	err := w.deliverer.Settle(ctx, []*inbox.Submission{s})
	if s.State != inbox.Unknown {
		a.ui.result("%s  %s  (found out by looking; nothing was sent under a new name)", a.ui.mark(string(s.State), a.ui.in(wording.StateWord(s.State))), s.Set)
		a.ui.object(map[string]any{"submission": submissionJSON(*s)})
		return false, err
	}
	if err != nil && transport.ClassOf(err) != transport.Permanent {
		return false, err
	}
	err = w.deliverer.Abandon(ctx, s, wording.SaidNotArrived+o.reason)
	if err != nil && s.State == inbox.Cancelled {
		a.ui.warn("%s", explain(err).Message)
		err = nil
	}
	return true, err
}

func newMarkSentCmd(a *app, run func(context.Context, *app, handOptions) error) *cobra.Command {
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
			return run(cmd.Context(), a, o)
		},
	}
	handFlags(cmd, &o)
	return cmd
}

func runMarkSent(ctx context.Context, a *app, o handOptions) (err error) {
	if strings.TrimSpace(o.reason) == "" {
		return usagef("say how you know, for the ledger: --reason \"…\"")
	}
	w, s, err := a.byHand(ctx, o, "socbatch mark-sent", func(inbox.Submission) bool { return false })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if s.State != inbox.Unknown {
		return &inbox.StateError{Name: s.Set.String(), Now: s.State, To: inbox.Sent}
	}
	if err := w.ledger.Move(ctx, s.ID, inbox.Sent, wording.SaidSent+o.reason); err != nil {
		return err
	}
	if s, err = w.ledger.Submission(ctx, s.ID); err != nil {
		return err
	}
	a.ui.result("sent  %s", s.Set)
	a.ui.object(map[string]any{"submission": submissionJSON(s)})
	return nil
}
