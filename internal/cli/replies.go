package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

type repliesOptions struct {
	environment string
	application string
	since       string
	unmatched   bool
	trouble     bool
	limit       int
}

// oneReplyOptions are for the commands about one reply.
type oneReplyOptions struct {
	name     string
	to       string
	identity string
}

func newRepliesCmd(a *program) *cobra.Command {
	var o repliesOptions
	var one oneReplyOptions
	cmd := &cobra.Command{
		Use:   "replies",
		Short: "List the replies that were fetched",
		Long: `List the replies that were fetched, newest first: what each is, what its forms
say, and which declarations it answers. "replies show" explains one, and
"replies open" prints where it lies.`,
		Example: `  socbatch replies --since 7d
  socbatch replies --unmatched
  socbatch replies show FO.NOTI.999999.20261125.00003.R`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runReplies(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "only this environment: R, T or S")
	f.StringVarP(&o.application, "app", "a", "", "only this application, such as NOTI")
	f.StringVar(&o.since, "since", "", "only those fetched since a `DAY` (2026-11-25) or for so long (7d, 36h)")
	f.BoolVar(&o.unmatched, "unmatched", false, "only those of which a form fits no declaration that was sent from here, or several")
	f.BoolVar(&o.trouble, "trouble", false, "only those that a person must look at: unreadable, signature not valid, name used twice")
	f.IntVarP(&o.limit, "limit", "n", 50, "show at most `N`; 0 shows all")
	show := &cobra.Command{
		Use:   "show NAME",
		Short: "Explain a reply",
		Long: `Explain a reply: what each of its forms says, and about which declaration. NAME is
the name of an FO or CO. Values that may be a person's are not shown. One that lies
encrypted is read with the identity; nothing of it is written in clear.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			one.name = args[0]
			return showReply(cmd.Context(), a, one)
		},
	}
	open := &cobra.Command{
		Use:   "open NAME",
		Short: "Print where a reply lies",
		Long: `Print the path of a reply in the archive, to open it with another program. Where
the same name came with other contents, every one is printed.

With --to the reply is written to a file that only you can read, or to standard
output, in clear also where it lies encrypted. Of several, NAME~ and the first
digits of the SHA-256 choose one.`,
		Example: `  xdg-open "$(socbatch replies open FO.NOTI.999999.20261125.00003.R)"
  socbatch replies open FO.NOTI.999999.20261125.00003.R --to reply.xml --identity id.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			one.name = args[0]
			return openReply(cmd.Context(), a, one)
		},
	}
	open.Flags().StringVar(&one.to, "to", "", "`FILE` to write the reply to; - is standard output")
	identityFlag(show, &one.identity)
	identityFlag(open, &one.identity)
	cmd.AddCommand(show, open)
	return cmd
}

func runReplies(ctx context.Context, a *program, o repliesOptions) (err error) {
	filter := ledger.ReplyFilter{Application: strings.ToUpper(o.application), Unmatched: o.unmatched, Trouble: o.trouble, Limit: o.limit}
	a.tellUnknown(o.application)
	if filter.Environment, filter.Since, err = chosen(a, o.environment, o.since); err != nil {
		return err
	}
	return a.withLedger(ctx, func(_ config.Config, l ledger.Ledger) error {
		found, err := l.Replies(ctx, filter)
		if err != nil {
			return err
		}
		list := []*contract.StoredReply{}
		for _, r := range found {
			list = append(list, contract.NewStoredReply(r))
		}
		a.ui.object(contract.StoredReplies{Replies: list})
		if len(found) == 0 {
			a.ui.say("nothing to show")
			return nil
		}
		repliesTable(a, found)
		return nil
	})
}

// chosen reads the filters that several commands have.
func chosen(a *program, environment, since string) (env naming.Environment, from time.Time, err error) {
	if environment != "" {
		if env, err = naming.ParseEnvironment(strings.ToUpper(environment)); err != nil {
			return env, from, &failure.UsageError{Err: err}
		}
	}
	if since != "" {
		from, err = parseSince(since, a.now())
	}
	return env, from, err
}

// tellUnknown warns of a filter that is probably a slip of the pen.
func (a *program) tellUnknown(application string) {
	if _, known := naming.LookupApplication(strings.ToUpper(application)); known {
		return
	}
	if x, ok := near.Application(application); ok {
		a.ui.warn("%s is not a known application: did you mean %s?", printable(application), wording.Application(x.Code))
	}
}

// withLedger does something with the ledger open.
func (a *program) withLedger(ctx context.Context, do func(config.Config, ledger.Ledger) error) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(c, l), l.Close())
}

func repliesTable(a *program, found []ledger.ListedReply) {
	var rows [][]cell
	for _, r := range found {
		rows = append(rows, []cell{
			{text: r.Name}, {text: wording.Clock(r.FetchedAt)}, {text: a.ui.in(whatReply(r))}, {text: outcomeWords(a.ui, r.Outcomes), state: worstOutcome(r.Outcomes)}, {text: dash(answeredWords(a.ui, r))},
		})
	}
	a.ui.table([]column{{"REPLY", false}, {"FETCHED", false}, {"WHAT", true}, {"OUTCOME", false}, {"ANSWERS", true}}, rows)
}

// whatReply says what a reply is.
func whatReply(r ledger.ListedReply) lang.Text {
	if len(r.Kinds) == 1 {
		return wording.Kind(r.Kinds[0])
	}
	if len(r.Kinds) > 1 {
		return text("%s, %s", wording.Kind(r.Kinds[0]), wording.Kind(r.Kinds[1]))
	}
	if app, ok := naming.LookupApplication(r.Application); ok {
		return lang.Word(app.Meaning)
	}
	return lang.Plain(dash(r.Root))
}

func answeredWords(u *ui, r ledger.ListedReply) string {
	var parts []string
	if len(r.Sets) > 0 {
		parts = append(parts, r.Sets[0])
	}
	if n := len(r.Sets) - 1 + r.MoreSets; n > 0 {
		parts = append(parts, u.text("and %d more", n))
	}
	if r.Ambiguous > 0 {
		parts = append(parts, u.in(count(r.Ambiguous, "%d form fits several", "%d forms fit several")))
	}
	if r.Unmatched > 0 {
		parts = append(parts, u.in(count(r.Unmatched, "%d form not from here", "%d forms not from here")))
	}
	if r.Problem != "" {
		parts = append(parts, printable(r.Problem))
	}
	if r.Conflict {
		parts = append(parts, u.text("name used before"))
	}
	return strings.Join(parts, ", ")
}

// worstOutcome is the outcome to look at first.
func worstOutcome(o map[string]int) string {
	for _, x := range []string{ledger.OutcomeRefused, ledger.OutcomeUnknown, ledger.OutcomeToValidate, ledger.OutcomeRemarks, ledger.OutcomeAccepted} {
		if o[x] > 0 {
			return x
		}
	}
	return ""
}

// findReplies gives the stored replies of a name: several, where it came with
// other contents. NAME~ and the first digits of the SHA-256 is one of them.
func findReplies(ctx context.Context, l ledger.Ledger, name string) ([]ledger.ListedReply, error) {
	plain, hash, _ := strings.Cut(name, "~")
	found, err := l.Replies(ctx, ledger.ReplyFilter{Name: plain})
	found = slices.DeleteFunc(found, func(r ledger.ListedReply) bool { return !strings.HasPrefix(r.SHA256, strings.ToLower(hash)) })
	if err == nil && len(found) == 0 {
		err = usagef("%s: no such reply was fetched to this archive", name)
	}
	return found, err
}

func openReply(ctx context.Context, a *program, o oneReplyOptions) error {
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) error {
		found, err := findReplies(ctx, l, o.name)
		if err != nil {
			return err
		}
		if o.to != "" {
			return writeReply(ctx, a, c, found, o)
		}
		var paths []string
		sealed := false
		for _, r := range found {
			path := filepath.Join(c.Replies.Archive, filepath.FromSlash(r.Path))
			_, err := os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) {
				if _, serr := os.Stat(path + seal.Suffix); serr == nil {
					path, err, sealed = path+seal.Suffix, nil, true
				}
			}
			if err != nil {
				return goneError(path, r.Reply, err)
			}
			paths = append(paths, path)
			a.ui.result("%s", path)
		}
		if sealed {
			a.ui.hint("it is encrypted; to write it in clear: socbatch replies open %s --to FILE", o.name)
		}
		a.ui.object(contract.Opened{Paths: paths, Sealed: sealed})
		return nil
	})
}

// goneError says why a reply cannot be opened.
func goneError(path string, r ledger.Reply, err error) error {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case !r.PrunedAt.IsZero():
		return errorf("%s was removed on %s by socbatch prune; the ledger still tells what it said: socbatch replies show %s", r.Name, wording.Clock(r.PrunedAt), r.Name)
	}
	return errorf("%s is not in the archive any more", path)
}

// writeReply writes a reply in clear to where the person wants it.
func writeReply(ctx context.Context, a *program, c config.Config, found []ledger.ListedReply, o oneReplyOptions) error {
	if len(found) > 1 {
		return usagef("%s came %d times with other contents: choose one, such as %s~%s", o.name, len(found), o.name, found[0].SHA256[:12])
	}
	r := found[0].Reply
	path := filepath.Join(c.Replies.Archive, filepath.FromSlash(r.Path))
	from, closer, err := openStored(path, a.archiveIdentity(ctx, c, o.identity))
	if err != nil {
		return goneError(path, r, err)
	}
	defer closer.Close() //nolint:errcheck // only read
	if o.to == "-" {
		if a.ui.json {
			return usagef("--json and the reply cannot both go to standard output")
		}
		if isTerminal(a.ui.out) {
			return usagef("a reply may hold what disturbs a terminal: give a file, or send it on to another program")
		}
		return copyReply(a.ui.out, from, r)
	}
	to, err := filepath.Abs(o.to)
	if err != nil {
		return err
	}
	t, err := a.disk.Create(filepath.Dir(to), ".reply-*")
	if err != nil {
		return err
	}
	defer t.Discard() //nolint:errcheck // after Commit it does nothing
	if err := copyReply(t, from, r); err != nil {
		return err
	}
	if err := t.CommitNew(to); errors.Is(err, os.ErrExist) {
		return existsError(to)
	} else if err != nil {
		return err
	}
	a.ui.result("written  %s", to)
	a.ui.object(contract.Opened{Paths: []string{to}})
	return nil
}

// openStored opens a stored file by its path in clear, also where it lies
// encrypted and there is an identity.
func openStored(path string, id *archiveIdentity) (io.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err == nil {
		return f, f, nil
	}
	if _, serr := os.Stat(path + seal.Suffix); serr != nil || !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if id == nil {
		return nil, nil, credentialf(text("name the file of your identity, as age-keygen wrote it, with --identity, or archive_identity in the configuration"),
			"%s is encrypted, and no identity is given", path+seal.Suffix)
	}
	sealed, err := id.open(path)
	if err != nil {
		return nil, nil, err
	}
	return sealed.Reader(), sealed, nil
}

// copyReply writes a reply, and fails where it is not what was stored.
func copyReply(w io.Writer, from io.Reader, r ledger.Reply) error {
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), from); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
		return errorf("%s was changed in the archive: it is not what was stored", r.Name)
	}
	return nil
}

func showReply(ctx context.Context, a *program, o oneReplyOptions) error {
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) error {
		found, err := findReplies(ctx, l, o.name)
		if err != nil {
			return err
		}
		reader := &answers.Reader{Archive: c.Replies.Archive, Now: a.now}
		id := a.archiveIdentity(ctx, c, o.identity)
		if id != nil {
			reader.Sealed = id.open
		}
		list := []contract.ShownReply{}
		for _, r := range found {
			ties, err := l.AnswersIn(ctx, r.ID, contract.MaxShown)
			if err != nil {
				return err
			}
			shown, err := readShown(reader, r, ties)
			if err != nil {
				return err
			}
			printShown(a, c, shown)
			if r.PrunedAt.IsZero() && !r.SealedAt.IsZero() && id == nil {
				a.ui.hint("what stands in it is encrypted; --identity FILE shows it")
			}
			list = append(list, shown)
		}
		a.ui.object(contract.ShownReplies{Replies: list})
		return nil
	})
}

// readShown reads a stored reply again, for all that the ledger does not keep.
// Of one that was removed, or lies encrypted and cannot be read, there is what
// the ledger keeps. The error is about the identity.
func readShown(reader *answers.Reader, r ledger.ListedReply, ties []ledger.ReplyAnswer) (contract.ShownReply, error) {
	out := contract.ShownReply{StoredReply: contract.NewStoredReply(r), Forms: []contract.Form{}}
	byPosition := map[int]ledger.ReplyAnswer{}
	for _, t := range ties {
		byPosition[t.Position] = t
	}
	_, err := reader.Forms(r.Reply, func(f *reply.Form) error {
		if len(out.Forms) < contract.MaxShown {
			out.Forms = append(out.Forms, contract.NewForm(f, byPosition[f.Index]))
		}
		return nil
	})
	var other *seal.OtherRecipientError
	switch {
	case err == nil:
	case failure.GivenClass(err) == failure.Credentials, errors.As(err, &other):
		return out, err
	case errors.Is(err, fs.ErrNotExist) && (!r.PrunedAt.IsZero() || !r.SealedAt.IsZero()):
		for _, t := range ties {
			out.Forms = append(out.Forms, contract.Form{Number: t.Position, Outcome: t.Outcome, Set: t.Set, SetPart: t.Part, SetForm: t.Form, MatchedBy: t.MatchedBy})
		}
	case out.Problem == "":
		out.Problem = err.Error()
	}
	return out, nil
}

func printShown(a *program, c config.Config, r contract.ShownReply) {
	u := a.ui
	u.result("%s", r.Name)
	var f fields
	what := wording.Kind(r.Kind)
	if _, ok := naming.LookupApplication(r.Application); ok {
		what = wording.Application(r.Application)
	}
	f.add(text("what"), u.in(what))
	f.add(text("environment"), r.Environment)
	f.add(text("fetched"), u.text("%s, %d bytes", wording.Clock(r.FetchedAt), r.Size))
	f.add(lang.Plain("SHA-256"), r.SHA256)
	f.add(text("signature"), u.in(wording.Signature(r.Signature)))
	stored := filepath.Join(c.Replies.Archive, filepath.FromSlash(r.Path))
	switch {
	case r.PrunedAt != nil:
		f.add(text("removed"), u.text("%s, by socbatch prune", wording.Clock(*r.PrunedAt)))
	case r.SealedAt != nil:
		f.add(text("stored as"), stored+seal.Suffix)
		f.add(text("encrypted"), wording.Clock(*r.SealedAt))
	default:
		f.add(text("stored as"), stored)
	}
	switch {
	case r.DeletedAt != nil:
		f.add(text("on server"), u.text("deleted %s", wording.Clock(*r.DeletedAt)))
	default:
		f.add(text("on server"), u.text("not deleted by socbatch"))
	}
	if r.Conflict {
		f.add(text("remark"), u.text("the same name was used before for other contents"))
	}
	if r.Problem != "" {
		f.add(text("problem"), printable(r.Problem))
	}
	f.add(text("forms"), strings.TrimSuffix(fmt.Sprintf("%d: %s", r.Count, outcomeWords(u, r.Outcomes)), ": "))
	u.fields("  ", f)
	codes := u.codeTeller()
	for _, f := range r.Forms {
		printForm(u, codes, f)
	}
	if more := r.Count - len(r.Forms); more > 0 {
		u.result("  … and %d more", more)
	}
}

func printForm(u *ui, codes *codeTeller, f contract.Form) {
	head := u.text("form %d", f.Number)
	if f.Outcome != "" {
		head += "  " + u.mark(f.Outcome, u.in(wording.Outcome(f.Outcome)))
	}
	if f.Identification != "" {
		head += "  " + printable(f.Identification)
	}
	u.result("  %s", head)
	var lines fields
	line := func(label lang.Text, value string) {
		if value != "" {
			lines.add(label, printable(value))
		}
	}
	by := lang.Word(strings.ReplaceAll(f.MatchedBy, "-", " "))
	switch {
	case f.Set != "" && f.SetForm > 0:
		line(text("answers"), u.text("%s, part %d form %d (by %s)", f.Set, f.SetPart, f.SetForm, by))
	case f.Set != "":
		line(text("answers"), u.text("%s (by %s)", f.Set, by))
	case f.MatchedBy == ledger.Ambiguous:
		line(text("answers"), u.text("several declarations fit, so none was chosen"))
	}
	line(text("about file"), f.File)
	line(text("tickets"), strings.Join(f.Tickets, ", "))
	line(text("references"), strings.Join(f.References, ", "))
	line(text("declared"), strings.TrimSpace(f.DeclaredDate+" "+f.DeclaredHour))
	line(text("received"), strings.TrimSpace(f.ReceivedDate+" "+f.ReceivedHour))
	line(text("created"), strings.TrimSpace(f.Date+" "+f.Hour))
	line(text("quarter"), f.Quarter)
	if d := f.Dimona; d != nil {
		line(text("period"), d.PeriodID)
		line(text("  before"), periodWords(u, d.Before))
		line(text("  after"), periodWords(u, d.After))
	}
	if d := f.Daily; d != nil {
		line(text("registration"), d.RegistrationID)
		line(text("  period"), d.PeriodID)
		line(text("  before"), periodWords(u, d.Before))
		line(text("  after"), periodWords(u, d.After))
	}
	for _, w := range f.Works {
		line(text("works"), strings.TrimSpace(strings.Join([]string{w.WorksID, w.ContractID, w.Block}, " ")))
	}
	u.fields("    ", lines)
	for _, e := range f.Errors {
		printAnomaly(u, "    ", e)
		codes.tell("      ", e.ErrorID)
	}
	if f.MoreErrors > 0 {
		u.result("    … and %d more", f.MoreErrors)
	}
	if f.Contact {
		u.result("    a person to turn to stands in the reply")
	}
}

// printAnomaly prints an error id with where it applies.
func printAnomaly(u *ui, indent string, e contract.Anomaly) {
	u.result("%s%s", indent, printable(strings.TrimSpace(strings.Join([]string{e.ErrorID, e.Class, e.Tag, e.Location}, " "))))
	if e.Correction != "" {
		u.result("%s  the office changed it by itself (%s)", indent, printable(e.Correction))
	}
}

func periodWords(u *ui, p *contract.Period) string {
	if p == nil {
		return u.text("no period")
	}
	from := strings.TrimSpace(p.StartDate + " " + p.StartHour)
	to := strings.TrimSpace(p.EndDate + " " + p.EndHour)
	if to == "" {
		to = "…"
	}
	return from + " – " + to
}
