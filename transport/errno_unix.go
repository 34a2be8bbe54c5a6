//go:build !windows

package transport

import "syscall"

// What a connection fails with.
var (
	refused     = []error{syscall.ECONNREFUSED}
	unreachable = []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN}
	timedOut    = []error{syscall.ETIMEDOUT}
	hungUp      = []error{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}
)
