//go:build !windows

package secret

const (
	terminalIn  = "/dev/tty"
	terminalOut = "/dev/tty"
)
