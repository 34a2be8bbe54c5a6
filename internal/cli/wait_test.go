package cli

import (
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// fetch --wait goes on when the server was away in between.
func TestFetchWaitSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := newStand(t, dir, func(c *sandbox.Config) { c.Scenario.Rules = []sandbox.Rule{{Process: "manual"}} }) // takes nothing yet
	files, err := demoFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if code, out := runClient(t, st, "submit", "--env", "T", files["dimona-in.xml"]); code != exitDone {
		t.Fatalf("submit ended with %d\n%s", code, out)
	}
	_, port, err := net.SplitHostPort(st.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fetch := exec.CommandContext(t.Context(), "socbatch", "--config", st.config, "fetch", "--env", "T", "--wait", "5m", "--interval", "50ms")
	said, err := fetch.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fetch.Start(); err != nil {
		t.Fatal(err)
	}
	err = st.server.WaitFor(t.Context(), func(events []sandbox.Event) bool {
		n := 0
		for _, e := range events {
			if e.Kind == sandbox.Authenticated {
				n++
			}
		}
		return n == 2 // submit, and fetch
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.server.Close(); err != nil {
		t.Fatal(err)
	}
	// It is told that the server is away, before that comes back.
	buf, heard := make([]byte, 4096), ""
	for !strings.Contains(heard, "trying again") {
		n, err := said.Read(buf)
		if heard += string(buf[:n]); err != nil {
			t.Fatalf("%v: %s", err, heard)
		}
	}
	st = openStand(t, dir, func(c *sandbox.Config) {
		if c.Port, err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
	})
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	if err := fetch.Wait(); err != nil {
		t.Fatalf("fetch: %v\n%s%s", err, heard, rest)
	}
	if left := st.server.Pending(naming.Test); len(left) > 0 {
		t.Errorf("left on the server: %v", left)
	}
	if _, out := runClient(t, st, "status", "--json"); strings.Count(out, `"state":"accepted"`)+strings.Count(out, `"state": "accepted"`) != 1 {
		t.Errorf("not accepted: %s", out)
	}
}
