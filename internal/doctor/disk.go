package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// RealDisk is the file system of this machine.
func RealDisk() Disk {
	return Disk{Others: others, Write: canWrite, Free: func(dir string) (uint64, error) { return freeIn(existing(dir)) },
		Remote: func(dir string) (bool, error) { return remote(existing(dir)) }}
}

// others looks at the permission bits, which say nothing on Windows.
func others(path string) (read, write bool, err error) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return false, false, err
	}
	return info.Mode().Perm()&0o055 != 0, info.Mode().Perm()&0o022 != 0, nil
}

// existing is the directory itself, or the nearest above it that exists: it is
// made when it is first needed.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// canWrite makes a file and takes it away again.
func canWrite(dir string) error {
	at := existing(dir)
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file", at)
	}
	f, err := os.CreateTemp(at, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("written by socbatch doctor, may be deleted\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
