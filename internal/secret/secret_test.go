package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/socbatch/socbatch/internal/secret"
)

func wide(text string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

func TestFromFile(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"plain", []byte("geheim"), "geheim"},
		{"line end", []byte("geheim\n"), "geheim"},
		{"Windows line end", []byte("geheim\r\n"), "geheim"},
		{"second line", []byte("geheim\r\nnote\r\n"), "geheim"},
		{"spaces belong to it", []byte(" ge heim \n"), " ge heim "},
		{"carriage return inside", []byte("ge\rheim\n"), "ge\rheim"},
		{"UTF-8 with a mark", []byte("\xef\xbb\xbfgéhéim€\r\n"), "géhéim€"},
		{"UTF-16LE", append([]byte{0xff, 0xfe}, wide("géhéim€\r\n", false)...), "géhéim€"},
		{"UTF-16BE", append([]byte{0xfe, 0xff}, wide("géhéim€\r\nx", true)...), "géhéim€"},
		{"outside the first plane", append([]byte{0xff, 0xfe}, wide("𝄞\n", false)...), "𝄞"},
		{"empty", nil, ""},
		{"only a line end", []byte("\n"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := secret.FromFile(path); err != nil || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestFromFileRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"latin-1":          []byte("g\xe9heim"),
		"large":            []byte(strings.Repeat("geheim", 20000)),
		"half a character": append([]byte{0xff, 0xfe}, append(wide("geheim", false), 'x')...),
		"lone surrogate":   {0xff, 0xfe, 0x00, 0xd8, 'g', 0},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := secret.FromFile(path)
		if err == nil || got != "" || strings.Contains(err.Error(), "heim") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := secret.FromFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
