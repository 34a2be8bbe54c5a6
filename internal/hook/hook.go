// Package hook runs a program of the user with a JSON document on its standard
// input, for a limited time and with limited output.
package hook

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"time"
)

// MaxOutput is how much of what a program writes is kept, in bytes.
const MaxOutput = 16 << 10

// waitDelay is how long the output of a program is waited for after its end: a
// process that it left behind may hold it open.
const waitDelay = time.Second

// Command is a program and how to run it. No shell is involved.
type Command struct {
	Args    []string // program and arguments
	Env     []string // the whole environment, as NAME=VALUE
	Timeout time.Duration
}

// Outcome says how a run ended. The text is what the ledger stores and what
// --json prints.
type Outcome string

// How a run may end.
const (
	Done       Outcome = "done"        // exit code 0
	Failed     Outcome = "failed"      // another exit code, or ended by a signal
	TimedOut   Outcome = "timed-out"   // killed, with every process of its group
	NotStarted Outcome = "not-started" // there is no such program, or it may not be run
)

// Result is what came of a run.
type Result struct {
	Outcome  Outcome
	ExitCode int   // -1 where the program did not end by itself
	Err      error // why it was not started
	Duration time.Duration
	Output   []byte // standard output and error, the first MaxOutput bytes
	Cut      bool   // there was more output
}

// Run runs the program and waits for its end. When the time is up, or ctx ends,
// it is killed with all processes that it started. A program need not read the
// document.
func (c Command) Run(ctx context.Context, document []byte) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var out output
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = c.Env
	cmd.Stdin = bytes.NewReader(document)
	cmd.Stdout, cmd.Stderr = &out, &out // the same writer: never written to at once
	cmd.WaitDelay = waitDelay
	g := newGroup(cmd)
	defer g.close()
	cmd.Cancel = g.kill
	begin := time.Now()
	err := cmd.Start()
	if err == nil {
		g.started()
		err = cmd.Wait()
	}
	r := Result{ExitCode: -1, Duration: time.Since(begin), Output: out.kept, Cut: out.cut}
	if s := cmd.ProcessState; s != nil {
		r.ExitCode = s.ExitCode()
	}
	switch {
	case cmd.Process == nil:
		r.Outcome, r.Err = NotStarted, err
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		r.Outcome = Done
	case ctx.Err() != nil:
		r.Outcome, r.ExitCode = TimedOut, -1
	default:
		r.Outcome = Failed
	}
	return r
}

// output keeps the beginning of what is written to it.
type output struct {
	kept []byte
	cut  bool
}

func (o *output) Write(p []byte) (int, error) {
	n := min(len(p), MaxOutput-len(o.kept))
	o.kept = append(o.kept, p[:n]...)
	o.cut = o.cut || n < len(p)
	return len(p), nil
}
