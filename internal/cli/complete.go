package cli

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/errorid"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wire"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

// This file says what the shell proposes on Tab. That writes nothing, connects
// to nothing, and fails by proposing nothing.

func newCompletionCmd(a *program) *cobra.Command {
	scripts := completionScripts()
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script that lets a shell complete commands with Tab",
		Long: `Print the script that lets a shell complete commands with Tab. SHELL is bash, zsh,
fish or powershell. The packages for Debian and Red Hat install it already.

Applications, environments, the names of what was sent and received, and error
codes are completed too. Nothing is written and no connection is made for that.`,
		Example: `  socbatch completion bash > ~/.local/share/bash-completion/completions/socbatch
  socbatch completion zsh > "${fpath[1]}/_socbatch"
  socbatch completion fish > ~/.config/fish/completions/socbatch.fish
  socbatch completion powershell >> $PROFILE`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			script := scripts[args[0]]
			if script == nil {
				return usagef("there is no script for %q: use bash, zsh, fish or powershell", args[0])
			}
			if !a.ui.json {
				return script(cmd.Root(), a.ui.out)
			}
			var b strings.Builder
			if err := script(cmd.Root(), &b); err != nil {
				return err
			}
			a.ui.object(contract.Completion{Shell: args[0], Script: b.String()})
			return nil
		},
	}
}

// completionScripts are the makers of the scripts by shell.
func completionScripts() map[string]func(*cobra.Command, io.Writer) error {
	return map[string]func(*cobra.Command, io.Writer) error{
		"bash":       func(c *cobra.Command, w io.Writer) error { return c.GenBashCompletionV2(w, true) },
		"zsh":        (*cobra.Command).GenZshCompletion,
		"fish":       func(c *cobra.Command, w io.Writer) error { return c.GenFishCompletion(w, true) },
		"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	}
}

const (
	none = cobra.ShellCompDirectiveNoFileComp
	// mostProposed is more than anybody reads.
	mostProposed = 200
	// patience bounds how long the shell stands still.
	patience = 2 * time.Second
)

// proposer proposes words that begin with what was typed.
type proposer func(ctx context.Context, typed string) []cobra.Completion

// complete lets every command of the tree complete its arguments and flags, by
// what the help calls them.
func (a *program) complete(c *cobra.Command) {
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = a.argumentsOf(c)
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() != "bool" {
			// It fails only where a command has its own, which is the better one.
			_ = c.RegisterFlagCompletionFunc(f.Name, a.valuesOf(c, f))
		}
	})
	for _, sub := range c.Commands() {
		a.complete(sub)
	}
}

// plainUsages takes the marks out of what is said of flags that the help alone
// understands. The shell shows it beside the flags.
func plainUsages(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, sub := range c.Commands() {
		plainUsages(sub)
	}
}

// argumentsOf completes the arguments of a command; nil leaves it to the shell,
// which proposes files.
func (a *program) argumentsOf(c *cobra.Command) cobra.CompletionFunc {
	_, usage, _ := strings.Cut(c.Use, " ")
	first, _, _ := strings.Cut(strings.Trim(usage, "[]"), " ")
	first, _, _ = strings.Cut(first, "|")
	what, several := strings.CutSuffix(first, "…")
	var f cobra.CompletionFunc
	switch {
	case what == "FILE" && (c.Name() == "submit" || c.Name() == "check"):
		f = declarations
	case what == "FILE":
		return nil
	case what == "DIR":
		f = completeDirs
	case what == "NAME" && c.HasParent() && c.Parent().Name() == "replies":
		f = proposed(a.replyNames)
	case what == "NAME" && c.Name() != "name":
		f = proposed(a.setNames(statesFor(c.Name())))
	case what == "CODE":
		f = proposed(a.codes)
	case what == "SHELL":
		f = proposed(from(slices.Sorted(maps.Keys(completionScripts()))))
	default:
		return cobra.NoFileCompletions
	}
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !several {
			return nil, none
		}
		return f(c, args, typed)
	}
}

// valuesOf completes the value of a flag.
func (a *program) valuesOf(c *cobra.Command, f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "env":
		return proposed(several(f, a.environments))
	case "app":
		return proposed(a.applications(c.Name()))
	case "lang":
		return proposed(languages)
	case "text":
		return proposed(from([]string{"64-crlf", "76-cr", "one-line"}))
	case "config", "scenario":
		return extensions("toml")
	case "p12":
		return extensions("p12", "pfx")
	}
	switch value, _ := pflag.UnquoteUsage(f); value {
	case "FILE":
		return nil
	case "DIR":
		return completeDirs
	}
	return cobra.NoFileCompletions
}

// declarations completes files of XML, and those that have a name of the
// channel already.
func declarations(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.HasPrefix(filepath.Base(typed), "FI") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return []cobra.Completion{"xml"}, cobra.ShellCompDirectiveFilterFileExt
}

func completeDirs(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func extensions(list ...cobra.Completion) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveFilterFileExt
	}
}

// proposed completes with what p proposes, in its order.
func proposed(p proposer) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), patience)
		defer cancel()
		list := p(ctx, typed)
		return slices.DeleteFunc(list, func(x cobra.Completion) bool {
			word, _, _ := strings.Cut(x, "\t")
			return slices.Contains(args, word) || !strings.HasPrefix(word, typed)
		}), none | cobra.ShellCompDirectiveKeepOrder
	}
}

func from(list []cobra.Completion) proposer {
	return func(context.Context, string) []cobra.Completion { return list }
}

// several completes the last of the values between commas, where the flag takes
// a list, with those that are not there yet.
func several(f *pflag.Flag, p proposer) proposer {
	if f.Value.Type() != "stringSlice" {
		return p
	}
	return func(ctx context.Context, typed string) []cobra.Completion {
		last := strings.LastIndex(typed, ",") + 1
		have := strings.Split(typed[:last], ",")
		var list []cobra.Completion
		for _, x := range p(ctx, typed[last:]) {
			word, _, _ := strings.Cut(x, "\t")
			if !slices.Contains(have, word) {
				list = append(list, typed[:last]+x)
			}
		}
		return list
	}
}

func (a *program) environments(context.Context, string) []cobra.Completion {
	var list []cobra.Completion
	for _, e := range naming.Environments() {
		list = append(list, cobra.CompletionWithDesc(string(e), a.ui.in(lang.Word(e.Meaning()))))
	}
	return list
}

// applications proposes those of the replies, or those that are sent.
func (a *program) applications(command string) proposer {
	direction := naming.Sent
	if command == "replies" {
		direction = naming.Received
	}
	return func(context.Context, string) []cobra.Completion {
		var list []cobra.Completion
		for _, x := range naming.Applications() {
			if x.Direction == direction {
				list = append(list, cobra.CompletionWithDesc(x.Code, a.ui.in(lang.Word(x.Meaning))))
			}
		}
		return list
	}
}

func languages(context.Context, string) []cobra.Completion {
	var list []cobra.Completion
	for _, l := range lang.Languages() {
		list = append(list, cobra.CompletionWithDesc(string(l), l.Name()))
	}
	return list
}

// codes proposes the error codes that are explained here, behind the zone that
// was typed.
func (a *program) codes(_ context.Context, typed string) []cobra.Completion {
	before := "ACRF-"
	switch zone, _, found := strings.Cut(typed, "-"); {
	case found:
		before = zone + "-"
	case typed != "" && typed[0] >= '0' && typed[0] <= '9':
		before = ""
	}
	var list []cobra.Completion
	for _, n := range errorid.Numbers() {
		id, ok := errorid.Parse(before + n)
		if !ok {
			return nil
		}
		x, _ := errorid.Lookup(id, a.ui.lang)
		list = append(list, cobra.CompletionWithDesc(before+n, x.Means))
	}
	return list
}

// statesFor are the states in which a command can do something with a set; none
// are all.
func statesFor(command string) []inbox.State {
	switch command {
	case "cancel":
		return slices.DeleteFunc(inbox.States(), func(s inbox.State) bool { return !s.BeforeGO() })
	case "mark-sent", "resubmit":
		return []inbox.State{inbox.Unknown}
	}
	return nil
}

func (a *program) setNames(states []inbox.State) proposer {
	return func(ctx context.Context, typed string) []cobra.Completion {
		found := a.glance(func(path string) ([]ledger.Named, error) {
			return wire.SetNames(ctx, path, typed, states, mostProposed)
		})
		var list []cobra.Completion
		for _, n := range found {
			list = append(list, cobra.CompletionWithDesc(n.Name, a.ui.in(wording.State(inbox.State(n.Word)))))
		}
		return list
	}
}

func (a *program) replyNames(ctx context.Context, typed string) []cobra.Completion {
	found := a.glance(func(path string) ([]ledger.Named, error) {
		return wire.ReplyNames(ctx, path, typed, mostProposed)
	})
	var list []cobra.Completion
	for _, n := range found {
		means := ""
		if x, ok := naming.LookupApplication(n.Word); ok {
			means = a.ui.in(lang.Word(x.Meaning))
		}
		list = append(list, cobra.CompletionWithDesc(n.Name, means))
	}
	return list
}

// glance looks into the ledger. What goes wrong, such as a faulty configuration,
// is told by the command itself.
func (a *program) glance(look func(path string) ([]ledger.Named, error)) []ledger.Named {
	a.log = slog.New(slog.DiscardHandler) // no command runs
	c, err := a.config()
	if err != nil {
		return nil
	}
	found, err := look(filepath.Join(c.StateDir, "ledger.db"))
	if err != nil {
		return nil
	}
	return found
}
