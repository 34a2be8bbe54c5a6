package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// ResumeRequest asks to finish what earlier runs began.
type ResumeRequest struct {
	Config      config.Config
	Environment string
	LockWait    time.Duration
	Pause       time.Duration // between two looks at a set whose outcome is unknown
}

// ResumeResult is what became of the sets that were not finished, the oldest
// first.
type ResumeResult struct{ Sets []Resumed }

// Resume finishes what earlier runs began.
func (a *App) Resume(ctx context.Context, r ResumeRequest, o Observer) (res ResumeResult, err error) {
	c := a.call(r.Config, o)
	defer func() { c.end(ctx, res, err) }()
	if err := needSender(c.config); err != nil {
		return res, err
	}
	c.command = "resume"
	env, err := Environment(r.Environment, c.config, nil)
	if err != nil {
		return res, err
	}
	c.environments = []naming.Environment{env}
	w, err := c.open(ctx, c.config.Sender, env, r.LockWait, true)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	d, err := w.link.deliverer(ctx, w.ledger, r.Pause)
	if err != nil {
		return res, err
	}
	left, err := unfinished(ctx, w.ledger, c.config.Sender, env)
	if err != nil {
		return res, err
	}
	res.Sets = c.finishLeft(ctx, w.ledger, d, left)
	c.sealFinished(ctx, w.ledger, nil, len(left))
	var tally failure.Tally
	var first error
	for _, s := range res.Sets {
		tally.Add(s.Err)
		if first == nil {
			first = s.Err
		}
	}
	if first == nil {
		return res, nil
	}
	return res, Reported(failure.New(failure.Together(tally.Classes), first))
}

// unfinished are the sets that earlier runs did not bring to an end, newest
// first.
func unfinished(ctx context.Context, l ledger.Ledger, sender string, env naming.Environment) ([]inbox.Submission, error) {
	var states []inbox.State
	for _, s := range inbox.States() {
		if s.Unfinished() {
			states = append(states, s)
		}
	}
	return l.Submissions(ctx, ledger.Filter{Sender: sender, Environment: env, States: states})
}

// finishLeft brings sets to their end, oldest first.
func (c *call) finishLeft(ctx context.Context, l ledger.Ledger, d *inbox.Deliverer, left []inbox.Submission) []Resumed {
	var all []Resumed
	report := func(s *inbox.Submission, err error) {
		if now, lerr := l.Submission(context.WithoutCancel(ctx), s.ID); lerr == nil {
			*s = now // with its times and its note
		}
		if err == nil && s.State.NeedsPerson() {
			err = answered(*s, false)
		}
		r := Resumed{*s, err}
		all = append(all, r)
		c.event(r)
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

// HandRequest is what a person decides about a set.
type HandRequest struct {
	Config   config.Config
	Name     string // of the set
	Reason   string // for the ledger
	LockWait time.Duration
}

// byHand finds the set that a person named, and opens what is needed for it.
func (c *call) byHand(ctx context.Context, r HandRequest, connect func(inbox.Submission) bool) (*opened, inbox.Submission, error) {
	l, err := c.OpenLedger(ctx, c.config)
	if err != nil {
		return nil, inbox.Submission{}, err
	}
	s, err := l.Find(ctx, r.Name)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, s, err
	}
	w, err := c.open(ctx, s.Set.Sender, s.Set.Environment, r.LockWait, connect(s))
	if err != nil {
		return nil, s, err
	}
	s, err = w.ledger.Submission(ctx, s.ID) // as it is under the lock
	if err != nil {
		return nil, s, errors.Join(err, w.close())
	}
	return w, s, nil
}

// hand is a call about one set, of which no record is kept but that of the set.
func (a *App) hand(command string, c config.Config, o Observer) *call {
	h := a.call(c, o)
	h.command = command
	return h
}

// Cancel gives up a set that was not completely sent.
func (a *App) Cancel(ctx context.Context, r HandRequest, o Observer) (s inbox.Submission, err error) {
	c := a.hand("cancel", r.Config, o)
	w, s, err := c.byHand(ctx, r, func(s inbox.Submission) bool {
		return s.State.BeforeGO() && s.State != inbox.Prepared || s.State == inbox.Cancelled
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	d := inbox.NewDeliverer(nil, w.ledger, nil, inbox.Options{})
	if w.link != nil {
		if d, err = w.link.deliverer(ctx, w.ledger, 0); err != nil {
			return s, err
		}
	} else if s.State != inbox.Prepared {
		return s, &inbox.StateError{Name: s.Set.String(), Now: s.State, To: inbox.Cancelled}
	}
	return s, d.Cancel(ctx, &s, r.Reason)
}

// MarkSent is a person's word that a set whose outcome is unknown was sent.
func (a *App) MarkSent(ctx context.Context, r HandRequest, o Observer) (s inbox.Submission, err error) {
	if strings.TrimSpace(r.Reason) == "" {
		return s, usagef("say how you know, for the ledger: --reason \"…\"")
	}
	w, s, err := a.hand("mark-sent", r.Config, o).byHand(ctx, r, func(inbox.Submission) bool { return false })
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if s.State != inbox.Unknown {
		return s, &inbox.StateError{Name: s.Set.String(), Now: s.State, To: inbox.Sent}
	}
	if err := w.ledger.Move(ctx, s.ID, inbox.Sent, SaidSent+r.Reason); err != nil {
		return s, err
	}
	return w.ledger.Submission(ctx, s.ID)
}

// What a person says of a set, as the ledger keeps it.
const (
	SaidSent       = "a person says so: "
	SaidNotArrived = "a person says that it did not arrive: "
)

// Resubmit gives up a set whose outcome is unknown, on a person's word that it
// did not arrive, and sends its contents under a new name. What became of it is
// looked for once more before: where that can be found out, nothing is sent, and
// Found is an event.
func (a *App) Resubmit(ctx context.Context, r HandRequest, o Observer) (res SubmitResult, err error) {
	c := a.hand("resubmit", r.Config, o)
	if strings.TrimSpace(r.Reason) == "" {
		return res, usagef("say how you know that it did not arrive, for the ledger: --reason \"…\"")
	}
	w, s, err := c.byHand(ctx, r, func(s inbox.Submission) bool { return s.State == inbox.Unknown })
	if err != nil {
		return res, err
	}
	again := c.underNewName(s, r)
	gone, err := again.giveUp(ctx, w, &s)
	if err = errors.Join(err, w.close()); err != nil || !gone {
		return res, err
	}
	again.command = "submit"
	defer func() { again.event(Finished{res, err}) }()
	return again.send(ctx)
}

// underNewName is the submission of the frozen copies of a set.
func (c *call) underNewName(s inbox.Submission, r HandRequest) *submission {
	request := SubmitRequest{Config: r.Config, Application: s.Set.Application, Sign: s.Signed(), Resubmit: true, Reason: r.Reason, LockWait: r.LockWait, SkipChecks: true}
	again := &submission{call: c, request: request, application: s.Set.Application, env: s.Set.Environment}
	c.config.Sender = s.Set.Sender
	job := inbox.Job{}
	spool := c.spool(c.config)
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
func (s *submission) giveUp(ctx context.Context, w *opened, old *inbox.Submission) (bool, error) {
	if w.link != nil {
		if _, err := w.link.open(ctx); err != nil {
			return false, err
		}
	}
	if err := s.loadIdentity(ctx); err != nil {
		return false, err
	}
	if old.State != inbox.Unknown {
		return false, &inbox.StateError{Name: old.Set.String(), Now: old.State, To: inbox.Cancelled}
	}
	d, err := w.link.deliverer(ctx, w.ledger, 0)
	if err != nil {
		return false, err
	}
	err = d.Settle(ctx, []*inbox.Submission{old})
	if old.State != inbox.Unknown {
		s.event(Found{*old})
		return false, err
	}
	if err != nil && transport.ClassOf(err) != transport.Permanent {
		return false, err
	}
	err = d.Abandon(ctx, old, SaidNotArrived+s.request.Reason)
	if err != nil && old.State == inbox.Cancelled {
		s.event(LeftBehind{err})
		err = nil
	}
	return true, err
}
