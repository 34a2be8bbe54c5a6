package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/examples"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

func newDemoCmd(a *program, run func(context.Context, *program, string) error) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole way of declarations, against a stand-in server",
		Long: `Show the whole way of declarations, against a stand-in server on this machine:
named, signed, delivered, answered, fetched and deleted. Nothing leaves the
machine. Without --dir everything is removed afterwards.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "keep everything in `DIR`")
	return cmd
}

// demo is one run: it gives commands as a person would.
type demo struct {
	app    *program
	dir    string
	config string
}

// command runs a command line and compares its exit code.
func (d *demo) command(ctx context.Context, want int, args ...string) error {
	u := d.app.ui
	u.result("")
	shown := strings.ReplaceAll(strings.Join(args, " "), filepath.Join(d.dir, "declarations")+string(filepath.Separator), "")
	u.result("%s", u.paint(u.colourOut, cyan, "$ socbatch "+shown))
	full := append([]string{"--config", d.config, "--lang", string(u.lang)}, args...)
	if got := d.app.build.run(ctx, full, u.streams, d.app.getenv); got != want {
		return fmt.Errorf("demo: %s ended with %d instead of %d", args[0], got, want)
	}
	return nil
}

func runDemo(ctx context.Context, a *program, dir string) (err error) {
	if a.ui.json {
		return usagef("demo is for people: it has no JSON")
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "socbatch-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	files, err := demoFiles(dir)
	if err != nil {
		return err
	}
	s, config, err := startSandbox(ctx, a, sandboxOptions{
		dir: dir, journal: filepath.Join(dir, "journal.jsonl"), receipt: 50 * time.Millisecond, answer: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	u := a.ui
	u.result("A stand-in for the social security's server listens on %s.", s.Addr())
	d := &demo{app: a, dir: dir, config: config}
	f := func(name string) string { return files[name] }
	steps := []struct {
		say  lang.Text
		want int
		args []string
	}{
		{text("A Dimona for the test environment: named and sent, no signature needed."), exitDone,
			[]string{"submit", "--env", "T", f("dimona-in.xml"), "--wait", "30s"}},
		{text("A DmfA of two parts for production: each part is signed."), exitDone,
			[]string{"submit", "--env", "R", "--parts", f("dmfa-part1.xml"), f("dmfa-part2.xml"), "--wait", "30s"}},
		{text("The same again: nothing is sent twice."), exitAlready,
			[]string{"submit", "--env", "R", "--parts", f("dmfa-part1.xml"), f("dmfa-part2.xml")}},
		{text("A file without a declaration in it: it is found wrong before it is sent."), exitFailed,
			[]string{"submit", "--env", "T", f("dimona-refused.xml")}},
		{text("Sent all the same: the server refuses it."), exitRefused,
			[]string{"submit", "--env", "T", f("dimona-refused.xml"), "--skip-checks", "--wait", "30s"}},
		{text("Is there anything else?"), exitDone, []string{"fetch", "--env", "R,T,S"}},
		{text("What was sent, and what became of it:"), exitDone, []string{"status"}},
	}
	for _, st := range steps {
		u.result("")
		u.result("%s", st.say)
		if err := d.command(ctx, st.want, st.args...); err != nil {
			return err
		}
	}
	return d.conclude(s)
}

// conclude compares with what the server counted.
func (d *demo) conclude(s *sandbox.Server) error {
	u := d.app.ui
	u.result("")
	u.result("What the server says:")
	for _, p := range s.Processed() {
		line := fmt.Sprintf("  %s  %s", p.Set(), u.in(wording.Outcome(string(p.Outcome))))
		if len(p.Errors) > 0 {
			line += " (" + strings.Join(p.Errors, ", ") + ")"
		}
		u.result("%s", line)
	}
	if n := len(s.Processed()); n != 3 {
		return fmt.Errorf("demo: the server processed %d sets instead of 3", n)
	}
	for _, env := range naming.Environments() {
		left := s.Pending(env)
		u.result("  %-9s  %s left", env.Outbox(), count(len(left), "%d file", "%d files"))
		if len(left) > 0 {
			return fmt.Errorf("demo: %s still has %s", env.Outbox(), strings.Join(left, ", "))
		}
	}
	stored := 0
	err := filepath.WalkDir(filepath.Join(d.dir, "client", "replies"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), "FO.") {
			stored++
		}
		return err
	})
	u.result("  %s stored in the archive", count(stored, "%d reply", "%d replies"))
	return err
}

// demoFiles writes the example declarations, where a person would have them.
func demoFiles(dir string) (map[string]string, error) {
	return examplesInto(filepath.Join(dir, "declarations"))
}

// examplesInto writes the example declarations. Files of their names that are
// there already stay as they are.
func examplesInto(target string) (map[string]string, error) {
	if err := os.MkdirAll(target, 0o700); err != nil {
		return nil, err
	}
	files := map[string]string{}
	entries, err := examples.Declarations.ReadDir("declarations")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := examples.Declarations.ReadFile("declarations/" + e.Name())
		if err != nil {
			return nil, err
		}
		files[e.Name()] = filepath.Join(target, e.Name())
		if isFile(files[e.Name()]) {
			continue
		}
		if err := os.WriteFile(files[e.Name()], b, 0o600); err != nil {
			return nil, err
		}
	}
	return files, nil
}
