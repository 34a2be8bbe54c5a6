package doctor

import "golang.org/x/sys/windows"

// What a connection fails with: syscall has these as numbers of its own, which
// Windows does not give.
var (
	refused     = []error{windows.WSAECONNREFUSED}
	unreachable = []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAENETDOWN}
	timedOut    = []error{windows.WSAETIMEDOUT}
)
