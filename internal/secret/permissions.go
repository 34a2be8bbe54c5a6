package secret

import (
	"os"
	"runtime"
)

// ReadByOthers tells whether others on this machine may read or change a file.
// On Windows, where the mode says nothing, it is false.
func ReadByOthers(path string) bool {
	if runtime.GOOS == "windows" {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}
