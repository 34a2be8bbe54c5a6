package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
)

// maxSaid is how much of what a command writes to its standard error is told.
const maxSaid = 1 << 10

// Command goes through a program, with its arguments: its standard input and
// output are the connection. In the arguments %h is the server's host, %p its
// port, %r the user, %% a percent sign. No shell is involved. environ is the
// program's environment. It cannot ask anything on the terminal. It is killed
// when the connection is closed; what it wrote to its standard error is told
// where it fails.
func Command(args, environ []string, user string) Dial {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		fill := strings.NewReplacer("%%", "%", "%h", host, "%p", port, "%r", user)
		filled := make([]string, len(args))
		for i, a := range args {
			filled[i] = fill.Replace(a)
		}
		return start(filled, environ)
	}
}

func start(args, environ []string) (net.Conn, error) {
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the person configured it
	said := &said{}
	cmd.Env, cmd.Stderr, cmd.WaitDelay = environ, said, time.Second
	apart(cmd)
	in, err := cmd.StdinPipe()
	var out io.ReadCloser
	if err == nil {
		out, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		kill()
		return nil, &Error{args[0], ErrCommand, err}
	}
	// A pipe in memory has deadlines on every system; those of a process have not.
	ours, theirs := net.Pipe()
	c := &commandConn{Conn: ours, kill: kill, ended: make(chan struct{})}
	go func() {
		_, _ = io.Copy(in, theirs) // ends when either side is closed
		_ = in.Close()
	}()
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(theirs, out)
		close(copied)
	}()
	go func() {
		defer close(c.ended)
		select {
		case <-copied:
		case <-ctx.Done(): // a program that it started may hold its output open
		}
		err := cmd.Wait()
		if line := said.line(); line != "" {
			if err == nil {
				err = errors.New("it ended")
			}
			err = fmt.Errorf("%w: %s", err, line)
		}
		if err != nil {
			c.failed = &Error{args[0], ErrCommand, err}
		}
		_ = theirs.Close() // only now, so that whoever finds the end finds the failure
	}()
	return c, nil
}

// commandConn is the connection that a program is.
type commandConn struct {
	net.Conn
	kill   func()
	closed atomic.Bool // on this side
	ended  chan struct{}
	failed error // of the program; set before its end shows
}

func (c *commandConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.why(err)
}

func (c *commandConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.why(err)
}

// why says what the end of the pipe means.
func (c *commandConn) why(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if c.closed.Load() {
		return net.ErrClosed // as of any other connection
	}
	<-c.ended
	if c.failed != nil {
		return c.failed
	}
	return io.EOF
}

// Close ends the program, and waits for its end.
func (c *commandConn) Close() error {
	c.closed.Store(true)
	err := c.Conn.Close()
	c.kill()
	<-c.ended
	return err
}

// said keeps the beginning of what a program writes to its standard error.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p[:min(len(p), max(0, maxSaid-s.b.Len()))])
	return len(p), nil
}

// line is what was written, on one line that does no harm to a terminal.
func (s *said) line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s.b.String())
	return strings.Join(strings.Fields(clean), " ")
}
