package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

type nameOptions struct {
	names        []string
	applications bool
	application  string
	environment  string
	date         string
	sequence     string
	parts        int
}

func newNameCmd(a *program, run func(context.Context, *program, nameOptions) error) *cobra.Command {
	o := nameOptions{}
	cmd := &cobra.Command{
		Use:   "name [NAME…]",
		Short: "Build the names of a declaration, or explain names",
		Long: `Build the names of a declaration, or explain names.

With --app and --env the names of its files are built; without a --sequence the
first number of the day is used. Any NAME that is given is taken apart and
checked as the server would: exit code 0 when every name is right, else 1.`,
		Example: `  socbatch name FI.DMFA.101380.20100920.00001.R.4.1
  socbatch name --app DIMN --env T --sender 101380
  socbatch name --applications`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.applications, "applications", false, "list the known applications")
	f.StringVarP(&o.application, "app", "a", "", "application `CODE`")
	f.StringVarP(&o.environment, "env", "e", "", "environment: R, T or S")
	f.StringVar(&o.date, "date", "", "date `YYYYMMDD` (default: today in Brussels)")
	f.StringVar(&o.sequence, "sequence", string(naming.FirstSequence), "sequence, 5 of 0-9 and A-Z")
	f.IntVar(&o.parts, "parts", 1, "number of parts, 1 to 9")
	return cmd
}

func runName(_ context.Context, a *program, o nameOptions) error {
	switch {
	case o.applications:
		return listApplications(a)
	case len(o.names) > 0:
		return explainNames(a, o)
	case o.application == "" || o.environment == "":
		return usagef("give names to explain, or --app and --env to build some")
	}
	return buildNames(a, o)
}

func listApplications(a *program) error {
	var list []contract.Application
	w := tabwriter.NewWriter(a.ui.out, 0, 0, 2, ' ', 0)
	for _, x := range naming.Applications() {
		it := contract.Application{Code: x.Code, Meaning: x.Meaning, Direction: string(x.Direction), Roots: append([]string{}, x.Roots...), Identifications: append([]string{}, x.Identifications...)}
		for _, e := range x.Environments {
			it.Environments = append(it.Environments, string(e))
		}
		list = append(list, it)
		if !a.ui.json {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Code, a.ui.in(lang.Word(string(x.Direction))), strings.Join(it.Environments, " "), a.ui.in(lang.Word(x.Meaning)))
		}
	}
	_ = w.Flush()
	a.ui.object(contract.Applications{Applications: list})
	return nil
}

func buildNames(a *program, o nameOptions) error {
	c, err := a.needSender()
	if err != nil {
		return err
	}
	date := naming.DateOf(a.now())
	if o.date != "" {
		date = naming.Date(o.date)
	}
	set := naming.Set{
		Application: o.application, Sender: c.Sender, Date: date, Sequence: naming.Sequence(o.sequence),
		Environment: naming.Environment(strings.ToUpper(o.environment)), Parts: o.parts,
	}
	if err := set.Check(); err != nil {
		return &failure.UsageError{Err: err}
	}
	for _, f := range naming.Validate(set.GO().String(), naming.Context{Today: naming.DateOf(a.now()), Nearest: near.Application}) {
		a.ui.warn("%s", f)
	}
	var names []string
	for p := 1; p <= set.Parts; p++ {
		names = append(names, set.FI(p).String(), set.FS(p).String())
	}
	names = append(names, set.GO().String())
	for _, n := range names {
		a.ui.result("%s", n)
	}
	a.ui.object(contract.BuiltNames{Set: set.String(), Folder: set.Inbox(), RepliesIn: set.Outbox(), Names: names, Cancel: set.TD().String()})
	return nil
}

func explainNames(a *program, o nameOptions) error {

	c, err := a.config()
	if err != nil {
		return err
	}
	list := []contract.Name{}
	wrong := 0
	for _, name := range o.names {
		it := contract.Name{Name: name, Faults: []contract.NameFault{}}
		n, err := naming.Parse(name)
		if err == nil {
			it.Known = true
			it.Kind, it.Application, it.Sender, it.Date = string(n.Kind), n.Application, n.Sender, string(n.Date)
			it.Sequence, it.Environment, it.Parts, it.Part = string(n.Sequence), string(n.Environment), n.Parts, n.Part
			printName(a, name, n)
		} else {
			it.Reason = err.Error()
			a.ui.result("%s", printable(name))
			a.ui.result("  not a name of the channel")
		}
		received := err == nil && (n.Kind == naming.FO || n.Kind == naming.CO || n.Sender == naming.OfficeSender)
		serious := err != nil
		if !received {
			for _, f := range naming.Validate(name, naming.Context{Account: c.Sender, Today: naming.DateOf(a.now()), Nearest: near.Application}) {
				it.Faults = append(it.Faults, contract.NameFault{ID: f.ID, Warning: f.Warning, Text: f.Text})
				serious = serious || !f.Warning
				word := text("fault")
				if f.Warning {
					word = text("warning")
				}
				a.ui.result("  %-8s %-8s %s", word, f.ID, f)
			}
		}
		if serious {
			wrong++
		}
		list = append(list, it)
	}
	out := contract.Names{Names: list}
	if wrong > 0 {
		err = toldError{failure.New(failure.Failed, errorf("%s wrong", count(wrong, "%d name", "%d names")))}
		x := explain(err)
		out.Error = &x
	}
	a.ui.object(out)
	return err
}

func printName(a *program, name string, n naming.Name) {
	u := a.ui
	u.result("%s", name)
	var f fields
	f.add(text("kind"), u.text("%s, %s", n.Kind, lang.Word(n.Kind.Meaning())))
	if _, ok := naming.LookupApplication(n.Application); ok {
		f.add(text("application"), u.in(wording.Application(n.Application)))
	} else {
		f.add(text("application"), u.text("%s, not a known one", n.Application))
	}
	if n.Sender == naming.OfficeSender {
		f.add(text("sender"), u.text("%s, the office", n.Sender))
	} else {
		f.add(text("sender"), n.Sender)
	}
	f.add(text("date"), fmt.Sprintf("%s-%s-%s", n.Date[:4], n.Date[4:6], n.Date[6:]))
	f.add(text("sequence"), string(n.Sequence))
	f.add(text("environment"), u.text("%s, %s", n.Environment, lang.Word(n.Environment.Meaning())))
	if n.Part > 0 {
		f.add(text("part"), u.text("%d of %d", n.Part, n.Parts))
	} else if n.Parts > 0 {
		f.add(text("parts"), fmt.Sprint(n.Parts))
	}
	if n.Sender != naming.OfficeSender && n.Kind != naming.FO && n.Kind != naming.CO {
		f.add(text("goes to"), u.text("%s, replies in %s", n.Environment.Inbox(), n.Environment.Outbox()))
	} else {
		f.add(text("lies in"), n.Environment.Outbox())
	}
	u.fields("  ", f)
}
