//go:build unix

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func flushDisks() { unix.Sync() }

// kernel names the kernel.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}
