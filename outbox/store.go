package outbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// file is one reply or signature of a set: stored before, or just now.
type file struct {
	listed
	File
	replyID  int64 // where it was stored before
	conflict bool  // another file of that name was stored before
}

// storeFiles copies every file of the set to the archive, unless its bytes are
// there.
func (f *Fetcher) storeFiles(ctx context.Context, env naming.Environment, dir string, g *group) ([]*file, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := slices.Concat(g.replies, g.signs)
	files := make([]*file, len(all))
	errs := make([]error, len(all))
	sealed, err := f.mayBeSealed(ctx, env, g)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i, l := range all {
		wg.Go(func() {
			if files[i], errs[i] = f.storeFile(ctx, env, dir, l, sealed); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || transport.ClassOf(first) == transport.Cancelled) {
			first = err
		}
	}
	return files, first
}

// mayBeSealed reports whether replies of a set that are stored encrypted may
// stay so: not where a signature is new, since it is checked over its reply.
func (f *Fetcher) mayBeSealed(ctx context.Context, env naming.Environment, g *group) (bool, error) {
	if !f.opt.Keep || f.opt.SealedSuffix == "" {
		return false, nil
	}
	for _, l := range g.signs {
		known, err := f.ledger.FilesNamed(ctx, env, l.name.String())
		if err != nil || !slices.ContainsFunc(known, func(k Stored) bool { return k.File.Size == l.size }) {
			return false, err
		}
	}
	return true, nil
}

func (f *Fetcher) storeFile(ctx context.Context, env naming.Environment, dir string, l listed, sealed bool) (*file, error) {
	name := l.name.String()
	known, err := f.ledger.FilesNamed(ctx, env, name)
	if err != nil {
		return nil, err
	}
	if f.opt.Keep {
		for _, k := range known {
			if k.File.Size == l.size && (f.inArchive(k.File) || sealed && f.sealedInArchive(k.File)) {
				return &file{listed: l, File: k.File, replyID: k.ReplyID, conflict: k.Conflict}, nil
			}
		}
	}
	var out *file
	err = f.flight.Do(ctx, func() error {
		out, err = f.download(ctx, env, dir, l, known)
		return err
	})
	return out, err
}

// download copies one file to the archive and compares it with what is known
// of its name.
func (f *Fetcher) download(ctx context.Context, env naming.Environment, dir string, l listed, known []Stored) (*file, error) {
	name := l.name.String()
	if l.size > f.opt.MaxSize {
		return nil, &TooLargeError{Name: name, Max: f.opt.MaxSize}
	}
	t, err := f.opt.Disk.Create(f.incoming(env), "*")
	if err != nil {
		return nil, err
	}
	defer t.Discard() //nolint:errcheck // after Commit it does nothing; before, the next run sweeps
	sum := sha256.New()
	bounded := &boundedWriter{io.MultiWriter(t, sum), f.opt.MaxSize, &TooLargeError{Name: name, Max: f.opt.MaxSize}}
	n, err := f.session.Get(ctx, path.Join(env.Outbox(), name), bounded, l.size)
	if err != nil {
		return nil, err
	}
	out := &file{listed: l, File: File{Name: name, Size: n}}
	sum.Sum(out.Hash[:0])
	for _, k := range known {
		if k.File.Hash != out.Hash {
			continue
		}
		out.File, out.replyID, out.conflict = k.File, k.ReplyID, k.Conflict
		target := filepath.Join(f.opt.Archive, filepath.FromSlash(k.File.Path))
		if h, err := checksum.OfFile(target); err == nil && h == out.Hash {
			return out, nil
		}
		// The ledger has it, the archive lost it: store it where it was. That it
		// is there encrypted cannot be relied on here: nobody can look into it.
		if err := errors.Join(f.ledger.StoredAgain(ctx, k.ReplyID), f.opt.Disk.MkdirAll(filepath.Dir(target))); err != nil {
			return nil, err
		}
		return out, t.Commit(target)
	}
	stored := name
	if len(known) > 0 {
		out.conflict = true
		stored += "~" + out.Hash.String()[:12]
	}
	target := filepath.Join(dir, stored)
	if err := f.freeFor(target, out.Hash); err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(f.opt.Archive, target)
	if err != nil {
		return nil, err
	}
	out.Path = filepath.ToSlash(rel)
	return out, t.Commit(target)
}

// TooLargeError is a reply that is larger than any can be. It stays on the
// server.
type TooLargeError struct {
	Name string
	Max  int64 // bytes
}

func (e *TooLargeError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *TooLargeError) Said() (format string, args []any) { return e.problem().Said() }

func (e *TooLargeError) problem() *problem.Error {
	return problem.New("%s has more than %d bytes, which no reply has", e.Name, e.Max)
}

// boundedWriter fails when more than left bytes are written to it: a file whose
// size the server does not tell may have no end.
type boundedWriter struct {
	w    io.Writer
	left int64
	full error
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, b.full
	}
	return b.w.Write(p)
}

// inArchive reports whether a stored file is still there with its size.
func (f *Fetcher) inArchive(k File) bool {
	info, err := os.Stat(filepath.Join(f.opt.Archive, filepath.FromSlash(k.Path)))
	return err == nil && info.Mode().IsRegular() && info.Size() == k.Size
}

// sealedInArchive reports whether a stored file is there encrypted, which makes
// it longer.
func (f *Fetcher) sealedInArchive(k File) bool {
	info, err := os.Stat(filepath.Join(f.opt.Archive, filepath.FromSlash(k.Path)) + f.opt.SealedSuffix)
	return err == nil && info.Mode().IsRegular() && info.Size() > k.Size
}

// freeFor makes sure that a file that the ledger does not know is not
// overwritten, unless it holds the same bytes: a crash came between its
// storing and its entry.
func (f *Fetcher) freeFor(target string, want Hash) error {
	h, err := checksum.OfFile(target)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if h != want {
		return problem.New("%s is in the archive with other contents and is not in the ledger: move it away by hand", target)
	}
	return nil
}

// archiveDay is the directory of a day, as YYYY-MM-DD in Brussels.
func archiveDay(t time.Time) string { return t.In(naming.Brussels()).Format(time.DateOnly) }

// incoming is where replies are written before they have their name. It lies
// in the archive so that giving the name is one atomic step.
func (f *Fetcher) incoming(env naming.Environment) string {
	return filepath.Join(f.opt.Archive, string(env), ".incoming")
}

// sweep removes what a run that was killed left half-written. The caller holds
// the lock of the folder, so nobody else is writing there.
func sweep(disk *durable.Disk, dir string) error {
	old, err := os.ReadDir(dir) // not a glob: the path may hold its characters
	if err != nil {
		return err
	}
	for _, e := range old {
		if err := disk.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
