package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/naming"
)

// topic is help that belongs to no command.
type topic struct {
	name, short string
	text        func(*program) string
}

// topics are the help topics. What they list comes from where it is decided.
func topics() []topic {
	return []topic{
		{"environments", "Production and the two for tests: where declarations go, where replies come from", (*program).environmentsHelp},
		{"names", "What the names of files on the server consist of", (*program).namesHelp},
		{"exit-codes", "How a command ended, and what to do then", (*program).exitCodesHelp},
		{"configuration", "The configuration file, its settings, and the environment variables", (*program).configurationHelp},
	}
}

// addHelp adds the help command and the topics.
func addHelp(a *program, root *cobra.Command) {
	for _, t := range topics() {
		c := &cobra.Command{Use: t.name, Short: t.short}
		c.SetHelpFunc(func(*cobra.Command, []string) { _, _ = io.WriteString(a.ui.out, t.text(a)) })
		root.AddCommand(c)
	}
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command or a topic",
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return nil, none
			}
			var list []cobra.Completion
			for _, sub := range c.Commands() {
				if helped(sub) && strings.HasPrefix(sub.Name(), typed) {
					list = append(list, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return list, none
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, err := root.Find(args)
			if err == nil && (c != root || len(args) == 0) {
				return c.Help()
			}
			if meant, ok := meantBelow(root, args[0]); ok {
				return usagef("there is no help on %q: did you mean %s?", args[0], meant)
			}
			return usagef("there is no help on %q", args[0])
		},
	})
	root.InitDefaultHelpCmd()
}

// helped reports whether there is help on a command, for people.
func helped(c *cobra.Command) bool { return c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() }

// helpText is a text of passages and tables, in the language of the person.
type helpText struct {
	ui *ui
	strings.Builder
}

func (t *helpText) passage(format string, args ...any) {
	t.WriteString(fill(t.ui.text(format, args...), 80) + "\n\n")
}

// table adds rows, the last column filled up to the width of a terminal.
func (t *helpText) table(rows ...[]string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c))
		}
	}
	for _, r := range rows {
		line := " "
		last := len(r) - 1
		for i, c := range r[:last] {
			line += " " + c + strings.Repeat(" ", widths[i]-width(c)+1)
		}
		margin := strings.Repeat(" ", width(line)+1)
		filled := strings.ReplaceAll(fill(r[last], max(30, 80-len(margin))), "\n", "\n"+margin)
		t.WriteString(strings.TrimRight(line+" "+filled, " ") + "\n")
	}
	t.WriteString("\n")
}

// String is the text without the blank line after the last passage.
func (t *helpText) String() string { return strings.TrimRight(t.Builder.String(), "\n") + "\n" }

func (a *program) environmentsHelp() string {
	t := helpText{ui: a.ui}
	t.passage("A declaration goes to one of three environments. Each has folders of its own on the server.")
	yes := map[bool]string{true: a.ui.text("yes"), false: a.ui.text("no")}
	rows := [][]string{{"", a.ui.text("folder"), a.ui.text("replies in"), a.ui.text("signed"), a.ui.text("meaning")}}
	var inS []string
	for _, e := range naming.Environments() {
		rows = append(rows, []string{string(e), e.Inbox(), e.Outbox(), yes[e.RequiresSignature()], a.ui.in(lang.Word(e.Meaning()))})
	}
	for _, x := range naming.Applications() {
		if x.Direction == naming.Sent && slices.Contains(x.Environments, naming.DeclarationTest) {
			inS = append(inS, x.Code)
		}
	}
	t.table(rows...)
	t.passage("What arrives in R is a real declaration. That is why R has to be asked for each time, with --env R: no configuration makes it the default.")
	t.passage("T is for trying out: a DmfA goes through the whole circuit, other declarations are simulated. S tests the contents of a DmfA and knows only these applications: %s.", strings.Join(inS, ", "))
	t.passage("Without --env, the environment of the configuration is used, T or S. A file that has a name of the channel already goes to the environment in its name.")
	return t.String()
}

func (a *program) namesHelp() string {
	t := helpText{ui: a.ui}
	example := naming.Set{Application: "DMFA", Sender: "101380", Date: "20261125", Sequence: "00001", Environment: naming.Production, Parts: 2}
	t.passage("Each file on the server has a name of fields with dots between them. socbatch makes the names; a file that has one already keeps it. An example:")
	t.table([]string{example.FI(1).String()})
	n := example.FI(1)
	environments := make([]string, 0, 3)
	for _, e := range naming.Environments() {
		environments = append(environments, a.ui.text("%s %s", e, lang.Word(e.Meaning())))
	}
	t.table(
		[]string{string(n.Kind), a.ui.text("kind"), a.ui.text("what the file is, see below")},
		[]string{n.Application, a.ui.text("application"), a.ui.text("what is declared; \"socbatch name --applications\" lists them")},
		[]string{n.Sender, a.ui.text("sender"), a.ui.text("sender number, six digits; %s is the office", naming.OfficeSender)},
		[]string{string(n.Date), a.ui.text("date"), a.ui.text("day of the sending in Brussels, as year, month, day")},
		[]string{string(n.Sequence), a.ui.text("sequence"), a.ui.text("number of the day, five of 0-9 and A-Z, from %s", naming.FirstSequence)},
		[]string{string(n.Environment), a.ui.text("environment"), strings.Join(environments, ", ")},
		[]string{fmt.Sprint(n.Parts), a.ui.text("parts"), a.ui.text("how many parts the declaration has, 1 to %d", naming.MaxParts)},
		[]string{fmt.Sprint(n.Part), a.ui.text("part"), a.ui.text("which of them this is; not in the name of the GO")},
	)
	t.passage("The kinds:")
	var kinds [][]string
	for _, k := range []naming.Kind{naming.FI, naming.FS, naming.GO, naming.TD, naming.FO, naming.CO} {
		kinds = append(kinds, []string{string(k), a.ui.in(lang.Word(k.Meaning()))})
	}
	t.table(kinds...)
	t.passage("A declaration with its signatures and its GO is a set. Its name is the same without the kind and the part: %s. That is the NAME that commands such as status want.", example.String())
	t.passage("\"socbatch name NAME\" takes a name apart and checks it as the server would.")
	return t.String()
}

func (a *program) exitCodesHelp() string {
	t := helpText{ui: a.ui}
	t.passage("Every command ends with one of these codes. Programs can rely on them.")
	var rows [][]string
	for _, x := range exitCodes {
		says := a.ui.in(lang.Word(x.means))
		if x.do != "" {
			says = a.ui.text("%s. %s", says, lang.Word(x.do))
		}
		rows = append(rows, []string{fmt.Sprintf("%3d", x.code), says})
	}
	t.table(rows...)
	var order []string
	for _, c := range failure.ByUrgency()[1:] {
		order = append(order, fmt.Sprint(codes[c]))
	}
	t.passage("Of several results the most urgent one counts, the last of this list: %s. Where something was done too, it is %d, unless the most urgent one is among the last four: those are about what was, or may have been, sent.", strings.Join(order, ", "), exitPartly)
	return t.String()
}

func (a *program) configurationHelp() string {
	t := helpText{ui: a.ui}
	t.passage("A setting comes from the first of these that has it: a flag, an environment variable, the configuration file, the default. The file is written in TOML; without --config and %s it is looked for here, and need not exist:", "SOCBATCH_CONFIG")
	t.table([]string{displayPath(config.DefaultPath(a.getenv))})
	t.passage("A relative path in the file is relative to the directory of the file. A password never stands in the file or on the command line. The settings, with their defaults; what stands before the dot is the table that they belong to:")
	var settings [][]string
	for _, s := range config.Settings() {
		settings = append(settings, []string{s.Key, s.Default})
	}
	t.table(settings...)
	t.passage("The environment variables, and what they set:")
	variables := [][]string{{"SOCBATCH_CONFIG", a.ui.text("the configuration file")}}
	for _, v := range config.Variables() {
		variables = append(variables, []string{v.Name, a.ui.in(lang.Word(v.Sets))})
	}
	t.table(variables...)
	return t.String()
}
