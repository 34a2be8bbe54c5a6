// Package cli is the command line: flags become requests, and results, events and
// errors become text, JSON and exit codes. What a command does is in package app.
package cli

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/inconshreveable/mousetrap"
	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/durable"
)

// Build is what the program is made with.
type Build struct {
	Version string
	// Steps, if set, hears of every step on the disk, through its Fault, and gives
	// what hears of those of the ledger: tests stop the program at one of them.
	Steps func(getenv func(string) string, disk *durable.Disk) (ledgerStep func(string))
}

// memory is what the program tries to stay within. Everything is read in
// pieces, so it never needs more; but a server may send much at a time, and
// garbage is then to be collected earlier.
const memory = 100 << 20

// Main is the whole program, with the arguments and streams of the process; it
// returns the exit code.
func Main(b Build) int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program as always.
	context.AfterFunc(ctx, stop)
	cobra.MousetrapHelpText = "" // it would refuse to be started by a shortcut
	return b.run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)
}

// run is Main with other arguments and streams.
func (b Build) run(ctx context.Context, args []string, s streams, getenv func(string) string) int {
	a := &program{ui: newUI(s, getenv), getenv: getenv, now: time.Now, fromDesktop: mousetrap.StartedByExplorer, build: b}
	if b.Steps != nil {
		a.ledgerStep = b.Steps(getenv, &a.disk)
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
