package diskfault

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Call is a system call that changes a file or a directory, or flushes one.
type Call struct {
	// Name is mkdir, create, write, truncate, sync, rename, link or remove.
	Name string
	Path string // absolute
	To   string // the new name, for rename and link
}

func (c Call) String() string {
	if c.To != "" {
		return c.Name + " " + c.Path + " " + c.To
	}
	return c.Name + " " + c.Path
}

// Grows reports whether the call needs room on the disk.
func (c Call) Grows() bool { return c.Name != "sync" && c.Name != "remove" }

const (
	sysRenameat2 = 316
	atCwd        = -100
)

// where tells in which arguments of a system call its file stands.
type where struct {
	name string
	fd   int // argument with the descriptor of the file
	dir  int // argument with the directory that the next one, a name, is relative to
	path int // argument with a name
	to   int // likewise, the new name; its directory is the one before it where dir is given
}

const none = -1

var watched = map[uint64]where{
	syscall.SYS_WRITE:     {"write", 0, none, none, none},
	syscall.SYS_PWRITE64:  {"write", 0, none, none, none},
	syscall.SYS_WRITEV:    {"write", 0, none, none, none},
	syscall.SYS_FTRUNCATE: {"truncate", 0, none, none, none},
	syscall.SYS_FALLOCATE: {"write", 0, none, none, none},
	syscall.SYS_FSYNC:     {"sync", 0, none, none, none},
	syscall.SYS_FDATASYNC: {"sync", 0, none, none, none},
	syscall.SYS_OPEN:      {"create", none, none, 0, none},
	syscall.SYS_OPENAT:    {"create", none, 0, 1, none},
	syscall.SYS_MKDIR:     {"mkdir", none, none, 0, none},
	syscall.SYS_MKDIRAT:   {"mkdir", none, 0, 1, none},
	syscall.SYS_UNLINK:    {"remove", none, none, 0, none},
	syscall.SYS_UNLINKAT:  {"remove", none, 0, 1, none},
	syscall.SYS_RMDIR:     {"remove", none, none, 0, none},
	syscall.SYS_RENAME:    {"rename", none, none, 0, 1},
	syscall.SYS_RENAMEAT:  {"rename", none, 0, 1, 3},
	sysRenameat2:          {"rename", none, 0, 1, 3},
	syscall.SYS_LINK:      {"link", none, none, 0, 1},
	syscall.SYS_LINKAT:    {"link", none, 0, 1, 3},
}

// callOf reads the call that a thread is about to make; false where it changes
// no file. An open counts only when it makes the file.
func callOf(tid int, nr uint64, args [6]uint64) (c Call, ok bool, err error) {
	w, ok := watched[nr]
	if !ok {
		return c, false, nil
	}
	c.Name = w.name
	if w.fd != none {
		c.Path, err = os.Readlink(descriptor(tid, args[w.fd]))
		return c, err == nil && filepath.IsAbs(c.Path), nil // neither a socket nor a pipe, nor closed
	}
	if c.Path, err = pathOf(tid, args, w.dir, w.path); err != nil {
		return c, false, err
	}
	if w.to != none {
		dir := none
		if w.dir != none {
			dir = w.to - 1
		}
		c.To, err = pathOf(tid, args, dir, w.to)
		return c, true, err
	}
	if c.Name == "create" {
		if args[w.path+1]&syscall.O_CREAT == 0 {
			return c, false, nil
		}
		_, err := os.Lstat(c.Path)
		return c, os.IsNotExist(err), nil
	}
	return c, true, nil
}

func descriptor(tid int, fd uint64) string { return fmt.Sprintf("/proc/%d/fd/%d", tid, int32(fd)) }

func pathOf(tid int, args [6]uint64, dir, path int) (string, error) {
	name, err := text(tid, uintptr(args[path]))
	if err != nil || filepath.IsAbs(name) {
		return name, err
	}
	base := fmt.Sprintf("/proc/%d/cwd", tid)
	if dir != none && int32(args[dir]) != atCwd {
		base = descriptor(tid, args[dir])
	}
	base, err = os.Readlink(base)
	return filepath.Join(base, name), err
}

// text reads a string out of the memory of a thread, up to its NUL, or to the
// end of what can be read.
func text(tid int, addr uintptr) (string, error) {
	var all strings.Builder
	word := make([]byte, 8)
	for all.Len() < 4096 {
		if _, err := syscall.PtracePeekData(tid, addr+uintptr(all.Len()), word); err != nil {
			return "", fmt.Errorf("read a name: %w", err)
		}
		end := bytes.IndexByte(word, 0)
		if end >= 0 {
			all.Write(word[:end])
			break
		}
		all.Write(word)
	}
	return all.String(), nil
}
