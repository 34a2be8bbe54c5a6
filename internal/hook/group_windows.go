package hook

import (
	"errors"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/windows"
)

// group is a job object: Windows kills everything in it at once. A Ctrl-C on
// the console does not reach the program.
type group struct {
	cmd *exec.Cmd

	mu  sync.Mutex
	job windows.Handle // 0: there is none, and only the program itself is killed
}

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return &group{cmd: cmd}
}

// started puts the program into the job. What it starts before that, in its
// first moment, is not in it: Go cannot start a process that waits.
func (g *group) started() {
	g.mu.Lock()
	defer g.mu.Unlock()
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return
	}
	var assigned error
	err = g.cmd.Process.WithHandle(func(process uintptr) {
		assigned = windows.AssignProcessToJobObject(job, windows.Handle(process))
	})
	if err != nil || assigned != nil {
		_ = windows.CloseHandle(job)
		return
	}
	g.job = job
}

func (g *group) kill() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	if g.job != 0 {
		err = windows.TerminateJobObject(g.job, 1)
	}
	return errors.Join(err, g.cmd.Process.Kill())
}

func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
		g.job = 0
	}
}
