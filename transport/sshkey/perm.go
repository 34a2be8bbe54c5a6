package sshkey

import (
	"fmt"
	"os"
	"runtime"
)

// PermissionWarning says that others can read a private key file. It is meant
// to be shown, not to stop the program.
type PermissionWarning struct {
	Path string
	Mode os.FileMode // permission bits
}

// Error names the file and its mode.
func (w *PermissionWarning) Error() string {
	return fmt.Sprintf("private key file %s can be read by others (mode %#o)", w.Path, w.Mode)
}

// CheckPermissions returns a *PermissionWarning if group or others have any
// right to the file, and any other error if the file cannot be examined. On
// Windows, where mode bits say nothing, it returns nil.
func CheckPermissions(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	fi, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("check permissions: %w", err)
	}
	if m := fi.Mode().Perm(); m&0o077 != 0 {
		return &PermissionWarning{Path: path, Mode: m}
	}
	return nil
}
