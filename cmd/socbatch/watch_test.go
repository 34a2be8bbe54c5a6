package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// A heartbeat follows a run that succeeded, and no other; that it fails changes
// nothing, and its URL is told to nobody.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	var agents []string
	status := http.StatusNoContent
	monitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents = append(agents, r.UserAgent()+" "+r.URL.String())
		w.WriteHeader(status)
	}))
	defer monitor.Close()
	st := newStand(t, t.TempDir(), nil)
	f, err := os.OpenFile(st.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("[monitoring]\nheartbeat_url = \"" + monitor.URL + "/key\"\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) (code int, stderr string) {
		var out, errs bytes.Buffer
		code = run(t.Context(), append([]string{"--config", st.config}, args...), streams{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
		return code, errs.String()
	}
	for _, c := range []struct {
		args   []string
		code   int
		status int
		beats  int
	}{
		{[]string{"fetch", "--env", "T"}, 0, 204, 1},
		{[]string{"resume", "--env", "T"}, 0, 204, 1},
		{[]string{"status"}, 0, 204, 0},
		{[]string{"fetch", "--env", "T", "--port", "1"}, exitTemporary, 204, 0},
		{[]string{"fetch", "--env", "T"}, 0, 500, 1},
	} {
		agents, status = nil, c.status
		code, stderr := command(c.args...)
		if code != c.code || len(agents) != c.beats {
			t.Errorf("%v: code %d, heartbeats %v\n%s", c.args, code, agents, stderr)
		}
		for _, a := range agents {
			if a != "socbatch/"+version+" /key" {
				t.Errorf("asked for as %s", a)
			}
		}
		if failed := c.status >= 300; strings.Contains(stderr, "warning: the heartbeat") != failed || strings.Contains(stderr, "/key") {
			t.Errorf("%v: %s", c.args, stderr)
		}
	}
}
