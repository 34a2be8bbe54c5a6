package secret

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"
	"unicode"

	"github.com/socbatch/socbatch/internal/problem"
)

// waitDelay is how long the output of a command is waited for after its end.
const waitDelay = time.Second

// fromCommand takes the first line that a program prints. No shell is involved.
// What it writes to its standard error is told where it fails, shortened; its
// output never is.
func fromCommand(ctx context.Context, args, environ []string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// In the process group of this program, unlike a hook: it may ask the person
	// on the terminal, and Ctrl-C reaches it.
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the person configured it
	cmd.Env, cmd.WaitDelay = environ, waitDelay
	out, said := &limited{max: maxSize}, &limited{max: 1 << 10}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // an agent that it started holds its output
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", problem.New("the command %s did not give the password within %s", args[0], timeout)
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil && said.line() != "":
		return "", problem.New("the command %s failed (%v): %s", args[0], err, said.line())
	case err != nil:
		return "", problem.New("the command %s failed: %v", args[0], err)
	case out.over:
		return "", problem.New("the command %s printed too much to be a password", args[0])
	}
	value, err := Decode(out.b.Bytes())
	if err != nil {
		return "", problem.New("the command %s: %v", args[0], err)
	}
	if value == "" {
		return "", problem.New("the command %s printed no password", args[0])
	}
	return value, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	b    bytes.Buffer
	max  int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.max - l.b.Len()
	if len(p) > room {
		l.over = true
		l.b.Write(p[:max(room, 0)])
	} else {
		l.b.Write(p)
	}
	return len(p), nil
}

// line is what was written, on one line that does no harm to a terminal.
func (l *limited) line() string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, l.b.String())
	return strings.Join(strings.Fields(clean), " ")
}
