package hostkey

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// NewPrefix begins the names of files that Accept is writing beside known_hosts.
const NewPrefix = ".known_hosts-"

// Accept adds a line for key and hostport ("host:port") to the known_hosts
// file, which is created with mode 0600 (its directory 0700) if need be. The
// file is replaced as a whole, so that a reader sees it with the line or
// without. Nothing is written if the line is there already. Two programs that
// accept at the same moment may lose one of the lines; the host is then unknown
// again, never wrongly known. Lines for other keys of the host stay valid: remove
// the old line once a rotation is over.
func Accept(file, hostport string, key ssh.PublicKey) (err error) {
	v, err := New(nil, file) // never append to a damaged file
	if err != nil {
		return err
	}
	switch err := v.Check(hostport, key); {
	case err == nil:
		return nil
	case errors.Is(err, ErrRevoked):
		return err
	}
	// A link (dotfiles) stays a link.
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &FileError{File: file, Err: err}
	}
	mode := os.FileMode(0o600)
	if fi, err := os.Stat(file); err == nil {
		mode = fi.Mode().Perm()
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("accept host key of %s: %w", hostport, err)
	}
	var buf bytes.Buffer
	buf.Write(old)
	if len(old) > 0 && old[len(old)-1] != '\n' {
		buf.WriteByte('\n')
	}
	buf.WriteString(knownhosts.Line([]string{hostport}, key))
	buf.WriteByte('\n')
	if err := replace(dir, file, buf.Bytes(), mode); err != nil {
		return fmt.Errorf("accept host key of %s: %w", hostport, err)
	}
	return nil
}

func replace(dir, file string, data []byte, mode os.FileMode) (err error) {
	tmp, err := os.CreateTemp(dir, NewPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // may be closed already
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil { // directories cannot be synced everywhere
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}
