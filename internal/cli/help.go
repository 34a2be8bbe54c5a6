package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/internal/lang"
)

// speakHelp says the help in the language of the person: cobra writes it, from
// the tree of commands, in English.
func (u *ui) speakHelp(root *cobra.Command) {
	u.speakCommand(root)
	u.endWithExitCodes(root)
	for _, g := range root.Groups() {
		g.Title = u.in(lang.Word(g.Title))
	}
	root.SetUsageTemplate(strings.NewReplacer(
		"Usage:", u.text("Usage:"),
		"Aliases:", u.text("Aliases:"),
		"Examples:", u.text("Examples:"),
		"Available Commands:", u.text("Available Commands:"),
		"Additional Commands:", u.text("Additional Commands:"),
		"Global Flags:", u.text("Global Flags:"),
		"Additional help topics:", u.text("Help topics, with %s:", "socbatch help TOPIC"),
		"{{rpad .CommandPath .CommandPathPadding}}", "{{rpad .Name .NamePadding}}",
		"Flags:", u.text("Flags:"),
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`,
		u.text("Use \"%s\" for more information about a command.", "{{.CommandPath}} [command] --help"),
	).Replace(root.UsageTemplate()))
}

func (u *ui) speakCommand(c *cobra.Command) {
	c.Long = u.passages(c.Long, c.Short)
	c.Short = u.in(lang.Word(c.Short))
	u.speakFlags(c)
	for _, sub := range c.Commands() {
		u.speakCommand(sub)
	}
}

func (u *ui) speakFlags(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	c.LocalFlags().VisitAll(u.speakFlag)
	for _, sub := range c.Commands() {
		u.speakFlags(sub)
	}
}

func (u *ui) speakFlag(f *pflag.Flag) {
	switch f.Name {
	case "help":
		f.Usage = u.text("show this help")
	case "version":
		f.Usage = u.text("show the version")
	}
	f.Usage = u.in(lang.Word(f.Usage))
	if zero, ok := zeroes[f.Value.Type()]; ok && f.DefValue != zero {
		// pflag would say it in English.
		f.Usage = u.text("%s (default %s)", f.Usage, f.DefValue)
		f.DefValue = zero
	}
}

// zeroes are the defaults that pflag does not mention.
var zeroes = map[string]string{"int": "0", "duration": "0s", "string": "", "stringSlice": "[]"}

// passages says the long help of a command passage by passage; the first may
// repeat the short one. In English it keeps its lines; in other languages they
// are broken anew.
func (u *ui) passages(long, short string) string {
	if u.lang == lang.English || long == "" {
		return long
	}
	var said []string
	for _, p := range splitPassages(long) {
		t := u.in(lang.Word(p))
		if p == short+"." {
			t = u.in(lang.Word(short)) + "."
		}
		said = append(said, fill(t, 80))
	}
	return strings.Join(said, "\n\n")
}

// splitPassages gives what blank lines separate, each on one line: the
// catalogues have it so.
func splitPassages(text string) []string {
	var passages []string
	for _, p := range strings.Split(text, "\n\n") {
		passages = append(passages, strings.Join(strings.Fields(p), " "))
	}
	return passages
}

// fill breaks a text into lines.
func fill(text string, most int) string {
	var b strings.Builder
	column := 0
	for _, w := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+width(w) > most:
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(w)
		column += width(w)
	}
	return b.String()
}

// endWithExitCodes lets the help of every command end with the exit codes.
func (u *ui) endWithExitCodes(c *cobra.Command) {
	if c.Long == "" {
		c.Long = c.Short + "."
	}
	c.Long += "\n\n" + u.exitHelp()
	for _, sub := range c.Commands() {
		u.endWithExitCodes(sub)
	}
}

// exitHelp lists the exit codes.
func (u *ui) exitHelp() string {
	var b strings.Builder
	b.WriteString(u.text("Exit codes:"))
	for _, x := range exitCodes {
		_, _ = fmt.Fprintf(&b, "\n  %3d  %s", x.code, u.in(lang.Word(x.means)))
	}
	return b.String()
}
