// Package checksum has the SHA-256 by which files are told apart.
package checksum

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// SHA256 is that of a file's bytes.
type SHA256 [sha256.Size]byte

// String writes the sum in hexadecimal.
func (s SHA256) String() string { return hex.EncodeToString(s[:]) }

// Parse reads what String wrote.
func Parse(text string) (SHA256, error) {
	var s SHA256
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return SHA256{}, fmt.Errorf("%q is not a SHA-256", text)
	}
	copy(s[:], b)
	return s, nil
}

// OfFile reads a whole file. After an error the sum is zero.
func OfFile(path string) (s SHA256, err error) {
	in, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer in.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return s, err
	}
	h.Sum(s[:0])
	return s, nil
}
