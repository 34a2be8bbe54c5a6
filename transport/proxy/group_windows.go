package proxy

import (
	"os/exec"
	"syscall"
)

// apart puts a program into a process group of its own: a Ctrl-C on the console
// does not reach it, which would end the connection in the middle of what is to
// be finished.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
