package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

func quiet() *app { return &app{ui: &ui{streams: streams{out: io.Discard, err: io.Discard}}} }

// Waiting looks at a modest interval that grows and is spread, and ends by
// itself. The clock is that of the bubble.
func TestPoll(t *testing.T) {
	t.Parallel()
	const most, interval = 4 * time.Hour, time.Minute
	var all [][]time.Duration
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var pauses []time.Duration
			last := start
			err := poll(t.Context(), quiet(), most, interval, func(context.Context) (bool, error) {
				if !last.Equal(time.Now()) {
					pauses = append(pauses, time.Since(last))
				}
				last = time.Now()
				return false, nil
			})
			if !errors.Is(err, errNoAnswer) || time.Since(start) != most {
				t.Errorf("ended after %s with %v", time.Since(start), err)
			}
			all = append(all, pauses)
		})
	}
	wanted := interval
	for i, p := range all[0] {
		if p < wanted*79/100 || p > wanted*121/100 {
			t.Errorf("pause %d is %s, about %s was wanted", i, p, wanted)
		}
		wanted = min(wanted*3/2, 10*time.Minute)
	}
	if n := len(all[0]); n < 20 || n > 40 {
		t.Errorf("%d looks in %s", n, most)
	}
	if all[0][0] == all[1][0] && all[0][1] == all[1][1] {
		t.Error("two clients look at the same moments")
	}
}

func TestPollEnds(t *testing.T) {
	t.Parallel()
	down := &transport.Error{Class: transport.Temporary, Kind: transport.ErrConnection}
	denied := &transport.Error{Class: transport.Permanent, Kind: transport.ErrPermission}
	for _, c := range []struct {
		name string
		says []error // of one look after the other; then all is there
		want error
		took int // looks
	}{
		{"at once", nil, nil, 1},
		{"the server is away for a while", []error{down, down, down}, nil, 4},
		{"refused for good", []error{down, denied}, denied, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			err := poll(t.Context(), quiet(), time.Hour, time.Minute, func(context.Context) (bool, error) {
				if looks++; looks <= len(c.says) {
					return false, c.says[looks-1]
				}
				return true, nil
			})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || looks != c.took {
				t.Errorf("%s: %v after %d looks", c.name, err, looks)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		err := poll(ctx, quiet(), time.Hour, time.Minute, func(context.Context) (bool, error) { cancel(); return false, nil })
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("interrupted: %v after %s", err, time.Since(start))
		}
	})
}

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
