package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// errNoAnswer ends a poll that ran out of time.
var errNoAnswer = errors.New("no answer yet")

// poll looks until look reports that all is there, at most for the given time.
// The interval grows and is spread, so that many clients do not come at once;
// a temporary failure is told and waited out.
func (c *call) poll(ctx context.Context, limit, interval time.Duration, look func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		done, err := look(ctx)
		switch {
		case err == nil && done:
			return nil
		case err == nil:
		case transport.ClassOf(err) == transport.Temporary:
			c.event(Retry{err})
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
func (s *submission) await(ctx context.Context, w *opened, files []FileResult) ([]inbox.Submission, error) {
	var open []int64
	for _, f := range files {
		if f.Err == nil {
			open = append(open, f.Submission.ID)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	s.event(Waiting{len(open), s.request.Wait})
	// The first looks come soon: a test environment answers within seconds.
	var latest []inbox.Submission
	err := s.poll(ctx, s.request.Wait, time.Second, func(ctx context.Context) (bool, error) {
		session, err := w.link.open(ctx)
		if err != nil {
			return false, err
		}
		if _, err = s.fetchOnce(ctx, w.ledger, session, []naming.Environment{s.env}, FetchRequest{LockWait: s.request.LockWait}); err != nil {
			w.link.drop()
			return false, err
		}
		latest = latest[:0]
		all := true
		for _, id := range open {
			sub, err := w.ledger.Submission(ctx, id)
			if err != nil {
				return false, err
			}
			latest = append(latest, sub)
			all = all && sub.State.Final()
		}
		return all, nil
	})
	timeUp := errors.Is(err, errNoAnswer)
	s.event(Answered{latest, timeUp, s.env})
	if timeUp {
		err = nil
	}
	return latest, err
}
