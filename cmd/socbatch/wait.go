package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// errNoAnswer ends a poll that ran out of time.
var errNoAnswer = errors.New("no answer yet")

// poll looks until look reports that all is there, at most for the given time.
// The interval grows and is spread, so that many clients do not come at once;
// a temporary failure is told and waited out.
func poll(ctx context.Context, a *app, most, interval time.Duration, look func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	for {
		done, err := look(ctx)
		switch {
		case err == nil && done:
			return nil
		case err == nil:
		case transport.ClassOf(err) == transport.Temporary:
			a.ui.event("retry", map[string]any{"error": explain(err)})
			a.ui.say("the server is not there now (%s); trying again", wording.RootCause(err))
		default:
			return err
		}
		spread := time.Duration(float64(interval) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // not a secret
		select {
		case <-time.After(spread):
		case <-deadline.C:
			return errNoAnswer
		case <-ctx.Done():
			return ctx.Err()
		}
		interval = min(interval*3/2, 10*time.Minute)
	}
}

// await fetches until every set that was sent has a final answer.
func (s *submission) await(ctx context.Context, a *app, l *ledger.Ledger, outcomes []inbox.JobResult, link *link) ([]inbox.Submission, error) {
	var open []int64
	for _, o := range outcomes {
		if o.Err == nil {
			open = append(open, o.Submission.ID)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	a.ui.event("waiting", map[string]any{"submissions": len(open), "most_seconds": s.options.wait.Seconds()})
	a.ui.say("waiting for the answers, at most %s", s.options.wait)
	// The first looks come soon: a test environment answers within seconds.
	var latest []inbox.Submission
	err := poll(ctx, a, s.options.wait, time.Second, func(ctx context.Context) (bool, error) {
		session, err := link.open(ctx)
		if err != nil {
			return false, err
		}
		if _, err = fetchOnce(ctx, a, s.config, l, session, []naming.Environment{s.env}, fetchOptions{lockWait: s.options.lockWait}); err != nil {
			link.drop()
			return false, err
		}
		latest = latest[:0]
		all := true
		for _, id := range open {
			sub, err := l.Submission(ctx, id)
			if err != nil {
				return false, err
			}
			latest = append(latest, sub)
			all = all && sub.State.Final()
		}
		return all, nil
	})
	for _, sub := range latest {
		line := a.ui.mark(string(sub.State), a.ui.in(wording.State(sub.State))) + "  " + sub.Set.String()
		if sub.Note != "" {
			line += "  " + a.ui.in(wording.Note(sub.Note))
		}
		a.ui.result("%s", line)
		if sub.State == inbox.Refused {
			a.ui.hintCodes(sub.Note)
			a.ui.hint("see the whole story: socbatch status %s", sub.Set)
		}
	}
	tellNameUsed(a, latest)
	if errors.Is(err, errNoAnswer) {
		a.ui.say("time is up; look again later with: socbatch fetch --env %s", s.env)
		err = nil
	}
	return latest, err
}
