package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Reserve makes an empty file, and reports false where something of that name
// is there already.
func (d *Disk) Reserve(path string) (bool, error) {
	if err := d.step("create", path); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// Rename moves a file within a file system and flushes both directories, the
// new one first. A file that has the new name is replaced. After an error the
// file has its old name, except where only the flush failed.
func (d *Disk) Rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return errors.Join(d.SyncDir(filepath.Dir(to)), d.SyncDir(filepath.Dir(from)))
}
