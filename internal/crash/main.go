// Command crash looks for a way to lose a declaration or a reply, or to send
// one twice. It runs the client against a server in schedules of a few commands,
// and strikes: it kills the client at one of its own steps or at one of its
// requests, cuts the connection, restarts the server, lets two clients run at
// once. Then it lets the work be finished, as a person would, and compares what
// the server processed, what the archive holds and what the ledger says with
// what was handed in.
//
// The server is the stand-in, which sees every request, or, with -server sshd,
// the OpenSSH of the machine, beside which the stand-in is the office. That one
// is struck at steps of the client.
//
// First every step and every request of the small cases is struck once; then
// come schedules made from the seed, each of which can be run again alone with
// -only. The client is built with the tag crashpoints: "make crash".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	var o options
	var only string
	f := flag.NewFlagSet("crash", flag.ContinueOnError)
	f.SetOutput(log)
	f.StringVar((*string)(&o.server), "server", string(standInServer), "sandbox, the stand-in, or sshd, the OpenSSH of this machine")
	f.StringVar(&o.binary, "binary", "", "the client, built with -tags crashpoints")
	f.IntVar(&o.schedules, "schedules", 2000, "how many schedules in all, those of the small cases included")
	f.Uint64Var(&o.seed, "seed", 1, "what the schedules are made from")
	f.IntVar(&o.parallel, "parallel", 2, "schedules at once")
	f.BoolVar(&o.skipCases, "random", false, "only schedules made from the seed, not the small cases")
	f.BoolVar(&o.keep, "keep", false, "keep the directories of schedules that went wrong")
	f.BoolVar(&o.first, "first", false, "stop at the first schedule that goes wrong")
	f.BoolVar(&o.verbose, "v", false, "print what happens in every schedule")
	f.StringVar(&only, "only", "", "run these alone: numbers, or names such as fetch/point/7, with commas")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.server != standInServer && o.server != sshdServer {
		return fmt.Errorf("-server %q is neither %s nor %s", o.server, standInServer, sshdServer)
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil || o.binary == "" {
		return errors.Join(err, errors.New("give -binary"))
	}
	o.binary = binary
	begin := time.Now()
	o.progress = func(n, bad int) {
		if n%100 == 0 {
			fmt.Fprintf(log, "%6d schedules, %d violations, %s\n", n, bad, time.Since(begin).Round(time.Second))
		}
	}
	o.told = func(text string) { fmt.Fprint(out, text) }
	st, err := campaign(ctx, o)
	if err != nil && !errors.Is(err, errFirst) {
		return err
	}
	st.print(out, o.seed, time.Since(begin))
	if st.violations > 0 {
		return fmt.Errorf("%d schedules violated what is promised", st.violations)
	}
	return nil
}
