//go:build unix

// Package peak tells how much memory a program took. Tests and measurements use
// it.
package peak

import (
	"os"
	"runtime"
	"syscall"
)

// Memory gives the peak resident set of a program that has ended, in bytes, and
// 0 where the system does not tell. Linux counts the memory of whoever started
// the program as well: start it from a small one.
func Memory(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10 //nolint:unconvert // its type differs between systems
}
