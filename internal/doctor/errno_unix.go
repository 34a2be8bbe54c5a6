//go:build !windows

package doctor

import "syscall"

// What a connection fails with.
var (
	refused     = []error{syscall.ECONNREFUSED}
	unreachable = []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN}
	timedOut    = []error{syscall.ETIMEDOUT}
)
