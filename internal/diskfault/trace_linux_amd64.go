package diskfault

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

// Verdict is what becomes of a call: by default it is carried out.
type Verdict struct {
	Errno syscall.Errno // it fails with this, and is not carried out
	Kill  bool          // the program is killed, and it is not carried out
}

// Tracer watches a program. Before is asked at every call; After, which may be
// nil, is told when it is done, with 0 or its error, before the program goes
// on. Neither is called twice at the same time.
type Tracer struct {
	Before func(Call) Verdict
	After  func(Call, syscall.Errno)
}

// ErrNotAllowed says that the system does not let programs be traced.
var ErrNotAllowed = errors.New("tracing is not allowed here")

// Killed is the exit code of a program that was killed.
const Killed = -1

// Run starts the program and gives its exit code. Its output must go to files,
// since nobody but the tracer may wait for it.
func (t Tracer) Run(cmd *exec.Cmd) (code int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Only the thread that started the program may trace it. The thread ends
		// with the goroutine.
		runtime.LockOSThread()
		code, err = t.run(cmd)
	}()
	<-done
	return code, err
}

const (
	optionExitKill = 0x100000 // PTRACE_O_EXITKILL
	options        = optionExitKill | syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK |
		syscall.PTRACE_O_TRACEVFORK | syscall.PTRACE_O_TRACEEXEC
	syscallStop = syscall.SIGTRAP | 0x80
	ownChildren = 0x20000000 | syscall.WALL // __WNOTHREAD: those of this thread
)

// pending is a call that a thread is inside of.
type pending struct {
	call  Call
	errno syscall.Errno // injected
}

func (t Tracer) run(cmd *exec.Cmd) (int, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	// The thread may have children that others started and wait for.
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
			err = ErrNotAllowed
		}
		return 0, err
	}
	leader := cmd.Process.Pid
	defer cmd.Process.Release() //nolint:errcheck // nothing depends on it
	var status syscall.WaitStatus
	if _, err := wait(leader, &status); err != nil {
		return 0, err
	}
	if err := syscall.PtraceSetOptions(leader, options); err != nil {
		return 0, errors.Join(err, syscall.Kill(leader, syscall.SIGKILL))
	}
	code := Killed
	inside := map[int]*pending{} // by thread; one that is not in it has just begun
	inside[leader] = nil
	for tid, signal := leader, 0; ; {
		// A thread that was killed in the meantime is not there any more.
		if err := syscall.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, errors.Join(err, syscall.Kill(leader, syscall.SIGKILL))
		}
		var err error
		for {
			if tid, err = wait(-leader, &status); errors.Is(err, syscall.ECHILD) {
				return code, nil
			}
			if err != nil {
				return 0, err
			}
			if status.Stopped() {
				break
			}
			if tid == leader && status.Exited() {
				code = status.ExitStatus()
			}
			delete(inside, tid)
		}
		_, known := inside[tid]
		signal = 0
		switch s := status.StopSignal(); {
		case s == syscallStop:
			err = t.stopped(leader, tid, inside)
		case s == syscall.SIGTRAP && status.TrapCause() > 0: // a new thread, or exec
		case s == syscall.SIGSTOP && !known: // how a new thread begins
			inside[tid] = nil
		default:
			signal = int(s)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, errors.Join(err, syscall.Kill(leader, syscall.SIGKILL))
		}
	}
}

// stopped deals with a thread at the beginning or the end of a system call.
func (t Tracer) stopped(leader, tid int, inside map[int]*pending) error {
	info, err := callInfo(tid)
	if err != nil {
		return err
	}
	if info.op == opExit {
		p := inside[tid]
		inside[tid] = nil
		if p == nil {
			return nil
		}
		errno := p.errno
		if errno != 0 {
			err = setResult(tid, errno)
		} else if r := int64(info.data[0]); r < 0 {
			errno = syscall.Errno(-r)
		}
		if t.After != nil {
			t.After(p.call, errno)
		}
		return err
	}
	c, ok, err := callOf(tid, info.data[0], [6]uint64(info.data[1:7]))
	if err != nil || !ok {
		return err
	}
	v := t.Before(c)
	if v.Kill {
		return syscall.Kill(leader, syscall.SIGKILL)
	}
	inside[tid] = &pending{c, v.Errno}
	if v.Errno != 0 {
		return skip(tid)
	}
	return nil
}

func wait(pid int, status *syscall.WaitStatus) (tid int, err error) {
	for {
		tid, err = syscall.Wait4(pid, status, ownChildren, nil)
		if !errors.Is(err, syscall.EINTR) {
			return tid, err
		}
	}
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	opExit         = 2
)

// callData is struct ptrace_syscall_info: at the beginning of a call data holds
// its number and arguments, at the end its result.
type callData struct {
	op   uint8
	_    [3]uint8
	_    uint32
	_    [2]uint64
	data [8]uint64
}

func callInfo(tid int) (info callData, err error) {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return info, fmt.Errorf("ask for the system call: %w", errno)
	}
	return info, nil
}

// skip lets a call that begins do nothing.
func skip(tid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0)
	return syscall.PtraceSetRegs(tid, &regs)
}

func setResult(tid int, errno syscall.Errno) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Rax = uint64(-int64(errno))
	return syscall.PtraceSetRegs(tid, &regs)
}
