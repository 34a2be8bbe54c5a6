package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// process is one run of the client.
type process struct {
	cmd      *exec.Cmd
	args     []string
	out, err bytes.Buffer
	started  chan struct{}
	gone     chan struct{}

	mu     sync.Mutex
	killed bool // by us
	hung   bool
	code   int // -1: killed
}

// patience is how long a command may take: none of those here works for more
// than a second.
const patience = 2 * time.Minute

func newProcess(binary, client string, env []string, args []string) *process {
	p := &process{args: args, started: make(chan struct{}), gone: make(chan struct{})}
	p.cmd = exec.Command(binary, args...) //nolint:gosec // the client under test
	p.cmd.Dir = client
	// Nothing of the person's own configuration, and temporary files where they are seen.
	// A client with the race detector would sleep for a second before it ends.
	p.cmd.Env = append([]string{"HOME=" + client, "TMPDIR=" + filepath.Dir(client), "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

// run waits for the end.
func (p *process) run() error {
	err := p.cmd.Start()
	close(p.started)
	if err != nil {
		close(p.gone)
		return err
	}
	watch := time.AfterFunc(patience, func() {
		p.mu.Lock()
		p.hung = true
		p.mu.Unlock()
		_ = p.cmd.Process.Kill()
	})
	defer watch.Stop()
	_ = p.cmd.Wait()
	p.code = p.cmd.ProcessState.ExitCode()
	close(p.gone)
	return nil
}

// kill ends the process at once, and returns when it is gone.
func (p *process) kill() {
	<-p.started
	if p.cmd.Process == nil {
		return
	}
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// check says what is wrong with how the process ended, whatever it was to do.
func (p *process) check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.out.String() + p.err.String()
	for _, bad := range []string{"panic:", "fatal error:", "goroutine ", "DATA RACE", "SQLITE_", "no such table"} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("it prints %q", bad)
		}
	}
	if p.hung {
		return fmt.Errorf("it did not end within %s", patience)
	}
	if p.code >= 0 {
		for line := range bytes.Lines(p.out.Bytes()) {
			if !json.Valid(line) {
				return fmt.Errorf("with --json it prints something else")
			}
		}
	}
	return nil
}

// story is the command line with what it printed.
func (p *process) story() string {
	end := fmt.Sprintf("exit %d", p.code)
	if p.code < 0 {
		end = "killed"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "$ %s: %s", strings.Join(p.args, " "), end)
	var short bytes.Buffer
	if json.Compact(&short, p.out.Bytes()) != nil {
		short = p.out
	}
	const maxLength = 2000
	for _, s := range []string{p.err.String(), short.String()} {
		if s = strings.TrimSpace(s); s != "" {
			if len(s) > maxLength {
				s = s[:maxLength] + " …"
			}
			b.WriteString("\n" + s)
		}
	}
	return b.String()
}
