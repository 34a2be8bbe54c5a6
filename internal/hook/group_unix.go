//go:build !windows

package hook

import (
	"os"
	"os/exec"
	"syscall"
)

// group is the process group that a program leads, so that it can be killed
// with the processes that it started. A Ctrl-C on the terminal does not reach
// it.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{cmd}
}

func (g *group) started() {}

func (g *group) kill() error {
	err := syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	if err == syscall.ESRCH { //nolint:errorlint // a bare value
		return os.ErrProcessDone
	}
	return err
}

func (g *group) close() {}
