package testsshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// With Options.External every sftp-server holds a pipe open: it may outlive its
// sshd, which is killed, and go on with what it was asked before.

func (s *Server) openAlive(conf string) (string, error) {
	path := filepath.Join(conf, "alive")
	var err error
	s.alive, err = openPipe(path)
	return path, err
}

// Idle waits until no process of any connection is left; what the clients had
// asked for is done then. It needs Options.External, and clients that are gone.
func (s *Server) Idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		n, ended := len(s.running), s.ended
		s.mu.Unlock()
		if n == 0 {
			break
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("%d sshd processes do not end: %w", n, ctx.Err())
		}
	}
	if end, ok := ctx.Deadline(); ok {
		if err := s.alive.SetReadDeadline(end); err != nil {
			return err
		}
		defer s.alive.SetReadDeadline(time.Time{})
	}
	var b [1]byte
	if _, err := s.alive.Read(b[:]); !errors.Is(err, io.EOF) {
		return fmt.Errorf("an sftp-server does not end: %w", err)
	}
	return nil
}

// KillSFTPServers kills the sftp-server of every connection, and leaves its
// sshd. It returns how many it found: none where there is no /proc.
func (s *Server) KillSFTPServers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := map[int]bool{}
	for cmd := range s.running {
		ours[cmd.Process.Pid] = true
	}
	all := processes()
	killed := 0
	for pid, p := range all {
		if p.name != "sftp-server" || !descends(all, pid, ours) {
			continue
		}
		// The handle stays with this process; the number might be another's by now.
		handle, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if now, ok := readProcess(pid); ok && now == p && handle.Kill() == nil {
			killed++
		}
	}
	return killed
}

type process struct {
	name   string
	parent int
}

func descends(all map[int]process, pid int, from map[int]bool) bool {
	for range len(all) {
		if from[pid] {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

func processes() map[int]process {
	found := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := readProcess(pid); ok {
				found[pid] = p
			}
		}
	}
	return found
}

func readProcess(pid int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// PID (NAME) STATE PARENT …; NAME may hold anything.
	_, rest, _ := strings.Cut(string(text), "(")
	end := strings.LastIndexByte(rest, ')')
	if end < 0 {
		return process{}, false
	}
	fields := strings.Fields(rest[end+1:])
	if len(fields) < 2 || fields[0] == "Z" {
		return process{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	return process{rest[:end], parent}, err == nil
}
