package app

import (
	"context"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// How far the clock of this machine may be behind an entry of the ledger, and
// behind an answer of the office, whose hour is told twice in a night of autumn.
const (
	clockTolerated  = 10 * time.Minute
	officeTolerated = time.Hour
)

// ClockError is a clock that is behind what was recorded before: names would
// carry a wrong date.
type ClockError struct {
	Now, Latest time.Time
}

func (e *ClockError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *ClockError) Said() (format string, args []any) { return e.problem().Said() }

func (e *ClockError) problem() *problem.Error {
	return problem.New("the clock of this machine says %s, and the ledger has an entry of %s: if the clock is behind, set the clock right; nothing was sent", moment(e.Now), moment(e.Latest))
}

// moment is a time by the clocks of the office.
func moment(t time.Time) string { return t.In(naming.Brussels()).Format("2006-01-02 15:04") }

// CheckClock refuses a clock that is behind what the ledger has.
func (a *App) CheckClock(ctx context.Context, l ledger.Ledger) error {
	read, err := l.Clock(ctx)
	if err != nil {
		return err
	}
	if now := a.Now(); read.Latest.After(now.Add(clockTolerated)) {
		return &ClockError{now, read.Latest}
	}
	return nil
}

// ClockReport compares the clock with the ledger and with the office.
type ClockReport struct {
	Now      time.Time
	Latest   time.Time // entry of the ledger that counts; zero: none
	Office   time.Time // answer of the office; zero: none
	Behind   bool      // nothing is sent
	Accepted bool
}

// Clock compares the clock with the ledger.
func (a *App) Clock(ctx context.Context, l ledger.Ledger) (ClockReport, error) {
	read, err := l.Clock(ctx)
	now := a.Now()
	return ClockReport{Now: now, Latest: read.Latest, Office: read.Office, Behind: read.Latest.After(now.Add(clockTolerated))}, err
}

// AcceptClock is a person's word, with a reason, that the clock is right now and
// was ahead before. An answer of the office that is later than the clock shows
// that it is not.
func (a *App) AcceptClock(ctx context.Context, l ledger.Ledger, reason string) (ClockReport, error) {
	r, err := a.Clock(ctx, l)
	if err != nil {
		return r, err
	}
	return r.accept(ctx, l, reason)
}

func (r ClockReport) accept(ctx context.Context, l ledger.Ledger, reason string) (ClockReport, error) {
	switch {
	case r.Office.After(r.Now.Add(officeTolerated)):
		return r, problem.New("the clock of this machine says %s, and the office made an answer at %s: set the clock right; nothing was changed", moment(r.Now), moment(r.Office))
	case !r.Behind:
		return r, usagef("no entry of the ledger is later than the clock of this machine (%s); nothing was changed", moment(r.Now))
	}
	if err := l.AcceptClock(ctx, reason); err != nil {
		return r, err
	}
	r.Behind, r.Accepted = false, true
	return r, nil
}
