package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/peak"
)

// usage is what one run of a program took.
type usage struct {
	Wall   time.Duration
	CPU    time.Duration // of the program and the programs that it started
	Memory int64         // peak resident set in bytes, of the largest of them
}

// command is a program to measure.
type command struct {
	place place
	dir   string
	env   []string
	args  []string
}

// run measures a command. It goes through a small program of its own, because
// the kernel counts the memory of whoever starts a program as its peak too,
// and because the start of "ip netns exec" is nobody's work.
func (b *bench) run(ctx context.Context, c command) (usage, error) {
	result := filepath.Join(b.dir, "usage.json")
	_ = os.Remove(result)
	flushDisks() // what earlier runs wrote is not the business of this one
	args := b.net.at(c.place, append([]string{b.self, "measure", result}, c.args...)...)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(out.String())
		return usage{}, fmt.Errorf("%s: %w: %s", filepath.Base(c.args[0]), err, text[max(0, len(text)-2000):])
	}
	var u usage
	text, err := os.ReadFile(result)
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	return u, err
}

// measure is the program between: it runs a command and writes its usage.
func measure(result string, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	err := cmd.Run()
	u := usage{Wall: time.Since(begin)}
	if err != nil {
		return err
	}
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.Memory = peak.Memory(cmd.ProcessState)
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return os.WriteFile(result, text, 0o600)
}

// supervise runs a program until standard input ends, so that it never
// outlives the driver.
func supervise(args []string) error {
	cmd := exec.Command(args[0], args[1:]...) // it has a log of its own
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	select {
	case err := <-ended:
		return errors.Join(errors.New("ended by itself"), err)
	case <-over:
		_ = cmd.Process.Kill()
		<-ended
		return nil
	}
}
