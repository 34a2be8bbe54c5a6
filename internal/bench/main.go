// Command bench measures socbatch and other programs side by side, against a
// real OpenSSH server behind a line with a delay, and checks that what was
// sent has arrived. It is a tool of the project and no part of the product.
//
// It prints a Markdown table. Start it with "make bench".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/socbatch/socbatch/internal/bench/delay"
)

// bench is what every row needs.
type bench struct {
	dir      string
	shm      string // directory in memory; empty where there is none
	self     string // this program
	socbatch string // the product
	user     string
	quick    bool
	net      *network
	server   *server
	signers  *signers
	err      io.Writer
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.err, format+"\n", args...) }

// has reports whether a program is there.
func (b *bench) has(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

// dispatch finds out whether this is the driver or one of its helpers.
func dispatch(args []string) error {
	helper := ""
	if len(args) > 0 {
		helper = args[0]
	}
	switch {
	case helper == "measure" && len(args) > 2:
		return measure(args[1], args[2:])
	case helper == "supervise" && len(args) > 1:
		return supervise(args[1:])
	case helper == "line" && len(args) == 4:
		return runLine(args[1], args[2], args[3])
	case helper == "round-trip" && len(args) == 2:
		return printRoundTrip(args[1])
	case helper == "part":
		return part(args[1:])
	}
	return drive(args)
}

// runLine joins two TUN devices until standard input ends.
func runLine(a, b, hold string) error {
	d, err := time.ParseDuration(hold)
	if err != nil {
		return err
	}
	first, err := delay.Open(a)
	if err != nil {
		return err
	}
	second, err := delay.Open(b)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- delay.Run(first, second, d) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- nil
	}()
	if _, err := io.WriteString(os.Stdout, "ready\n"); err != nil {
		return err
	}
	return <-ended
}

func printRoundTrip(address string) error {
	best := time.Hour
	for range 5 {
		begin := time.Now()
		c, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			return err
		}
		best = min(best, time.Since(begin))
		_ = c.Close()
	}
	_, err := fmt.Fprintln(os.Stdout, best)
	return err
}

// drive is the driver: it makes the surroundings, runs the rows and prints
// what came out.
func drive(args []string) (err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	rows := f.String("rows", "1,2,3,4,5,6", "rows to run")
	only := f.String("only", "", "run only the programs whose name contains `TEXT`")
	quick := f.Bool("quick", false, "a tenth of the sizes")
	runs := f.Int("runs", 3, "runs of each program")
	roundTrip := f.Duration("round-trip", 20*time.Millisecond, "delay of the line; 0: loopback")
	binary := f.String("socbatch", ".build/socbatch", "the program to measure")
	output := f.String("o", "", "put the result into this file as well, between its bench marks")
	keep := f.Bool("keep", false, "keep the working directory")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{quick: *quick, err: os.Stderr}
	// sshd is kept out of the search path of ordinary users.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	makers := b.makers()
	var numbers []int
	for _, s := range strings.Split(*rows, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || makers[n] == nil {
			return fmt.Errorf("there is no row %q", s)
		}
		numbers = append(numbers, n)
	}
	for _, tool := range []string{"sshd", "ssh-keygen"} {
		if !b.has(tool) {
			return fmt.Errorf("%s is missing: nothing was run", tool)
		}
	}
	if b.socbatch, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	b.user = me.Username
	if b.dir, err = os.MkdirTemp("", "socbatch-bench-"); err != nil {
		return err
	}
	if b.shm, err = os.MkdirTemp("/dev/shm", "socbatch-bench-"); err == nil {
		defer func() { err = errors.Join(err, os.RemoveAll(b.shm)) }()
	} else {
		b.shm = ""
	}
	if *keep {
		b.say("working in %s", b.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	}
	if b.net, err = openNetwork(ctx, b.self, *roundTrip); err != nil {
		return err
	}
	defer b.net.close()
	if b.net.Why != "" {
		b.say("no delay: %s; everything runs on loopback", b.net.Why)
	}
	if b.server, err = startServer(ctx, b.dir, b.self, b.net); err != nil {
		b.server.close()
		return err
	}
	defer b.server.close()
	if b.signers, err = newSigners(b.dir); err != nil {
		return err
	}
	rep := &report{begin: time.Now(), machine: b.machine(ctx)}
	slices.Sort(numbers)
	var errs []error
	for _, n := range numbers {
		dir := filepath.Join(b.dir, fmt.Sprintf("row%d", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		r, err := makers[n](ctx, dir)
		if err != nil {
			return fmt.Errorf("prepare row %d: %w", n, err)
		}
		r.keep(*only)
		b.say("%d. %s", n, r.title)
		standings, err := b.contest(ctx, r, *runs)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, err)
		rep.add(r, standings)
		if !*keep {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	text := rep.markdown()
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		return err
	}
	if *output != "" {
		errs = append(errs, writeBetweenMarks(*output, text))
	}
	return errors.Join(errs...)
}
