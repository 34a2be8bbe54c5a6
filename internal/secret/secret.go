// Package secret reads passwords from where people keep them. A secret is
// never part of an error.
package secret

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"github.com/socbatch/socbatch/internal/problem"
)

const maxSize = 64 << 10

// FromFile reads the first line of a file. Files that Notepad and PowerShell
// write are understood: a byte order mark, UTF-16, a final line end.
func FromFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSize {
		return "", problem.New("%s is too large to be a password", path)
	}
	s, err := Decode(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Decode takes the secret out of the bytes of such a file.
func Decode(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		decoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(b)
		// The decoder writes U+FFFD for what it cannot read.
		if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
			return "", problem.New("the password is not readable UTF-16")
		}
		b = decoded
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	b = bytes.TrimSuffix(b, []byte{'\r'})
	if bytes.IndexByte(b, 0) >= 0 { // UTF-16 without a byte order mark
		return "", problem.New("the password has a zero byte in it: save the file as UTF-8")
	}
	if !utf8.Valid(b) {
		return "", problem.New("the password is not UTF-8: save the file as UTF-8")
	}
	return string(b), nil
}
