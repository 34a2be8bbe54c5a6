package sshkey

import (
	"context"
	"io"
	"os"
	"strings"
)

// dialAgent opens the pipe as a file: the agent speaks strictly request and
// answer, so that overlapped reads and writes are not needed.
func dialAgent(_ context.Context, address string) (io.ReadWriteCloser, error) {
	if address == "" {
		address = os.Getenv("SSH_AUTH_SOCK")
	}
	if !strings.HasPrefix(address, `\\.\pipe\`) { // unix sockets of Git Bash and Cygwin are of no use here
		address = `\\.\pipe\openssh-ssh-agent`
	}
	return os.OpenFile(address, os.O_RDWR, 0)
}
