package inbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/socbatch/socbatch/internal/durable"
)

func TestCRLFWriter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "a": "a", "\n": "\r\n", "\r": "\r\n", "\r\n": "\r\n", "\r\r\n": "\r\n\r\n", "\n\r": "\r\n\r\n", "\n\n": "\r\n\r\n",
		"a\nb\rc\r\nd": "a\r\nb\r\nc\r\nd", "a\r": "a\r\n", "\x00\n": "\x00\r\n", "a\r\r\rb": "a\r\n\r\n\r\nb",
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in))} {
			var got bytes.Buffer
			n, err := io.CopyBuffer(struct{ io.Writer }{&crlfWriter{w: &got}}, struct{ io.Reader }{r}, make([]byte, 3))
			if err != nil || int(n) != len(in) || got.String() != want {
				t.Errorf("%q became %q (%d, %v), want %q", in, got.String(), n, err, want)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := (&crlfWriter{w: failingWriter{broken}}).Write([]byte("a")); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// TestLineEndsAreOneContents: what differs in line ends only has one hash, and
// what is converted is not converted again.
func TestLineEndsAreOneContents(t *testing.T) {
	t.Parallel()
	sum := func(s string, size int) Hash {
		h := newLineEndHash()
		for len(s) > size {
			h.Write([]byte(s[:size]))
			s = s[size:]
		}
		h.Write([]byte(s))
		return h.sum()
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`[ab]{0,3}`)).Draw(t, "lines")
		end := rapid.SampledFrom([]string{"\n", "\r", "\r\n"})
		var mixed strings.Builder
		for i, l := range lines {
			mixed.WriteString(l)
			if e := end.Draw(t, "end"); e != "\n" || !strings.HasSuffix(mixed.String(), "\r") {
				mixed.WriteString(e)
			} else if i >= 0 { // CR and LF of two lines would be one line end
				mixed.WriteString("\r\n")
			}
		}
		clean := strings.Join(append(lines, ""), "\r\n")
		size := rapid.IntRange(1, 9).Draw(t, "size")
		if sum(mixed.String(), size) != sum(clean, 64) || sum(clean, size) != sha256.Sum256([]byte(clean)) {
			t.Fatalf("%q and %q", mixed.String(), clean)
		}
	})
}

func TestConvert(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := &durable.Disk{}
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	from, to := write("a.xml", "<a>\nb\r</a>\r\n"), filepath.Join(dir, "a.crlf.xml")
	if err := Convert(disk, from, to, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(to); string(got) != "<a>\r\nb\r\n</a>\r\n" {
		t.Errorf("%q", got)
	}
	if got, _ := os.ReadFile(from); string(got) != "<a>\nb\r</a>\r\n" {
		t.Errorf("the file was changed: %q", got)
	}
	if err := Convert(disk, from, to, 0); !errors.Is(err, ErrExists) {
		t.Errorf("written over: %v", err)
	}
	if err := Convert(disk, from, from, 0); !errors.Is(err, ErrExists) {
		t.Errorf("written over: %v", err)
	}
	var source *SourceError
	for _, wrong := range []string{write("le.xml", "\xff\xfe<\x00"), write("be.xml", "\x00<\x00a"), write("none.xml", ""), filepath.Join(dir, "missing.xml")} {
		if err := Convert(disk, wrong, wrong+".crlf", 0); !errors.As(err, &source) {
			t.Errorf("%s: %v", wrong, err)
		}
		if _, err := os.Lstat(wrong + ".crlf"); err == nil {
			t.Errorf("%s is left", wrong)
		}
	}
	for _, step := range []string{"create", "write", "sync", "rename"} {
		full := errors.New("full")
		d := &durable.Disk{Fault: func(s, _ string) error {
			if s == step {
				return full
			}
			return nil
		}}
		if err := Convert(d, from, filepath.Join(dir, "b.xml"), 0); !errors.Is(err, full) {
			t.Errorf("%s: %v", step, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 5 {
		t.Errorf("%v, %v", left, err)
	}
}

func BenchmarkLineEndHash(b *testing.B) {
	for name, line := range map[string]string{"CRLF": "      <Element>value</Element>\r\n", "LF": "      <Element>value</Element>\n"} {
		block := bytes.Repeat([]byte(line), 2000)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(block)))
			h := newLineEndHash()
			for b.Loop() {
				h.Write(block)
			}
		})
	}
}
