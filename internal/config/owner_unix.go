//go:build !windows

package config

import (
	"fmt"
	"os"
	"syscall"
)

// keepOwner gives a new file the owner and the group of the one it replaces.
func keepOwner(old os.FileInfo, path string) error {
	s, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := os.Lchown(path, int(s.Uid), int(s.Gid)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotEdited, err)
	}
	return nil
}
