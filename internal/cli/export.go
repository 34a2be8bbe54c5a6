package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/export"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/wording"
)

type exportOptions struct {
	out         string
	environment string
	since       string
	until       string
	identity    string
	recipients  []string
	lockWait    time.Duration
}

func newExportCmd(a *program, run func(context.Context, *program, exportOptions) error) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export --out FILE.zip",
		Short: "Write everything for an auditor into one ZIP",
		Long: `Write everything for an auditor into one ZIP: the ledger as CSV and JSON lines, the
declarations as they were sent with their signatures, the replies as they came, a
list of hashes that "sha256sum -c SHA256SUMS" checks, and a page that explains it.

The ledger is as it was at one moment. Every file is compared with the hash that
the ledger has of it. What lies encrypted is put in clear into the ZIP where an
identity is given, and else stays encrypted. With --recipient the ZIP itself is
encrypted. A file that is there already is not overwritten.`,
		Example: `  socbatch export --out audit.zip --since 2026-01-01 --until 2026-03-31
  socbatch export --out audit.zip --identity id.txt --recipient age1…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "out", "o", "", "`FILE` to write")
	f.StringVarP(&o.environment, "env", "e", "", "only this environment: R, T or S")
	f.StringVar(&o.since, "since", "", "only from a `DAY` (2026-11-25) on, or of so long (90d)")
	f.StringVar(&o.until, "until", "", "only up to a `DAY` (2026-11-25), which is included")
	f.StringSliceVar(&o.recipients, "recipient", nil, "encrypt the ZIP for this `RECIPIENT` of age; may be repeated")
	identityFlag(cmd, &o.identity)
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	return cmd
}

func runExport(ctx context.Context, a *program, o exportOptions) error {
	if o.out == "" {
		return usagef("say where to write: --out FILE.zip")
	}
	period, err := exportPeriod(a, o)
	if err != nil {
		return err
	}
	to, err := app.Recipients(o.recipients)
	if err != nil {
		return &failure.UsageError{Err: err}
	}
	path, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	if to != nil && !strings.HasSuffix(path, seal.Suffix) {
		path += seal.Suffix
	}
	if _, err := os.Lstat(path); err == nil {
		return existsError(path)
	}
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) (err error) {
		held, err := lock.Acquire(ctx, app.WorkspaceOf(c).Locks(), archive.Lock, "socbatch export", o.lockWait)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, held.Release()) }()
		options := export.Options{
			Ledger: l, Archive: a.core().Archive(c, l), Period: period, Now: a.now(), Program: "socbatch " + a.build.Version,
			Readme: func(s export.Summary) string { return exportReadme(a.ui, s) },
		}
		if id := a.archiveIdentity(ctx, c, o.identity); id != nil {
			if options.Identities, err = id.load(); err != nil {
				return err
			}
		}
		out, err := a.writeExport(ctx, path, to, options)
		if errors.Is(err, os.ErrExist) {
			return existsError(path)
		}
		if err != nil {
			return err
		}
		return exportResult(a, out)
	})
}

func existsError(path string) error {
	return usagef("%s is there already, and is not overwritten: choose another name", displayPath(path))
}

func exportPeriod(a *program, o exportOptions) (p ledger.Period, err error) {
	if p.Environment, _, err = chosen(a, o.environment, ""); err != nil {
		return p, err
	}
	if o.since != "" {
		if p.Since, err = parseSince(o.since, a.now()); err != nil {
			return p, err
		}
	}
	if o.until != "" {
		if p.Until, err = parseDay(o.until); err != nil {
			return p, err
		}
		p.Until = p.Until.AddDate(0, 0, 1)
	}
	if o.since != "" && o.until != "" && !p.Since.Before(p.Until) {
		return p, usagef("--until lies before --since")
	}
	return p, nil
}

// exported is a ZIP that was written.
type exported struct {
	path    string
	size    int64
	hash    string
	sealed  bool
	summary export.Summary
}

// exportPrefix begins the names of files that are being written.
const exportPrefix = ".export-"

// writeExport writes the ZIP, which gets its name when it is whole.
func (a *program) writeExport(ctx context.Context, path string, to *seal.Recipients, o export.Options) (exported, error) {
	out := exported{path: path, sealed: to != nil}
	// What killed runs left has declarations in it.
	if err := a.disk.Sweep(filepath.Dir(path), exportPrefix, a.now().Add(-24*time.Hour)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Debug("what killed runs left is not removed", "error", err)
	}
	t, err := a.disk.Create(filepath.Dir(path), exportPrefix+"*")
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok { // the name of the beginnings means nothing to anybody
			err = &fs.PathError{Op: p.Op, Path: filepath.Dir(path), Err: p.Err}
		}
		return out, failure.Hint(errorf("%s; nothing was exported", err), text("name a place where you may write with --out"))
	}
	defer t.Discard() //nolint:errcheck // after Commit it does nothing
	sum := sha256.New()
	n := &lengthWriter{w: io.MultiWriter(t, sum)}
	var w io.Writer = n
	var sealer io.WriteCloser
	if to != nil {
		if sealer, err = to.Encrypt(n); err != nil {
			return out, err
		}
		w = sealer
	}
	if out.summary, err = export.Write(ctx, w, o); err != nil {
		return out, err
	}
	if sealer != nil {
		if err := sealer.Close(); err != nil {
			return out, err
		}
	}
	out.size, out.hash = n.n, hex.EncodeToString(sum.Sum(nil))
	return out, t.CommitNew(path)
}

type lengthWriter struct {
	w io.Writer
	n int64
}

func (l *lengthWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.n += int64(n)
	return n, err
}

// maxProblems is how many files are named for a person; the ZIP has all.
const maxProblems = 20

func exportResult(a *program, e exported) error {
	u, s := a.ui, e.summary
	u.result("written  %s (%s): %s, %s, %s", e.path, wording.Size(e.size), count(s.Rows["submissions"], "%d declaration", "%d declarations"),
		count(s.Rows["replies"], "%d reply", "%d replies"), count(s.Files, "%d file", "%d files"))
	u.result("%s", "SHA-256  "+e.hash)
	if s.Sealed > 0 {
		u.say("still encrypted in it: %s; --identity FILE puts that into it in clear", count(s.Sealed, "%d file", "%d files"))
	}
	if s.Pruned > 0 {
		u.say("removed by prune before: %s; the ledger still tells of that", count(s.Pruned, "%d file", "%d files"))
	}
	if !e.sealed && s.Sealed < s.Files {
		u.say("it holds declarations and replies in clear: keep it safe, or encrypt it with --recipient")
	}
	for i, p := range s.Problems {
		if i == maxProblems {
			u.say("… and %d more", len(s.Problems)-maxProblems)
			break
		}
		switch p.Reason {
		case export.Missing:
			u.warn("%s is missing: it does not lie where the ledger says", p.Name)
		case export.Changed:
			u.warn("%s has other contents than the ledger says; it is in the ZIP as it is", p.Name)
		default:
			u.warn("%s is damaged: at most its beginning is in the ZIP", p.Name)
		}
	}
	var err error
	out := contract.Export{File: e.path, Size: e.size, SHA256: e.hash, Encrypted: e.sealed, Rows: s.Rows, Files: s.Files, Sealed: s.Sealed, Pruned: s.Pruned, Problems: s.Problems}
	if n := len(s.Problems); n > 0 {
		err = failure.New(failure.Partly, errorf("the ZIP is written; not as the ledger says: %s", count(n, "%d file", "%d files")))
		x := explain(err)
		out.Error = &x
	}
	u.object(out)
	return err
}

// exportReadme is the page that explains the ZIP.
func exportReadme(u *ui, s export.Summary) string {
	var b strings.Builder
	line := func(t lang.Text) { b.WriteString(u.in(t) + "\r\n") }
	row := func(name string, t lang.Text) {
		b.WriteString("  " + name + strings.Repeat(" ", max(1, 28-len(name))) + u.in(t) + "\r\n")
	}
	day := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return wording.Clock(*t)
	}
	line(text("Declarations to the Belgian social security and the answers to them"))
	line(lang.Text{})
	line(text("Made on %s by %s. Times in the tables are in UTC, those of this page in Brussels.", wording.Clock(s.MadeAt), s.Program))
	line(text("From %s to %s; environment %s.", day(s.Since), day(s.Until), dash(s.Environment)))
	line(lang.Text{})
	row("ledger/submissions", text("every declaration (set) with its state now: %d", s.Rows["submissions"]))
	row("ledger/history", text("how each came to that state: %d", s.Rows["history"]))
	row("ledger/parts", text("the files of each, with their SHA-256: %d", s.Rows["parts"]))
	row("ledger/replies", text("the replies, with their SHA-256 and what checking their signature gave: %d", s.Rows["replies"]))
	row("ledger/answers", text("what each form of a reply says, and to which declaration: %d", s.Rows["answers"]))
	row("ledger/anomalies", text("the error codes in them: %d", s.Rows["anomalies"]))
	row("declarations/", text("the declarations (FI) as they were sent, and their signatures (FS)"))
	row("replies/", text("the replies (FO, CO) as they came, and their signatures (FS)"))
	row(export.SummaryName, text("the counts, and what is missing, for programs"))
	row(export.SumsName, text("the SHA-256 of every file; check with: sha256sum -c SHA256SUMS"))
	line(lang.Text{})
	line(text("Each table is there twice: as .csv for spreadsheets, where a text that a spreadsheet would calculate has an apostrophe before it, and as .jsonl, one JSON object per line."))
	line(text("In environment R declarations are real; T and S are tests."))
	if s.Sealed > 0 {
		line(text("Files that end in .age are encrypted (%d); age -d -i IDENTITY opens them.", s.Sealed))
	}
	if s.Pruned > 0 {
		line(text("Files that were removed because of their age before: %d. The tables still tell of them.", s.Pruned))
	}
	if n := len(s.Problems); n > 0 {
		line(text("Files that are missing, changed or damaged: %d. %s lists them.", n, export.SummaryName))
	}
	return b.String()
}
