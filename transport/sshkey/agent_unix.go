//go:build !windows

package sshkey

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
)

func dialAgent(ctx context.Context, address string) (io.ReadWriteCloser, error) {
	if address == "" {
		if address = os.Getenv("SSH_AUTH_SOCK"); address == "" {
			return nil, errors.New("SSH_AUTH_SOCK is not set")
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}
