package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// configure adds to the configuration.
func (st *stand) configure(t *testing.T, text string) {
	t.Helper()
	old, err := os.ReadFile(st.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(st.config, append(old, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs the program in this process.
func (st *stand) command(ctx context.Context, args ...string) (code int, stderr string) {
	var out, errs bytes.Buffer
	code = testBuild.run(ctx, append([]string{"--config", st.config}, args...), streams{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
	return code, errs.String()
}

// Of a run that somebody interrupted no hook is told; of another failure it is.
func TestInterruptedRunTellsNobody(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh, as a hook")
	}
	st := newStand(t, t.TempDir(), nil)
	told := filepath.Join(t.TempDir(), "told")
	st.configure(t, fmt.Sprintf("[hooks]\non_error = [%q, \"-c\", 'cat > \"$0\"', %q]\n", "sh", told))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, stderr := st.command(ctx, "fetch", "--env", "T"); code != exitInterrupted {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	if _, err := os.Stat(told); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the hook was called: %v", err)
	}
	if code, stderr := st.command(t.Context(), "fetch", "--env", "T", "--port", "1"); code != exitTemporary {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	if b, err := os.ReadFile(told); err != nil || !strings.Contains(string(b), `"code":5`) {
		t.Errorf("the hook was told %q, %v", b, err)
	}
}

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
	st.configure(t, "[monitoring]\nheartbeat_url = \""+monitor.URL+"/key\"\n")
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
		code, stderr := st.command(t.Context(), c.args...)
		if code != c.code || len(agents) != c.beats {
			t.Errorf("%v: code %d, heartbeats %v\n%s", c.args, code, agents, stderr)
		}
		for _, a := range agents {
			if a != "socbatch/"+testBuild.Version+" /key" {
				t.Errorf("asked for as %s", a)
			}
		}
		if failed := c.status >= 300; strings.Contains(stderr, "warning: the heartbeat") != failed || strings.Contains(stderr, "/key") {
			t.Errorf("%v: %s", c.args, stderr)
		}
	}
}
