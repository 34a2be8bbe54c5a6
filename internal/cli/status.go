package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

type statusOptions struct {
	name        string
	environment string
	application string
	open        bool
	refused     bool
	since       string
	late        bool
	limit       int
}

func newStatusCmd(a *program, run func(context.Context, *program, statusOptions) error) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show what was sent and what became of it",
		Long: `Show what was sent and what became of it, newest first; with a NAME, the whole
story of one declaration: its files, its way, and each answer.

NAME is the name of the set or of one of its files.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "only this environment: R, T or S")
	f.StringVarP(&o.application, "app", "a", "", "only this application")
	f.BoolVar(&o.open, "open", false, "only those without a final answer")
	f.BoolVar(&o.refused, "refused", false, "only those that were refused")
	f.BoolVar(&o.late, "late", false, "only those whose receipt or notification should be there by now")
	f.StringVar(&o.since, "since", "", "only those made since a `DAY` (2026-11-25) or for so long (7d, 36h)")
	f.IntVarP(&o.limit, "limit", "n", 50, "show at most `N`; 0 shows all")
	a.metricsFlag(cmd)
	return cmd
}

func runStatus(ctx context.Context, a *program, o statusOptions) (err error) {
	filter := ledger.Filter{Application: strings.ToUpper(o.application), Limit: o.limit}
	a.tellUnknown(o.application)
	if filter.Environment, filter.Since, err = chosen(a, o.environment, o.since); err != nil {
		return err
	}
	filter.States = o.states()
	if o.late {
		filter.Limit = 0 // what is late is found among all
	}
	var used *config.Config
	defer func() {
		if used != nil {
			a.core().WriteMetrics(ctx, *used, a.observer(), err)
		}
	}()
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) error {
		used = &c
		if o.name != "" {
			return statusOne(ctx, a, c, l, o.name)
		}
		found, err := l.Submissions(ctx, filter)
		if err != nil {
			return err
		}
		if o.late {
			found = slices.DeleteFunc(found, func(s inbox.Submission) bool { return a.core().Late(c, s) == inbox.InTime })
			if o.limit > 0 && len(found) > o.limit {
				found = found[:o.limit]
			}
		}
		list := []*contract.Submission{}
		for _, s := range found {
			js := contract.NewSubmission(s)
			js.Late = string(a.core().Late(c, s))
			list = append(list, js)
		}
		a.ui.object(contract.Submissions{Submissions: list})
		if a.ui.json {
			return nil
		}
		if len(found) == 0 {
			a.ui.say("nothing to show")
			return nil
		}
		statusTable(a, c, found)
		tellNameUsed(a, found)
		tellLate(a, c, found)
		return nil
	})
}

// states are those that the flags choose; none: all.
func (o statusOptions) states() []inbox.State {
	var chosen []inbox.State
	for _, s := range inbox.States() {
		open := (o.open || o.late) && slices.Contains(app.OpenStates(), s)
		if open || (o.refused && s == inbox.Refused) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

func statusTable(a *program, c config.Config, found []inbox.Submission) {
	var rows [][]cell
	for _, s := range found {
		sent, age := "-", "-"
		if !s.SentAt.IsZero() {
			sent, age = wording.Clock(s.SentAt), ageWords(a.now().Sub(s.SentAt))
		}
		state := cell{text: a.ui.in(wording.State(s.State)), state: string(s.State)}
		if a.core().Late(c, s) != inbox.InTime {
			age = a.ui.text("%s late", age)
			state.state = "late"
		}
		rows = append(rows, []cell{{text: s.Set.String()}, {text: sent}, {text: age, state: state.state}, state, {text: dash(s.Ticket)}, {text: dash(a.ui.in(wording.Note(s.Note)))}})
	}
	a.ui.table([]column{{"SET", false}, {"SENT", false}, {"AGE", false}, {"STATE", false}, {"RECEIPT", false}, {"REMARK", true}}, rows)
}

// tellNameUsed says of sets whose name somebody else used what that means, and what to do.
func tellNameUsed(a *program, sets []inbox.Submission) {
	told := 0
	for _, s := range sets {
		if s.State != inbox.NameUsed {
			continue
		}
		if told++; told > maxLeft {
			continue
		}
		a.ui.warn("%s: somebody else delivered under this name (ACRF-133): whether this declaration is processed is not known, and it is not sent again by itself", s.Set)
	}
	if told > 0 {
		a.ui.hint("this ledger is not the only one for this sender: another program, another computer or user, or a ledger that was put back")
		a.ui.hint("look on the portal, or ask the office, whether the declaration is there; if it is not: socbatch submit FILE --resubmit --reason \"…\"")
	}
}

// tellLate says of what is late what to do.
func tellLate(a *program, c config.Config, found []inbox.Submission) {
	n := map[inbox.Lateness]int{}
	for _, s := range found {
		n[a.core().Late(c, s)]++
	}
	if k := n[inbox.LateReceipt]; k > 0 {
		a.ui.warn("%s without a receipt for more than %s", count(k, "%d declaration", "%d declarations"), ageWords(time.Duration(c.Status.ReceiptAfter)))
	}
	if k := n[inbox.LateNotification]; k > 0 {
		a.ui.warn("%s without a notification for more than %s", count(k, "%d declaration", "%d declarations"), ageWords(time.Duration(c.Status.NotificationAfter)))
	}
	if n[inbox.LateReceipt]+n[inbox.LateNotification] > 0 {
		a.ui.hint("run socbatch fetch; if nothing comes, call %s, with the name of the set and the ticket of the receipt", c.Status.Contact)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func statusOne(ctx context.Context, a *program, c config.Config, l ledger.Ledger, name string) error {
	s, err := l.Find(ctx, name)
	if err != nil {
		return err
	}
	history, err := l.History(ctx, s.ID)
	if err != nil {
		return err
	}
	answers, err := l.Answers(ctx, s.ID)
	if err != nil {
		return err
	}
	calls, err := l.HookCalls(ctx, s.ID)
	if err != nil {
		return err
	}
	sealed, pruned, err := l.FrozenCopy(ctx, s.ID)
	if err != nil {
		return err
	}
	story := contract.Story{SealedAt: contract.Time(sealed), PrunedAt: contract.Time(pruned), Submission: contract.NewSubmission(s), Events: []contract.StateChange{}, Answers: []contract.Answer{}, Hooks: contract.NewHooks(calls)}
	for _, e := range history {
		story.Events = append(story.Events, e2j(e))
	}
	for _, x := range answers {
		ja := contract.Answer{Reply: x.Reply, Path: x.Path, Signature: x.Signature, Kind: x.Kind, Outcome: x.Outcome, MatchedBy: x.MatchedBy, Part: x.Part, Form: x.Form, Errors: x.Anomalies}
		if len(x.Tickets) > 0 {
			ja.Ticket = x.Tickets[0]
		}
		story.Answers = append(story.Answers, ja)
	}
	story.Late = string(a.core().Late(c, s))
	a.ui.object(story)
	if !a.ui.json {
		printStory(a, s, frozenWords(sealed, pruned), history, answers)
		tellNameUsed(a, []inbox.Submission{s})
		tellLate(a, c, []inbox.Submission{s})
	}
	return nil
}

func e2j(e ledger.Event) contract.StateChange {
	return contract.StateChange{At: ledger.Moment(e.At), State: string(e.State), Note: e.Note}
}

// frozenWords says what became of the frozen copies; empty: they lie in clear.
func frozenWords(sealed, pruned time.Time) lang.Text {
	switch {
	case !pruned.IsZero():
		return text("removed %s", wording.Clock(pruned))
	case !sealed.IsZero():
		return text("encrypted %s", wording.Clock(sealed))
	}
	return lang.Text{}
}

func printStory(a *program, s inbox.Submission, frozen lang.Text, history []ledger.Event, answers []ledger.StoredAnswer) {
	u := a.ui
	u.result("%s", s.Set)
	var f fields
	f.add(text("application"), u.in(wording.Application(s.Set.Application)))
	f.add(text("environment"), environmentWords(u, s.Set.Environment))
	f.add(text("state"), u.mark(string(s.State), u.in(wording.State(s.State))))
	if s.Note != "" {
		f.add(text("remark"), u.in(wording.Note(s.Note)))
	}
	if s.Ticket != "" {
		f.add(text("receipt"), s.Ticket)
	}
	if s.Reason != "" {
		f.add(text("sent again"), printable(s.Reason))
	}
	if s.Signed() {
		f.add(text("signed by"), printable(s.SignedBy))
	}
	for _, p := range s.Parts {
		f.add(text("part %d", p.Number), u.text("%s, %d bytes, from %s", s.Set.FI(p.Number), p.Size, printable(p.Source)))
		f.add(lang.Text{}, "SHA-256 "+p.Hash.String())
	}
	if said := u.in(frozen); said != "" {
		f.add(text("frozen copy"), said)
	}
	u.fields("  ", f)
	u.result("  history")
	for _, e := range history {
		line := fmt.Sprintf("%s  %s", e.At.In(naming.Brussels()).Format("2006-01-02 15:04:05"), u.in(wording.State(e.State)))
		if e.Note != "" {
			line += ": " + u.in(wording.Note(e.Note))
		}
		u.result("    %s", line)
	}
	printAnswers(u, answers)
}

func printAnswers(u *ui, answers []ledger.StoredAnswer) {
	if len(answers) > 0 {
		u.result("  answers")
	}
	codes := u.codeTeller()
	for i, x := range answers {
		if i == contract.MaxShown {
			u.result("    … and %d more (--json has all)", len(answers)-contract.MaxShown)
			break
		}
		line := u.in(wording.Kind(x.Kind)) + " " + u.in(wording.Outcome(x.Outcome))
		if x.Form > 0 {
			line += u.text(", part %d form %d", x.Part, x.Form)
		}
		u.result("    %s  %s", x.Reply, u.mark(x.Outcome, line))
		u.result("      signature %s; stored as %s", wording.Signature(x.Signature), x.Path)
		for j, e := range x.Anomalies {
			if j == contract.MaxShown {
				u.result("      … and %d more", len(x.Anomalies)-contract.MaxShown)
				break
			}
			u.result("      %s", printable(strings.TrimSpace(strings.Join([]string{e.ErrorID, e.Class, e.Tag, e.Location}, " "))))
			codes.tell("        ", e.ErrorID)
		}
	}
}
