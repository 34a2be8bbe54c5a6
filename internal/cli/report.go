package cli

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/errorid"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/report"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

type reportOptions struct {
	html        string
	environment string
	application string
	since       string
	limit       int
}

func newReportCmd(a *program) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report --html FILE",
		Short: "Write a page that shows what was sent and what became of it",
		Long: `Write a page that shows what was sent and what became of it: counts, a chart by
day, first what needs a person, then what is open, then the rest. The page is one
file that any browser shows, without a network.`,
		Example: `  socbatch report --html report.html
  socbatch report --html - --env R --since 30d > report.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runReport(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.html, "html", "", "`FILE` to write; - is standard output")
	f.StringVarP(&o.environment, "env", "e", "", "only this environment: R, T or S")
	f.StringVarP(&o.application, "app", "a", "", "only this application")
	f.StringVar(&o.since, "since", "90d", "only those made since a `DAY` (2026-11-25) or for so long (7d, 36h)")
	f.IntVarP(&o.limit, "limit", "n", 500, "show at most `N` in each table; 0 shows all")
	return cmd
}

func runReport(ctx context.Context, a *program, o reportOptions) (err error) {
	if o.html == "" {
		return usagef("say where to write the page: --html FILE")
	}
	if o.html == "-" && a.ui.json {
		return usagef("--json and the page cannot both go to standard output")
	}
	a.tellUnknown(o.application)
	filter := ledger.Filter{Application: strings.ToUpper(o.application)}
	if filter.Environment, filter.Since, err = chosen(a, o.environment, o.since); err != nil {
		return err
	}
	from, err := parseSince(o.since, a.now())
	if err != nil {
		return err
	}
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) error {
		found, err := l.Submissions(ctx, filter)
		if err != nil {
			return err
		}
		trouble, err := l.Replies(ctx, ledger.ReplyFilter{Environment: filter.Environment, Since: filter.Since, Trouble: true, Limit: o.limit})
		if err != nil {
			return err
		}
		p := reporter{a: a, config: c, ledger: l, options: o, from: from}
		page, err := p.page(ctx, found, trouble)
		if err != nil {
			return err
		}
		if o.html == "-" {
			return report.Write(a.ui.out, page)
		}
		path, err := filepath.Abs(o.html)
		if err != nil {
			return err
		}
		if err := a.disk.WriteFile(path, func(w io.Writer) error { return report.Write(w, page) }); err != nil {
			return err
		}
		a.ui.result("written  %s", path)
		a.ui.object(contract.Report{File: path, Submissions: len(found)})
		return nil
	})
}

// reporter makes the page.
type reporter struct {
	a       *program
	config  config.Config
	ledger  ledger.Ledger
	options reportOptions
	from    time.Time
}

// kinds of sets, as the page tells them apart.
type standing int

const (
	standsRefused standing = iota
	standsUnclear          // a person must do something
	standsOpen
	standsRemarks
	standsAccepted
	standsCancelled
	standings
)

func (p reporter) standing(s inbox.Submission) standing {
	switch s.State {
	case inbox.Refused:
		return standsRefused
	case inbox.AcceptedWithRemarks:
		return standsRemarks
	case inbox.Accepted:
		return standsAccepted
	case inbox.Cancelled:
		return standsCancelled
	}
	if s.State.Unfinished() || s.State.NeedsPerson() || p.a.core().Late(p.config, s) != inbox.InTime {
		return standsUnclear
	}
	return standsOpen
}

func tone(s standing) report.Tone {
	switch s {
	case standsRefused:
		return report.Bad
	case standsUnclear:
		return report.Alert
	case standsRemarks:
		return report.Fair
	case standsAccepted:
		return report.Good
	case standsOpen:
		return report.Open
	}
	return report.Plain
}

func (p reporter) page(ctx context.Context, found []inbox.Submission, trouble []ledger.ListedReply) (report.Page, error) {
	u := p.a.ui
	by := make([][]inbox.Submission, standings)
	for _, s := range found {
		k := p.standing(s)
		by[k] = append(by[k], s)
	}
	page := report.Page{
		Language: string(u.lang),
		Title:    u.text("Declarations of sender %s", dash(p.config.Sender)),
		Subtitle: u.text("as of %s: %s since %s", wording.Clock(p.a.now()), count(len(found), "%d declaration", "%d declarations"), wording.Clock(p.from)),
		Footer:   u.text("Made by socbatch %s from its own ledger. It holds no content of declarations.", p.a.build.Version),
	}
	for _, x := range []struct {
		standing standing
		label    lang.Text
	}{
		{standsRefused, text("refused")}, {standsUnclear, text("to look at")}, {standsOpen, text("no final answer yet")},
		{standsRemarks, text("accepted with remarks")}, {standsAccepted, text("accepted")},
	} {
		page.Cards = append(page.Cards, report.Card{Label: u.in(x.label), Count: len(by[x.standing]), Tone: tone(x.standing)})
	}
	page.Chart = p.chart(found)
	var err error
	section := func(title, empty lang.Text, with func(context.Context, inbox.Submission) ([]string, error), sets ...[]inbox.Submission) {
		s := report.Section{
			Title: u.in(title), Empty: u.in(empty),
			Columns: []string{u.text("Set"), u.text("Environment"), u.text("Sent"), u.text("State"), u.text("Receipt"), u.text("Remark")},
		}
		n := 0
		for _, list := range sets {
			for _, x := range list {
				if n++; p.options.limit > 0 && n > p.options.limit || err != nil {
					continue
				}
				var notes []string
				if with != nil {
					notes, err = with(ctx, x)
				}
				s.Rows = append(s.Rows, p.row(x, notes))
			}
		}
		if more := n - len(s.Rows); more > 0 {
			s.More = u.text("… and %d more", more)
		}
		page.Sections = append(page.Sections, s)
	}
	section(text("Refused"), text("Nothing was refused."), p.why, by[standsRefused])
	section(text("To look at"), text("Nothing waits for you."), p.next, by[standsUnclear])
	if len(trouble) > 0 {
		page.Sections = append(page.Sections, p.replies(trouble))
	}
	section(text("No final answer yet"), text("Every declaration has its answer."), nil, by[standsOpen])
	section(text("Accepted, or given up"), text("None yet."), nil, by[standsRemarks], by[standsAccepted], by[standsCancelled])
	return page, err
}

func (p reporter) row(s inbox.Submission, notes []string) []report.Cell {
	u := p.a.ui
	sent := "-"
	if !s.SentAt.IsZero() {
		sent = wording.Clock(s.SentAt)
	}
	state := report.Cell{Text: u.in(wording.State(s.State)), Tone: tone(p.standing(s))}
	if p.a.core().Late(p.config, s) != inbox.InTime {
		state.Text = u.text("%s, late (%s)", wording.State(s.State), ageWords(p.a.now().Sub(s.SentAt)))
	}
	remark := report.Cell{Text: u.in(wording.Note(s.Note)), Notes: notes}
	if len(notes) == 0 {
		remark.Text = dash(remark.Text)
	}
	return []report.Cell{
		{Text: s.Set.String(), Code: true}, {Text: u.in(lang.Word(s.Set.Environment.Meaning()))}, {Text: sent},
		state, {Text: dash(s.Ticket), Code: true}, remark,
	}
}

// why explains a refusal: each error id once.
func (p reporter) why(ctx context.Context, s inbox.Submission) ([]string, error) {
	answers, err := p.ledger.Answers(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	var notes []string
	seen := map[string]bool{}
	note := func(line string) {
		if line != "" && len(notes) < maxNotes && !seen[line] {
			seen[line] = true
			notes = append(notes, line)
		}
	}
	for _, a := range answers {
		for _, x := range a.Anomalies {
			note(printable(strings.TrimSpace(strings.Join([]string{x.ErrorID, x.Class, x.Tag, x.Location}, " "))))
			if id, ok := errorid.Parse(x.ErrorID); ok {
				means, do := codeWords(id, p.a.ui.lang)
				note(means + " → " + do[0])
			}
		}
	}
	return notes, nil
}

// maxNotes bounds what is said of one set.
const maxNotes = 10

// next says what a person should do about a set.
func (p reporter) next(_ context.Context, s inbox.Submission) ([]string, error) {
	u := p.a.ui
	switch p.a.core().Late(p.config, s) {
	case inbox.LateReceipt:
		return []string{u.text("no receipt: call %s", p.config.Status.Contact)}, nil
	case inbox.LateNotification:
		return []string{u.text("no notification: call %s", p.config.Status.Contact)}, nil
	}
	return []string{"socbatch resume --env " + string(s.Set.Environment)}, nil
}

func (p reporter) replies(found []ledger.ListedReply) report.Section {
	u := p.a.ui
	s := report.Section{
		Title:   u.text("Replies to look at"),
		Columns: []string{u.text("Reply"), u.text("Fetched"), u.text("Signature"), u.text("Remark")},
	}
	for _, r := range found {
		remark := printable(r.Problem)
		if remark == "" && r.Conflict {
			remark = u.text("the same name was used before for other contents")
		}
		s.Rows = append(s.Rows, []report.Cell{
			{Text: r.Name, Code: true}, {Text: wording.Clock(r.FetchedAt)}, {Text: u.in(wording.Signature(r.Signature)), Tone: report.Bad}, {Text: dash(remark)},
		})
	}
	return s
}

// chartDays is how many days the chart shows.
const chartDays = 30

// chart counts what was sent, by day in Brussels and by what became of it.
func (p reporter) chart(found []inbox.Submission) report.Chart {
	u := p.a.ui
	order := []standing{standsAccepted, standsRemarks, standsOpen, standsUnclear, standsRefused}
	c := report.Chart{Title: u.text("Sent in the last %d days", chartDays)}
	for _, label := range []lang.Text{text("accepted"), text("accepted with remarks"), text("no final answer yet"), text("to look at"), text("refused")} {
		c.Series = append(c.Series, report.Series{Label: u.in(label), Tone: tone(order[len(c.Series)])})
	}
	days := map[string]int{}
	today := p.a.now().In(naming.Brussels())
	for i := range chartDays {
		day := today.AddDate(0, 0, i-chartDays+1)
		days[day.Format(time.DateOnly)] = i
		c.Days = append(c.Days, report.Day{Label: day.Format("02/01"), Counts: make([]int, len(order))})
	}
	for _, s := range found {
		i, ok := days[s.SentAt.In(naming.Brussels()).Format(time.DateOnly)]
		if !ok || s.SentAt.IsZero() {
			continue
		}
		for k, x := range order {
			if p.standing(s) == x {
				c.Days[i].Counts[k]++
			}
		}
	}
	return c
}
