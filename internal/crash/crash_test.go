package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/testsshd"
)

// client builds the program with its crash points.
func client(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("nothing can be killed at its own steps on Windows")
	}
	binary := filepath.Join(t.TempDir(), "socbatch")
	args := []string{"build", "-tags", "crashpoints"}
	if raced {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "-o", binary, "github.com/socbatch/socbatch/cmd/socbatch")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the client cannot be built: %v\n%s", err, out)
	}
	return binary
}

// The short form of "make crash".
func TestNeverTwiceNeverLost(t *testing.T) {
	t.Parallel()
	binary := client(t)
	for name, o := range map[string]options{
		"from a seed":  {schedules: 34, seed: 20261, skipCases: true},
		"found before": {only: found},
	} {
		t.Run(name, func(t *testing.T) {
			o.server, o.binary = standInServer, binary
			noViolation(t, o)
		})
	}
}

// The short form of "make crash SERVER=sshd".
func TestNeverTwiceNeverLostOpenSSH(t *testing.T) {
	t.Parallel()
	binary := client(t)
	for name, o := range map[string]options{
		"from a seed": {schedules: 6, seed: 20261, skipCases: true},
		"small cases": {only: []string{
			"settle-go-lost/kill-at-step/2", "settle-go-taken/kill-at-step/1", "cancel/kill-sftp-server/at-step/1", "fetch/cut/at-step/33",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o.server, o.binary = sshdServer, binary
			noViolation(t, o)
		})
	}
}

func noViolation(t *testing.T, o options) {
	t.Helper()
	o.parallel = 2
	o.told = func(text string) { t.Error(text) }
	begin := time.Now()
	st, err := campaign(t.Context(), o)
	if errors.Is(err, testsshd.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	st.print(&b, o.seed, time.Since(begin))
	t.Log(b.String())
}

// found are the schedules that showed an error, with what it was.
var found = []string{
	// A cancel by TD that broke off: the set went on under a name that the
	// server counts as used.
	"cancel-with-td/kill-at-step/1",
	"cancel-with-td/kill-at-request/after/7",
}

// What a run is to find must be reachable: every small case has requests and
// steps, and a name that finds it again.
func TestSchedulesAreFoundByName(t *testing.T) {
	t.Parallel()
	for _, server := range []serverKind{standInServer, sshdServer} {
		for _, c := range smallCases(server) {
			for _, b := range c.blows {
				want := c.schedule(b, 12)
				got, err := scheduleNamed(server, 1, want.name)
				if err != nil {
					t.Error(err)
					continue
				}
				if got.name != want.name || got.acts[len(got.acts)-1].blow != want.acts[len(want.acts)-1].blow {
					t.Errorf("%s is found as %s", want.name, got.name)
				}
			}
		}
		if a, b := random(server, 5, 77), random(server, 5, 77); !reflect.DeepEqual(a, b) {
			t.Errorf("one seed gives %+v and %+v", a, b)
		}
		if _, err := scheduleNamed(server, 1, "fetch/kill-at-step/x"); err == nil {
			t.Error("a name that is none finds a schedule")
		}
	}
}

func TestStepName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("crashes are planted on Unix only")
	}
	t.Parallel()
	for line, want := range map[string]string{
		"rename /x/client/state/spool/20261125T043757-2bd7f68dc921/2.FI":        "rename state/spool/SET/PART.FI",
		"sync /x/client/state/spool/20261125T043757-2bd7f68dc921/.fi-123":       "sync state/spool/SET/.fi-TEMP",
		"rename /x/client/replies/T/2026-11-25/FO.ACRF.999999.20261125.00001.T": "rename replies/ENV/DAY/FO",
		"write /x/client/replies/R/.incoming/3141":                              "write replies/ENV/.incoming/TEMP",
		"commit Move": "commit Move",
	} {
		if got := stepName(line, "/x/client"); got != want {
			t.Errorf("%s becomes %s, want %s", line, got, want)
		}
	}
}
