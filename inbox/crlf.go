package inbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
)

// Line ends. To an XML parser CR LF, LF and CR are the same, so files that
// differ in nothing else are one declaration. To programs that check a
// signature they are not.

// crlfWriter passes on what is written with every line end as CR LF.
type crlfWriter struct {
	w   io.Writer
	cr  bool // the last byte was a CR, whose line end is written already
	out []byte
}

func (c *crlfWriter) Write(p []byte) (int, error) {
	out := c.out[:0]
	for rest := p; len(rest) > 0; {
		if c.cr {
			c.cr = false
			if rest[0] == '\n' {
				rest = rest[1:]
				continue
			}
		}
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			out = append(out, rest...)
			break
		}
		out = append(append(out, rest[:i]...), '\r', '\n')
		c.cr = rest[i] == '\r'
		rest = rest[i+1:]
	}
	c.out = out
	if _, err := c.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// errWide is the reason why line ends are not converted byte by byte.
var errWide = problem.New("it is in UTF-16, in which line ends cannot be converted: save it as UTF-8 first")

// wide reports whether a file is in an encoding of two or four bytes for each
// character, in which CR and LF are other bytes.
func wide(in io.ReaderAt) (bool, error) {
	head := make([]byte, 2)
	if n, err := in.ReadAt(head, 0); n < len(head) {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	return bytes.Equal(head, []byte{0xFF, 0xFE}) || bytes.Equal(head, []byte{0xFE, 0xFF}) || head[0] == 0 || head[1] == 0, nil
}

// lineEndHash is the hash of a file as it would be with every line end as CR LF.
// Files with the same one are the same declaration.
type lineEndHash struct {
	crlfWriter
	h hash.Hash
}

func newLineEndHash() *lineEndHash {
	h := sha256.New()
	return &lineEndHash{crlfWriter{w: h}, h}
}

func (l *lineEndHash) sum() (s Hash) {
	l.h.Sum(s[:0])
	return s
}

// ErrExists says that a file is in the way of one that was to be written.
var ErrExists = errors.New("there is such a file already, and it was not replaced")

// Convert writes a copy of a file in which every line end is CR LF, to a path
// where nothing is yet. The file itself is not changed. It fails with
// *SourceError where the file cannot be taken in, and with ErrExists.
func Convert(disk *durable.Disk, file, to string, maxSize int64) (err error) {
	in, before, err := openSource(file, maxSize)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	if w, err := wide(in); err != nil || w {
		if err == nil {
			err = errWide
		}
		return &SourceError{file, err}
	}
	// The name is taken first, with an empty file: the last step replaces what is
	// there, whoever made it.
	claim, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %w", to, ErrExists)
	}
	if err != nil {
		return err
	}
	if err := claim.Close(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	out, err := disk.Create(filepath.Dir(to), durable.NewPrefix+"*")
	if err != nil {
		return err
	}
	defer out.Discard() //nolint:errcheck // after Commit it does nothing
	n, err := io.CopyBuffer(struct{ io.Writer }{&crlfWriter{w: out}}, in, make([]byte, 64<<10))
	if err != nil {
		return err
	}
	after, err := in.Stat()
	if err != nil {
		return &SourceError{file, err}
	}
	if n != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return &SourceError{file, ErrChanging}
	}
	return out.Commit(to)
}
