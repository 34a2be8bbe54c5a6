// Package archive looks after the files that the program does not need any
// more: the stored replies, and in the spool the frozen copies of what was
// sent. It encrypts them and removes old ones. What of them may be touched the
// ledger says.
//
// Callers hold the locks: Lock for everything here, and that of fetching for
// each environment whose replies are touched.
package archive

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
)

// Lock is the name of the lock under which one process at a time encrypts,
// removes or exports.
const Lock = "archive"

// Ledger is what archive asks of the ledger.
type Ledger interface {
	PlainReplies(ctx context.Context, env naming.Environment, begun time.Time, below int64, limit int) ([]ledger.Holding, error)
	PlainSets(ctx context.Context, givenUp time.Time, below int64, limit int) ([]ledger.Holding, error)
	Sealed(ctx context.Context, holdings []ledger.Holding) error

	PrunableReplies(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error)
	PrunableSets(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error)
	Pruning(ctx context.Context) ([]ledger.Holding, error)
	BeginPrune(ctx context.Context, holdings []ledger.Holding) error
	Pruned(ctx context.Context, holdings []ledger.Holding) error
}

// Archive is where files lie and what is known of them.
type Archive struct {
	Ledger  Ledger
	Replies string // root of the archive of replies
	Spool   string // root of the frozen copies
	Disk    *durable.Disk
	Now     func() time.Time
}

func (a *Archive) root(k ledger.HoldingKind) string {
	if k == ledger.HeldSet {
		return a.Spool
	}
	return a.Replies
}

// paths gives where the files of a holding lie in clear. A ledger that was
// tampered with does not lead out of the archive.
func (a *Archive) paths(h ledger.Holding) ([]string, error) {
	var out []string
	for _, f := range h.Files {
		p := filepath.FromSlash(f.Path)
		if !filepath.IsLocal(p) || filepath.Dir(p) == "." {
			return nil, problem.New("%s: the ledger says that it lies in %s, where nothing is touched", h.Name, f.Path)
		}
		if p = filepath.Join(a.root(h.Kind), p); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// Path is where a file of a holding lies in clear.
func (a *Archive) Path(h ledger.Holding, f ledger.HeldFile) (string, error) {
	h.Files = []ledger.HeldFile{f}
	found, err := a.paths(h)
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// clear gives every name under which a file may lie in clear: beside a
// compressed reply what is in it is kept too.
func clear(path string) []string { return []string{path, path + answers.ContentSuffix} }

// every gives every name under which a file may lie.
func every(path string) []string { return append(clear(path), path+seal.Suffix) }

// exists reports whether there is a file of that name, and its size.
func exists(path string) (bool, int64, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, 0, nil
	case err != nil:
		return false, 0, err
	case !info.Mode().IsRegular():
		return false, 0, problem.New("%s is not a file", path)
	}
	return true, info.Size(), nil
}

// unlink removes files without flushing, and adds their directories to those
// that are to be flushed.
func (a *Archive) unlink(paths []string, dirs map[string]bool) error {
	for _, p := range paths {
		gone, err := a.Disk.Unlink(p)
		if err != nil {
			return err
		}
		if gone {
			dirs[filepath.Dir(p)] = true
		}
	}
	return nil
}

func (a *Archive) flush(dirs map[string]bool) error {
	for d := range dirs {
		if err := a.Disk.SyncDir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
