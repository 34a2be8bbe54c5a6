package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
)

type clockOptions struct {
	accept bool
	reason string
}

func newClockCmd(a *program, run func(context.Context, *program, clockOptions) error) *cobra.Command {
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

func runClock(ctx context.Context, a *program, o clockOptions) error {
	reason := strings.TrimSpace(o.reason)
	if o.accept != (reason != "") {
		return usagef("--accept needs a reason for the ledger: --reason \"…\"; nothing was changed")
	}
	return a.withLedger(ctx, func(_ config.Config, l ledger.Ledger) error {
		look := a.core().Clock
		if o.accept {
			look = func(ctx context.Context, l ledger.Ledger) (app.ClockReport, error) {
				return a.core().AcceptClock(ctx, l, reason)
			}
		}
		r, err := look(ctx, l)
		if err != nil {
			return err
		}
		tellClock(a, r)
		a.ui.object(contract.Clock{Now: r.Now.UTC(), Latest: contract.Time(r.Latest), Office: contract.Time(r.Office), Behind: r.Behind, Accepted: r.Accepted})
		return nil
	})
}

func tellClock(a *program, r app.ClockReport) {
	var f fields
	f.add(text("this machine"), wording.Clock(r.Now))
	if !r.Latest.IsZero() {
		f.add(text("latest entry"), wording.Clock(r.Latest))
	}
	if !r.Office.IsZero() {
		f.add(text("latest answer"), wording.Clock(r.Office))
	}
	a.ui.fields("", f)
	switch {
	case r.Accepted:
		a.ui.say("accepted: entries made by the clock that was ahead no longer stop sending; they stay in the ledger")
	case r.Behind:
		a.ui.warn("%s", errorf("the ledger has entries that are later than the clock of this machine: nothing is sent"))
		a.ui.hint("set the clock right if it is behind, best by a time server")
		a.ui.hint(wording.AcceptClock)
	}
}
