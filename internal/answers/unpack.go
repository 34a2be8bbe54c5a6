package answers

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
)

// ContentSuffix ends the name of what was in a compressed reply. It lies in the
// archive beside the reply, which stays as it came.
const ContentSuffix = ".content"

// Forms reads a stored reply form by form. What is in a compressed one is kept
// beside it first: whether it is whole shows at its end, and until then nothing
// of it counts.
func (r *Reader) Forms(u ledger.Reply, each reply.Handler) (reply.Summary, error) {
	f, err := os.Open(r.path(u.Path))
	if errors.Is(err, fs.ErrNotExist) && r.Sealed != nil {
		return r.sealedForms(u, each)
	}
	if err != nil {
		return reply.Summary{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	content, info, err := reply.Open(u.Name, f, u.Size)
	if err != nil {
		return reply.Summary{}, err
	}
	defer content.Close() //nolint:errcheck // only read
	if info.Container == reply.Plain {
		return reply.Read(content, each)
	}
	kept, err := os.Open(r.path(u.Path) + ContentSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		if err = r.keep(u, content); err == nil {
			kept, err = os.Open(r.path(u.Path) + ContentSuffix)
		}
	}
	if err != nil {
		return reply.Summary{}, err
	}
	defer kept.Close() //nolint:errcheck // only read
	return reply.Read(kept, each)
}

// sealedForms reads a reply that lies encrypted. Nothing is kept in clear: what
// is in a compressed one is read twice, first to its end to see whether it is
// whole.
func (r *Reader) sealedForms(u ledger.Reply, each reply.Handler) (reply.Summary, error) {
	f, err := r.Sealed(r.path(u.Path))
	if err != nil {
		return reply.Summary{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	for whole := false; ; whole = true {
		content, info, err := reply.Open(u.Name, f, f.Size)
		if err != nil {
			return reply.Summary{}, err
		}
		if whole || info.Container == reply.Plain {
			s, err := reply.Read(content, each)
			return s, errors.Join(err, content.Close())
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return reply.Summary{}, errors.Join(err, content.Close())
		}
		if err := content.Close(); err != nil {
			return reply.Summary{}, err
		}
	}
}

func (r *Reader) keep(u ledger.Reply, content io.Reader) error {
	to, err := r.temp(u)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, content); err != nil {
		return errors.Join(err, to.Discard())
	}
	return to.Commit(r.path(u.Path) + ContentSuffix)
}

// temp starts a file where fetched replies have no name yet, too, and removes
// what a run that was killed left of the same reply.
func (r *Reader) temp(u ledger.Reply) (*durable.Temp, error) {
	var disk durable.Disk
	dir := filepath.Join(r.Archive, string(u.Environment), ".incoming")
	if err := disk.MkdirAll(dir); err != nil {
		return nil, err
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(r.path(u.Path)) + ContentSuffix + "-"
	for _, e := range old {
		if strings.HasPrefix(e.Name(), prefix) {
			if err := disk.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return disk.Create(dir, prefix+"*")
}

// aboutDisk tells errors of the archive from those of a reply.
func aboutDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}
