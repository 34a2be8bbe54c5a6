package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
)

type pruneOptions struct {
	olderThan   string
	environment string
	dryRun      bool
	yes         bool
	lockWait    time.Duration
}

func newPruneCmd(a *program, run func(context.Context, *program, pruneOptions) error) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove old replies and frozen copies that are answered",
		Long: `Remove old replies from the archive, and the frozen copies of declarations that
were answered long ago.

Nothing goes that may still be needed: a declaration without its final answer, a
reply that was not read or cannot be read, that fits no declaration of yours, or
that is still on the server. The ledger keeps what was sent and answered, so that
nothing is ever sent twice; it also remembers what was removed and when.

On a terminal it asks first; where nobody can be asked it needs --yes.`,
		Example: `  socbatch prune --older-than 5y --dry-run
  socbatch prune --older-than 18mo --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.olderThan, "older-than", "", "`AGE` from which files go: days (400d), weeks (60w), months (18mo) or years (5y); default: as configured")
	f.StringVarP(&o.environment, "env", "e", "", "only this environment: R, T or S")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be removed, remove nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	return cmd
}

func runPrune(ctx context.Context, a *program, o pruneOptions) error {
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) (err error) {
		f, err := pruneFilter(a, c, o)
		if err != nil {
			return err
		}
		release, err := a.core().LockArchive(ctx, c, "socbatch prune", o.lockWait)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
		store := a.core().Archive(c, l)
		found, err := store.Prunable(ctx, f)
		if err != nil {
			return err
		}
		sets, replies, err := l.Kept(ctx, f)
		if err != nil {
			return err
		}
		if o.dryRun {
			pruneResult(a, f, found, sets, replies, true)
			return nil
		}
		if found.Files > 0 && !o.yes {
			if err := confirmPrune(a, f, found); err != nil {
				return err
			}
		}
		done, err := store.Prune(ctx, f)
		if err != nil {
			return errorf("not everything was removed: %s", err)
		}
		pruneResult(a, f, done, sets, replies, false)
		return nil
	})
}

func pruneFilter(a *program, c config.Config, o pruneOptions) (f ledger.PruneFilter, err error) {
	if f.Environment, _, err = chosen(a, o.environment, ""); err != nil {
		return f, err
	}
	age := c.Prune.After
	if o.olderThan != "" {
		if age, err = config.ParsePeriod(o.olderThan); err != nil {
			return f, &failure.UsageError{Err: err}
		}
	}
	if age == "" {
		return f, usagef("how old? give --older-than, such as 5y, or put after = \"5y\" under [prune] into the configuration")
	}
	f.Before = age.Before(a.now())
	return f, nil
}

// confirmPrune asks the person, who must be at a terminal.
func confirmPrune(a *program, f ledger.PruneFilter, found archive.Pruned) error {
	in, ok := a.ui.streams.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || a.ui.json { //nolint:gosec // a file descriptor is small
		return usagef("nobody can be asked: say --yes to remove them, or --dry-run to see what would go; nothing was removed")
	}
	a.ui.ask("%s and the frozen copies of %s, all from before %s, will be removed for good. Go on? [y/N]",
		count(found.Replies, "%d reply", "%d replies"), count(found.Sets, "%d declaration", "%d declarations"), wording.Clock(f.Before))
	answer, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !slices.Contains(strings.Fields(a.ui.text("y yes")), strings.ToLower(strings.TrimSpace(answer))) {
		return failure.New(failure.Interrupted, errorf("nothing was removed"))
	}
	return nil
}

// keptWords say why something old is kept.
func keptWords(reason string) lang.Text {
	switch reason {
	case ledger.KeptUnanswered:
		return text("without a final answer")
	case ledger.KeptRecent:
		return text("heard of since")
	case ledger.KeptOnServer:
		return text("still on the server")
	case ledger.KeptUnread:
		return text("not read yet")
	case ledger.KeptUnreadable:
		return text("unreadable")
	case ledger.KeptSignature:
		return text("signature not valid")
	case ledger.KeptUnmatched:
		return text("no matching declaration from here")
	case ledger.KeptOpen:
		return text("about a declaration that is kept")
	}
	return text("the hook was not told yet")
}

func pruneResult(a *program, f ledger.PruneFilter, p archive.Pruned, sets, replies map[string]int, dry bool) {
	u := a.ui
	what := text("removed  %s and the frozen copies of %s (%s, %s), all from before %s", count(p.Replies, "%d reply", "%d replies"),
		count(p.Sets, "%d declaration", "%d declarations"), count(p.Files, "%d file", "%d files"), wording.Size(p.Bytes), wording.Clock(f.Before))
	if dry {
		what = text("would be removed  %s and the frozen copies of %s (%s, %s), all from before %s", count(p.Replies, "%d reply", "%d replies"),
			count(p.Sets, "%d declaration", "%d declarations"), count(p.Files, "%d file", "%d files"), wording.Size(p.Bytes), wording.Clock(f.Before))
	}
	u.result("%s", what)
	for _, k := range []struct {
		counts map[string]int
		what   func(n int) lang.Text
	}{
		{sets, func(n int) lang.Text { return count(n, "%d declaration", "%d declarations") }},
		{replies, func(n int) lang.Text { return count(n, "%d reply", "%d replies") }},
	} {
		for _, reason := range slices.Sorted(maps.Keys(k.counts)) {
			u.result("kept  %s: %s", k.what(k.counts[reason]), keptWords(reason))
		}
	}
	if p.Missing > 0 {
		u.warn("no file is there of %s; check that archive and state_dir are those that were used then", count(p.Missing, "%d old reply or declaration", "%d old replies or declarations"))
	}
	out := contract.Prune{
		DryRun: dry, Before: f.Before.UTC(), Environment: string(f.Environment), Replies: p.Replies, Declarations: p.Sets, Files: p.Files, Bytes: p.Bytes,
		Missing: p.Missing, KeptReplies: replies, KeptDeclarations: sets,
	}
	u.object(out)
}
