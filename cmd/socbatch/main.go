// Command socbatch sends declarations to the Belgian social security in batch
// and brings the answers back.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/inconshreveable/mousetrap"
	"github.com/spf13/cobra"
)

// version is set by the build.
var version = "dev"

// memory is what the program tries to stay within. Everything is read in
// pieces, so it never needs more; but a server may send much at a time, and
// garbage is then to be collected earlier.
const memory = 100 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program as always.
	context.AfterFunc(ctx, stop)
	cobra.MousetrapHelpText = "" // it would refuse to be started by a shortcut
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv))
}

// instrument, where a build sets it, gets the app before the command runs: see
// crashpoints.go.
var instrument func(*program)

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, s streams, getenv func(string) string) int {
	a := &program{ui: newUI(s, getenv), getenv: getenv, now: time.Now, fromDesktop: mousetrap.StartedByExplorer}
	if instrument != nil {
		instrument(a)
	}
	return a.run(ctx, args)
}

func (a *program) run(ctx context.Context, args []string) int {
	a.chooseLanguage(args)
	if a.startedAlone(args) {
		program, err := os.Executable()
		if err != nil {
			program = "socbatch.exe"
		}
		code := a.introduce(program, len(args))
		a.ui.pause(ctx)
		return code
	}
	if a.pauseAtEnd {
		defer a.ui.pause(ctx)
	}
	root := newRootCmd(a)
	a.ui.speakHelp(root)
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsages(root)
	}
	root.SetArgs(args)
	root.SetIn(a.ui.streams.in)
	root.SetOut(a.ui.out)
	root.SetErr(a.ui.err)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.failed {
		a.ui.fail(err)
	}
	return exitCode(err)
}
