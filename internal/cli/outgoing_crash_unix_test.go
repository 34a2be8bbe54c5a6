//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/testkit"
)

// The program of the tests can be told to die, as kill -9 would, at one of the
// steps by which it moves files, or before or after a transaction of the ledger.
func dying(getenv func(string) string, disk *durable.Disk) (ledgerStep func(string)) {
	at, err := strconv.ParseInt(getenv("SOCBATCH_TEST_DIE_AT"), 10, 64)
	if err != nil {
		return nil
	}
	where := getenv("SOCBATCH_TEST_DIE_IN")
	var seen atomic.Int64
	point := func() {
		if seen.Add(1) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	disk.Fault = func(_, path string) error {
		if strings.HasPrefix(path, where) {
			point()
		}
		return nil
	}
	return func(string) { point() }
}

func init() { testBuild.Steps = dying }

// A run that is killed anywhere between reading a directory and having emptied
// it, and given again, sends each declaration once and moves each file once, to
// where it belongs, with its note.
func TestRunEmptiesDirectoryWhereverItIsKilled(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("socbatch")
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	for at := 1; crashRun(t, program, at); at++ {
		points++
	}
	if points < 30 { // two tries of five steps, three moves of eight, ledger
		t.Errorf("only %d points were tried", points)
	}
	t.Logf("%d points", points)
}

func crashRun(t *testing.T, program string, at int) (killed bool) {
	t.Helper()
	dir := t.TempDir()
	st := newStand(t, dir, nil)
	files, err := demoFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for name, from := range map[string]string{"a.xml": "dimona-in.xml", "b.xml": "dmfa-part1.xml", "c.xml": "dimona-refused.xml"} {
		b, err := os.ReadFile(files[from])
		if err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, out, name, b)
	}
	f, err := os.OpenFile(st.config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "\n[[outgoing]]\ndir = %q\nenvironment = \"T\"\n", out)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	run := func(extra ...string) (int, string) {
		cmd := exec.Command(program, "--config", st.config, "run", "--env", "T", "--settle-pause", "10ms")
		cmd.Env = append(os.Environ(), extra...)
		b, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(b)
	}
	code, said := run(fmt.Sprintf("SOCBATCH_TEST_DIE_AT=%d", at), "SOCBATCH_TEST_DIE_IN="+out)
	killed = code == -1
	if !killed && code != exitFailed { // c.xml is put aside
		t.Fatalf("not killed at %d, and ended with %d\n%s", at, code, said)
	}
	if killed {
		if code, said = run(); code != exitDone && code != exitFailed {
			t.Fatalf("killed at %d: the second run ended with %d\n%s", at, code, said)
		}
	}
	st.server.Look()
	if sets := st.server.Processed(); len(sets) != 2 {
		t.Fatalf("killed at %d: the server processed %+v\n%s", at, sets, said)
	}
	var found []string
	err = filepath.WalkDir(out, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			rel, _ := filepath.Rel(out, path)
			found = append(found, filepath.ToSlash(rel))
			if info, err := e.Info(); err != nil || info.Size() == 0 {
				t.Errorf("killed at %d: %s is empty, %v", at, rel, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "failed/c.xml failed/c.xml.txt sent/a.xml sent/a.xml.txt sent/b.xml sent/b.xml.txt"
	if got := strings.Join(found, " "); got != want {
		t.Fatalf("killed at %d: found %s\n%s", at, got, said)
	}
	if code, said = run(); code != exitDone {
		t.Fatalf("killed at %d: another run ended with %d\n%s", at, code, said)
	}
	st.server.Look()
	if sets := st.server.Processed(); len(sets) != 2 {
		t.Fatalf("killed at %d: the server processed %+v\n%s", at, sets, said)
	}
	return killed
}
