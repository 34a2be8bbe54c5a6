package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// crashMode is what becomes of the request during which the client dies.
type crashMode string

const (
	diesBefore crashMode = "dies-before-request-is-done" // it arrived and is carried out all the same
	diesAfter  crashMode = "dies-before-answer"          // it was carried out and the answer is lost
	lost       crashMode = "request-lost"                // it never arrived
)

// killer kills a client at one of its requests.
type killer struct {
	mu     sync.Mutex
	at     int64 // number of the request since arm; 0: never
	seen   int64
	target int64 // the server's number of that request
	mode   crashMode
	client *exec.Cmd
	gone   chan struct{}
	fired  bool
}

func (k *killer) hooks() sandbox.Hooks {
	hit := func(mode crashMode, op sandbox.Operation) bool {
		k.mu.Lock()
		fire := k.at > 0 && k.mode == mode && op.N == k.target && !k.fired
		if fire {
			k.fired = true
		}
		client, gone := k.client, k.gone
		k.mu.Unlock()
		if fire {
			_ = client.Process.Kill()
			<-gone
		}
		return fire
	}
	return sandbox.Hooks{
		Before: func(op sandbox.Operation) {
			k.mu.Lock()
			if k.seen++; k.seen == k.at {
				k.target = op.N
			}
			k.mu.Unlock()
			hit(diesBefore, op)
		},
		Drop:  func(op sandbox.Operation) bool { return hit(lost, op) },
		After: func(op sandbox.Operation) { hit(diesAfter, op) },
	}
}

// runKilled runs a command that dies at request at, or ends by itself.
func (k *killer) runKilled(t *testing.T, st *stand, at int64, mode crashMode, args ...string) (fired bool) {
	t.Helper()
	cmd := exec.Command(builtProgram(t), append([]string{"--config", st.config}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	gone := make(chan struct{})
	k.mu.Lock()
	k.at, k.seen, k.target, k.mode, k.client, k.gone, k.fired = at, 0, 0, mode, cmd, gone, false
	if err := cmd.Start(); err != nil {
		k.mu.Unlock()
		t.Fatal(err)
	}
	k.mu.Unlock()
	err := cmd.Wait()
	close(gone)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = 0
	if !k.fired && err != nil {
		t.Fatalf("not killed, and failed: %v\n%s", err, out.String())
	}
	return k.fired
}

// runClient runs a command to its end and gives its exit code and output.
func runClient(t *testing.T, st *stand, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(builtProgram(t), append([]string{"--config", st.config}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// A submit that is killed at any request, and given again, ends with exactly
// one processed set and every reply at home.
func TestSubmitSurvivesDeathAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, mode := range []crashMode{diesBefore, diesAfter, lost} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			points := 0
			for at := int64(1); ; at++ {
				if !crashSubmit(t, at, mode) {
					break
				}
				points++
			}
			// init, 4 files of open, write, fstat and close, GO of open and close
			if points < 15 {
				t.Errorf("only %d points were tried", points)
			}
			t.Logf("%d points", points)
		})
	}
}

func crashSubmit(t *testing.T, at int64, mode crashMode) (fired bool) {
	t.Helper()
	dir := t.TempDir()
	k := &killer{}
	st := newStand(t, dir, func(c *sandbox.Config) { c.Hooks = k.hooks() })
	files, err := demoFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"submit", "--env", "R", "--parts", files["dmfa-part1.xml"], files["dmfa-part2.xml"], "--settle-pause", "50ms"}
	if !k.runKilled(t, st, at, mode, args...) {
		return false
	}
	where := fmt.Sprintf("%s at request %d", mode, at)
	code, out := runClient(t, st, args...)
	if code != exitDone && code != exitAlready {
		t.Fatalf("%s: the second submit ended with %d\n%s", where, code, out)
	}
	oneSetAnswered(t, where, st)
	if code, out = runClient(t, st, args...); code != exitAlready {
		t.Fatalf("%s: a third submit ended with %d\n%s", where, code, out)
	}
	oneSetAnswered(t, where, st)
	return true
}

// oneSetAnswered asserts that the server processed one set, accepted it, and
// that fetch brings every reply home.
func oneSetAnswered(t *testing.T, where string, st *stand) {
	t.Helper()
	err := st.server.WaitFor(context.Background(), func(e []sandbox.Event) bool {
		n := 0
		for _, x := range e {
			if x.Kind == sandbox.Replied {
				n++
			}
		}
		return n >= 3 // one receipt, a notification per part
	})
	if err != nil {
		t.Fatal(err)
	}
	sets := st.server.Processed()
	if len(sets) != 1 || sets[0].Outcome != "accepted" {
		t.Fatalf("%s: the server processed %+v", where, sets)
	}
	code, out := runClient(t, st, "fetch", "--env", "R", "--settle-pause", "50ms")
	if code != exitDone {
		t.Fatalf("%s: fetch ended with %d\n%s", where, code, out)
	}
	if left := st.server.Pending(naming.Production); len(left) > 0 {
		t.Fatalf("%s: left on the server: %v", where, left)
	}
	_, out = runClient(t, st, "status", "--json")
	if n := strings.Count(out, `"state":"accepted"`); n != 1 {
		t.Fatalf("%s: %d accepted sets in the ledger\n%s", where, n, out)
	}
}

// A fetch that is killed at any request, and given again, stores every reply
// exactly once and leaves nothing on the server.
func TestFetchSurvivesDeathAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, mode := range []crashMode{diesBefore, diesAfter, lost} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			points := 0
			for at := int64(1); ; at++ {
				if !crashFetch(t, at, mode) {
					break
				}
				points++
			}
			if points < 15 {
				t.Errorf("only %d points were tried", points)
			}
			t.Logf("%d points", points)
		})
	}
}

func crashFetch(t *testing.T, at int64, mode crashMode) (fired bool) {
	t.Helper()
	dir := t.TempDir()
	k := &killer{}
	st := newStand(t, dir, func(c *sandbox.Config) { c.Hooks = k.hooks() })
	files, err := demoFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	where := fmt.Sprintf("%s at request %d", mode, at)
	if code, out := runClient(t, st, "submit", "--env", "T", files["dimona-in.xml"]); code != exitDone {
		t.Fatalf("submit ended with %d\n%s", code, out)
	}
	waitReplies(t, st, 2)
	sent := st.server.Pending(naming.Test)
	if !k.runKilled(t, st, at, mode, "fetch", "--env", "T") {
		return false
	}
	if code, out := runClient(t, st, "fetch", "--env", "T"); code != exitDone {
		t.Fatalf("%s: the second fetch ended with %d\n%s", where, code, out)
	}
	if left := st.server.Pending(naming.Test); len(left) > 0 {
		t.Fatalf("%s: left on the server: %v", where, left)
	}
	var want, got []string
	for _, f := range sent {
		if !strings.HasPrefix(f, "GO.") {
			want = append(want, f)
		}
	}
	stored, err := filepath.Glob(filepath.Join(st.dir, "replies", "T", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stored {
		got = append(got, filepath.Base(f))
	}
	if strings.Join(want, " ") != strings.Join(got, " ") {
		t.Fatalf("%s: stored %v instead of %v", where, got, want)
	}
	if rest, err := os.ReadDir(filepath.Join(st.dir, "replies", "T", ".incoming")); err != nil || len(rest) > 0 {
		t.Fatalf("%s: half-written files are left: %v, %v", where, rest, err)
	}
	_, out := runClient(t, st, "status", "--json")
	if n := strings.Count(out, `"state":"accepted"`); n != 1 {
		t.Fatalf("%s: %d accepted sets in the ledger\n%s", where, n, out)
	}
	return true
}

func waitReplies(t *testing.T, st *stand, n int) {
	t.Helper()
	err := st.server.WaitFor(context.Background(), func(e []sandbox.Event) bool {
		got := 0
		for _, x := range e {
			if x.Kind == sandbox.Replied {
				got++
			}
		}
		return got >= n
	})
	if err != nil {
		t.Fatal(err)
	}
}
