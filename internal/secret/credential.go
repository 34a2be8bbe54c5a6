package secret

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// credential reads what systemd hands to a service with LoadCredential= or
// SetCredential=: a file in the directory that CREDENTIALS_DIRECTORY names.
func credential(getenv func(string) string, name string) (string, bool, error) {
	dir := getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", false, nil
	}
	value, err := FromFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return value, err == nil, err
}
