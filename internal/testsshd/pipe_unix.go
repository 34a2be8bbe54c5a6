//go:build unix

package testsshd

import (
	"os"
	"syscall"
)

// openPipe makes a named pipe and opens it for reading, which does not wait for
// a writer.
func openPipe(path string) (*os.File, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
