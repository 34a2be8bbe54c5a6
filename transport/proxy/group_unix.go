//go:build !windows

package proxy

import (
	"os"
	"os/exec"
	"syscall"
)

// apart makes a program the leader of a process group of its own: a Ctrl-C on
// the terminal does not reach it, which would end the connection in the middle
// of what is to be finished; and it is killed with what it started.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if err == syscall.ESRCH { //nolint:errorlint // a bare value
			return os.ErrProcessDone
		}
		return err
	}
}
