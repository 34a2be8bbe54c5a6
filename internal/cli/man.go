package cli

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/lang"
)

// This file writes the help down: as man pages, and as docs/reference.md. Both
// come from the tree of commands, in English.

func newManCmd(a *program) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write the manual pages of all commands and topics into DIR/man1 and DIR/man7, for
man. The packages for Debian and Red Hat have them already.`,
		Example: `  socbatch man /usr/local/share/man`,
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE:    func(_ *cobra.Command, args []string) error { return runMan(a, args[0]) },
	}
}

// manual is the help as it is written down.
type manual struct {
	app  *program
	root *cobra.Command
}

// newManual has the help of every machine: nothing of this one is in it.
func newManual() manual {
	a := &program{ui: &ui{lang: lang.English}, now: time.Now, getenv: func(name string) string {
		if home, err := os.UserHomeDir(); err == nil && name == "XDG_CONFIG_HOME" {
			return filepath.Join(home, ".config")
		}
		return ""
	}}
	return manual{a, newRootCmd(a)}
}

func runMan(a *program, dir string) error {
	date := a.now().UTC()
	if s := a.getenv("SOURCE_DATE_EPOCH"); s != "" {
		seconds, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return usagef("SOURCE_DATE_EPOCH: %q is not a number of seconds", s)
		}
		date = time.Unix(seconds, 0).UTC()
	}
	m := newManual()
	names := []string{}
	write := func(name, section, page string) error {
		head := fmt.Sprintf("%% %q %q %q %q %q\n\n", strings.ToUpper(name), section, date.Format(time.DateOnly), "socbatch "+a.build.Version, "socbatch")
		names = append(names, path.Join("man"+section, name+"."+section))
		file := filepath.Join(dir, filepath.FromSlash(names[len(names)-1]))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // for everybody
			return err
		}
		return os.WriteFile(file, md2man.Render([]byte(head+page)), 0o644) //nolint:gosec // for everybody
	}
	for _, c := range m.commands() {
		if err := write(strings.ReplaceAll(c.CommandPath(), " ", "-"), "1", m.commandPage(c)); err != nil {
			return err
		}
	}
	for _, t := range topics() {
		if err := write("socbatch-"+t.name, "7", m.topicPage(t)); err != nil {
			return err
		}
	}
	a.ui.result("written  %s", dir)
	a.ui.object(contract.Manual{Dir: dir, Pages: names})
	return nil
}

// commands are all that people see, each before those below it.
func (m manual) commands() []*cobra.Command {
	var list []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		list = append(list, c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(m.root)
	return list
}

// page is Markdown that is built up.
type page struct{ strings.Builder }

func (p *page) add(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// text adds what the help says, passage by passage: what is indented there keeps
// its lines.
func (p *page) text(help string) {
	for passage := range strings.SplitSeq(strings.Trim(help, "\n"), "\n\n") {
		if strings.HasPrefix(passage, "  ") {
			p.code(passage)
		} else {
			p.add("%s\n\n", plain(passage))
		}
	}
}

func (p *page) code(lines string) {
	for line := range strings.SplitSeq(lines, "\n") {
		p.add("    %s\n", strings.TrimPrefix(line, "  "))
	}
	p.add("\n")
}

// plain writes a text so that Markdown changes nothing in it.
func plain(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "|", `\|`).Replace(text)
}

// synopsis is how a command is used.
func synopsis(c *cobra.Command) string {
	if c.HasAvailableSubCommands() && (!c.HasParent() || !c.HasAvailableLocalFlags()) {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

func (m manual) commandPage(c *cobra.Command) string {
	var p page
	p.add("# NAME\n\n%s - %s\n\n", strings.ReplaceAll(c.CommandPath(), " ", "-"), plain(lowerFirst(c.Short)))
	p.add("# SYNOPSIS\n\n**%s**%s\n\n", c.CommandPath(), plain(strings.TrimPrefix(synopsis(c), c.CommandPath())))
	p.add("# DESCRIPTION\n\n")
	if c.Long == "" {
		p.text(c.Short + ".")
	} else {
		p.text(c.Long)
	}
	p.add("# OPTIONS\n\n")
	options(&p, c.LocalFlags())
	if c.HasParent() {
		p.add("The options of **socbatch**(1) go with it too.\n\n")
	}
	if c.Example != "" {
		p.add("# EXAMPLES\n\n")
		p.code(c.Example)
	}
	p.add("# EXIT STATUS\n\n")
	for _, x := range exitCodes {
		p.add("**%d**\n: %s\n\n", x.code, plain(x.means))
	}
	p.add("# SEE ALSO\n\n%s\n", strings.Join(m.related(c), ", "))
	return p.String()
}

func options(p *page, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "**--" + f.Name + "**"
		if f.Shorthand != "" {
			name = "**-" + f.Shorthand + "**, " + name
		}
		if value != "" {
			name += " *" + plain(value) + "*"
		}
		p.add("%s\n: %s%s\n\n", name, plain(usage), defaultOf(f))
	})
}

// defaultOf is the default of a flag, where it is worth telling.
func defaultOf(f *pflag.Flag) string {
	if zero, ok := zeroes[f.Value.Type()]; ok && f.DefValue != zero {
		return " (default " + plain(f.DefValue) + ")"
	}
	return ""
}

// related are the pages of the command above, of those below, and of the topics.
func (m manual) related(c *cobra.Command) []string {
	var list []string
	add := func(name string, section int) {
		list = append(list, fmt.Sprintf("**%s**(%d)", strings.ReplaceAll(name, " ", "-"), section))
	}
	if c.HasParent() {
		add(c.Parent().CommandPath(), 1)
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			add(sub.CommandPath(), 1)
		}
	}
	for _, t := range topics() {
		add("socbatch "+t.name, 7)
	}
	return list
}

func (m manual) topicPage(t topic) string {
	var p page
	p.add("# NAME\n\nsocbatch-%s - %s\n\n# DESCRIPTION\n\n", t.name, plain(lowerFirst(t.short)))
	p.text(t.text(m.app))
	p.add("# SEE ALSO\n\n**socbatch**(1)\n")
	return p.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// writeReference writes docs/reference.md.
func (m manual) writeReference(w io.Writer) error {
	var p page
	p.add("# Commands\n\nWritten by `make docs` from the help of the commands. [Exit codes](exit-codes.md), [configuration](configuration.md) and [JSON](json.md) are documents of their own.\n\n")
	all := m.commands()
	for _, c := range all {
		p.add("- [`%s`](#%s): %s\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), plain(lowerFirst(c.Short)))
	}
	for _, c := range all {
		p.add("\n## %s\n\n", c.CommandPath())
		if c.Long == "" {
			p.text(c.Short + ".")
		} else {
			p.text(c.Long)
		}
		p.add("```\n%s\n```\n", synopsis(c))
		if c.HasAvailableLocalFlags() {
			p.add("\n| option | meaning |\n|---|---|\n")
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Hidden || f.Name == "help" {
					return
				}
				value, usage := pflag.UnquoteUsage(f)
				name := strings.TrimRight("--"+f.Name+" "+value, " ")
				if f.Shorthand != "" {
					name = "-" + f.Shorthand + ", " + name
				}
				p.add("| `%s` | %s%s |\n", name, plain(usage), defaultOf(f))
			})
		}
		if c.Example != "" {
			p.add("\n```console\n")
			for line := range strings.SplitSeq(c.Example, "\n") {
				p.add("$ %s\n", strings.TrimSpace(line))
			}
			p.add("```\n")
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}
