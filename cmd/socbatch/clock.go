package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
)

// How far the clock of this machine may be behind an entry of the ledger, and
// behind an answer of the office, whose hour is told twice in a night of autumn.
const (
	clockTolerated  = 10 * time.Minute
	officeTolerated = time.Hour
)

type clockOptions struct {
	accept bool
	reason string
}

func newClockCmd(a *app, run func(context.Context, *app, clockOptions) error) *cobra.Command {
	var o clockOptions
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Compare the clock with the ledger; go on after it was ahead",
		Long: `Compare the clock of this machine with the entries of the ledger, and with the
times at which the office made its answers.

Names carry the day, so nothing is sent by a clock that is behind the ledger.
When the clock was ahead once, and is right now, the entries of that time would
stop everything until their time has come: --accept says that they were made by
a wrong clock. They stay as they are, nothing is forgotten, and the reason is
kept in the ledger. Where an answer of the office shows that the clock is behind
now, it is refused.`,
		Example: `  socbatch clock
  socbatch clock --accept --reason "the clock was a month ahead on 3 December"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.accept, "accept", false, "say that the clock is right now and was ahead before; needs --reason")
	f.StringVar(&o.reason, "reason", "", "why, for the ledger")
	return cmd
}

type jsonClock struct {
	Now      time.Time  `json:"now"`
	Latest   *time.Time `json:"latest"`
	Office   *time.Time `json:"office"`
	Behind   bool       `json:"behind"`
	Accepted bool       `json:"accepted"`
}

func runClock(ctx context.Context, a *app, o clockOptions) error {
	reason := strings.TrimSpace(o.reason)
	if o.accept != (reason != "") {
		return usagef("--accept needs a reason for the ledger: --reason \"…\"; nothing was changed")
	}
	return a.withLedger(ctx, func(_ config.Config, l *ledger.Ledger) error {
		read, err := l.Clock(ctx)
		if err != nil {
			return err
		}
		now := a.now()
		out := jsonClock{Now: now.UTC(), Latest: timeOrNil(read.Latest), Office: timeOrNil(read.Office), Behind: read.Latest.After(now.Add(clockTolerated))}
		if o.accept {
			if err := acceptClock(ctx, l, now, read, out.Behind, reason); err != nil {
				return err
			}
			out.Behind, out.Accepted = false, true
		}
		tellClock(a, now, read, out)
		a.ui.object(out)
		return nil
	})
}

func acceptClock(ctx context.Context, l *ledger.Ledger, now time.Time, read ledger.ClockReading, behind bool, reason string) error {
	switch {
	case read.Office.After(now.Add(officeTolerated)):
		return errorf("the clock of this machine says %s, and the office made an answer at %s: set the clock right; nothing was changed", wording.Clock(now), wording.Clock(read.Office))
	case !behind:
		return usagef("no entry of the ledger is later than the clock of this machine (%s); nothing was changed", wording.Clock(now))
	}
	return l.AcceptClock(ctx, reason)
}

func tellClock(a *app, now time.Time, read ledger.ClockReading, out jsonClock) {
	var f fields
	f.add(text("this machine"), wording.Clock(now))
	if !read.Latest.IsZero() {
		f.add(text("latest entry"), wording.Clock(read.Latest))
	}
	if !read.Office.IsZero() {
		f.add(text("latest answer"), wording.Clock(read.Office))
	}
	a.ui.fields("", f)
	switch {
	case out.Accepted:
		a.ui.say("accepted: entries made by the clock that was ahead no longer stop sending; they stay in the ledger")
	case out.Behind:
		a.ui.warn("%s", errorf("the ledger has entries that are later than the clock of this machine: nothing is sent"))
		a.ui.hint("set the clock right if it is behind, best by a time server")
		a.ui.hint(acceptHint)
	}
}

const acceptHint = "if the clock is right now, and was ahead then: socbatch clock --accept --reason \"…\""

// checkClock refuses to send with a clock that is behind what was recorded
// before: names would carry a wrong date.
func checkClock(ctx context.Context, a *app, l *ledger.Ledger) error {
	read, err := l.Clock(ctx)
	if err != nil {
		return err
	}
	if now := a.now(); read.Latest.After(now.Add(clockTolerated)) {
		return failure.Hint(
			errorf("the clock of this machine says %s, and the ledger has an entry of %s: if the clock is behind, set the clock right; nothing was sent", wording.Clock(now), wording.Clock(read.Latest)),
			text(acceptHint))
	}
	return nil
}
