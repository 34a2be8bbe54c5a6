package checksum

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if s, err := OfFile(path); !errors.Is(err, fs.ErrNotExist) || s != (SHA256{}) {
		t.Errorf("no file: %s, %v", s, err)
	}
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := OfFile(path); err != nil || s != sha256.Sum256([]byte("content")) {
		t.Errorf("%s, %v", s, err)
	}
}

func TestParse(t *testing.T) {
	want := SHA256{1, 31: 2}
	if got, err := Parse(want.String()); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, text := range []string{"", "00", strings.Repeat("0", 63), strings.Repeat("0", 66), strings.Repeat("x", 64)} {
		if got, err := Parse(text); err == nil || got != (SHA256{}) {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
}
