package diskfault

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func runShell(t *testing.T, dir, script string, before func(Call) Verdict) (code int, calls []string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = dir
	tracer := Tracer{
		Before: func(c Call) Verdict {
			if !strings.HasPrefix(c.Path, dir) {
				return Verdict{}
			}
			return before(c)
		},
		After: func(c Call, errno syscall.Errno) {
			if strings.HasPrefix(c.Path, dir) {
				line := strings.ReplaceAll(c.String(), dir+"/", "")
				if errno != 0 {
					line += ": " + errno.Error()
				}
				calls = append(calls, line)
			}
		},
	}
	code, err := tracer.Run(cmd)
	if errors.Is(err, ErrNotAllowed) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return code, calls
}

func TestRun(t *testing.T) {
	const script = `mkdir d && echo a >f && echo b >>f && mv f d/g && ln d/g h && rm h && exit 7`
	all := []string{"mkdir d", "create f", "write f", "write f", "rename f d/g", "link d/g h", "remove h"}
	for _, c := range []struct {
		name  string
		at    int // which call is struck
		what  Verdict
		code  int
		calls []string
	}{
		{"nothing", 0, Verdict{}, 7, all},
		{"full", 4, Verdict{Errno: syscall.ENOSPC}, 1, append(all[:3:3], "write f: no space left on device")},
		{"not made", 2, Verdict{Errno: syscall.EIO}, 2, append(all[:1:1], "create f: input/output error")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			n := 0
			code, calls := runShell(t, dir, script, func(Call) Verdict {
				if n++; n == c.at {
					return c.what
				}
				return Verdict{}
			})
			if got, want := strings.Join(calls, "\n"), strings.Join(c.calls, "\n"); code != c.code || got != want {
				t.Errorf("exit code %d, want %d; calls:\n%s\nwant:\n%s", code, c.code, got, want)
			}
		})
	}
}

// What the program was killed at is not carried out, and nothing comes after.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	// The shell itself writes, so that it is the leader that dies.
	code, _ := runShell(t, dir, `echo a >f; echo b >f; echo c >g`, func(c Call) Verdict {
		return Verdict{Kill: c.Name == "create" && filepath.Base(c.Path) == "g"}
	})
	if code != Killed {
		t.Errorf("exit code %d", code)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != "b\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "g")); !os.IsNotExist(err) {
		t.Errorf("the call was carried out: %v", err)
	}
}
