package hook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/hook"
)

// The test binary is also the program that is run: its first argument says what
// it does.
func TestMain(m *testing.M) {
	if os.Getenv("HOOK_TEST_PROGRAM") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(program(os.Args[1:]))
}

func program(args []string) int {
	switch args[0] {
	case "echo": // its input, its arguments and its environment
		in, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%s|%s|%s", in, strings.Join(args[1:], ","), os.Getenv("HOOK_TEST_VALUE"))
		fmt.Fprint(os.Stderr, "|err")
	case "exit":
		n, _ := strconv.Atoi(args[1])
		return n
	case "flood":
		for range 100 {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "block":
		block(nil)
	case "fork", "leave": // a process that holds the output and a connection; then wait for it, or not
		child := exec.Command(os.Args[0], "hold", args[1])
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 9
		}
		if args[0] == "fork" {
			_ = child.Wait()
		}
	case "hold":
		c, err := net.Dial("tcp", args[1])
		if err != nil {
			return 9
		}
		block(c)
		_, _ = c.Write([]byte("y"))
	}
	return 0
}

// block reads what never comes.
func block(from io.Reader) {
	if from == nil {
		from, _, _ = os.Pipe()
	}
	_, _ = from.Read(make([]byte, 1))
}

func command(t *testing.T, args ...string) hook.Command {
	t.Helper()
	return hook.Command{
		Args:    append([]string{os.Args[0]}, args...),
		Env:     append(os.Environ(), "HOOK_TEST_PROGRAM=1", "HOOK_TEST_VALUE=v", "GORACE=atexit_sleep_ms=0"),
		Timeout: time.Minute,
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("y"), 1<<20) // more than a pipe holds
	for _, c := range []struct {
		name    string
		args    []string
		input   []byte
		outcome hook.Outcome
		code    int
		output  string
	}{
		{"reads, and is given what it needs", []string{"echo", "a b", "$HOME"}, []byte("doc"), hook.Done, 0, "doc|a b,$HOME|v|err"},
		{"exit code", []string{"exit", "7"}, nil, hook.Failed, 7, ""},
		{"does not read", []string{"exit", "0"}, large, hook.Done, 0, ""},
		{"writes much", []string{"flood"}, nil, hook.Done, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := command(t, c.args...).Run(t.Context(), c.input)
			if r.Outcome != c.outcome || r.ExitCode != c.code || r.Err != nil {
				t.Errorf("%+v", r)
			}
			if c.args[0] == "flood" {
				if len(r.Output) != hook.MaxOutput || !r.Cut {
					t.Errorf("%d bytes of output, cut %v", len(r.Output), r.Cut)
				}
			} else if string(r.Output) != c.output || r.Cut {
				t.Errorf("output %q", r.Output)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	c := command(t, "block")
	c.Timeout = 50 * time.Millisecond
	if r := c.Run(t.Context(), []byte("x")); r.Outcome != hook.TimedOut || r.ExitCode != -1 || r.Duration < c.Timeout {
		t.Errorf("%+v", r)
	}
}

func TestNotStarted(t *testing.T) {
	t.Parallel()
	c := command(t)
	c.Args = []string{"socbatch-there-is-no-such-program"}
	if r := c.Run(t.Context(), nil); r.Outcome != hook.NotStarted || r.Err == nil || r.ExitCode != -1 {
		t.Errorf("%+v", r)
	}
}

// held starts a program that leaves a process which is connected to the test.
func held(t *testing.T, what string) (net.Conn, context.CancelFunc, <-chan hook.Result) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan hook.Result, 1)
	go func() { done <- command(t, what, l.Addr().String()).Run(ctx, nil) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) // its end ends the process
	return conn, cancel, done
}

// What the program started is killed with it.
func TestChildrenAreKilled(t *testing.T) {
	t.Parallel()
	conn, cancel, done := held(t, "fork")
	cancel()
	if r := <-done; r.Outcome != hook.TimedOut {
		t.Errorf("%+v", r)
	}
	// Only where the process lives on is anything waited for here.
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
		t.Errorf("the process that the program started lives on: %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// A process that stays behind with the output does not hold up the caller, and
// may go on.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	conn, cancel, done := held(t, "leave")
	defer cancel()
	if r := <-done; r.Outcome != hook.Done || r.ExitCode != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("the process that was left behind is gone: %v", err)
	}
}
