package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
)

// Pruned counts what Prune removed, or would remove.
type Pruned struct {
	Replies int
	Sets    int
	Files   int
	Bytes   int64 // on the disk
	// Missing are holdings of which no file was there. They are not entered as
	// removed: perhaps the archive lies elsewhere.
	Missing int
}

// Prunable counts what Prune would remove.
func (a *Archive) Prunable(ctx context.Context, f ledger.PruneFilter) (Pruned, error) {
	var out Pruned
	if err := a.checkDirs(); err != nil {
		return out, err
	}
	err := a.eachPrunable(ctx, f, func(found []ledger.Holding) error {
		return a.present(found, &out, out.add)
	})
	return out, err
}

// Prune removes the files of what the ledger lets go.
//
// What is about to be removed is entered in the ledger first, and that it is
// gone last; in between the directories are flushed. A run that was killed is
// finished by the next.
func (a *Archive) Prune(ctx context.Context, f ledger.PruneFilter) (Pruned, error) {
	var out Pruned
	if err := a.checkDirs(); err != nil {
		return out, err
	}
	left, err := a.Ledger.Pruning(ctx)
	if err != nil {
		return out, err
	}
	if err := a.pruneBatch(ctx, left, &out); err != nil {
		return out, err
	}
	err = a.eachPrunable(ctx, f, func(found []ledger.Holding) error {
		var there []ledger.Holding
		if err := a.present(found, &out, func(h ledger.Holding, _ int, _ int64) { there = append(there, h) }); err != nil {
			return err
		}
		if err := a.Ledger.BeginPrune(ctx, there); err != nil {
			return err
		}
		return a.pruneBatch(context.WithoutCancel(ctx), there, &out)
	})
	return out, err
}

func (a *Archive) checkDirs() error {
	for _, dir := range []string{a.Replies, a.Spool} {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return problem.New("%s is not a directory", dir)
		}
	}
	return nil
}

// eachPrunable gives what the ledger lets go, a batch at a time.
func (a *Archive) eachPrunable(ctx context.Context, f ledger.PruneFilter, do func([]ledger.Holding) error) error {
	for _, find := range []func(context.Context, ledger.PruneFilter, int64, int) ([]ledger.Holding, error){a.Ledger.PrunableReplies, a.Ledger.PrunableSets} {
		for above := int64(0); ; {
			if err := ctx.Err(); err != nil {
				return err
			}
			found, err := find(ctx, f, above, batch)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				break
			}
			above = found[len(found)-1].ID
			if err := do(found); err != nil {
				return err
			}
		}
	}
	return nil
}

// present calls do with the holdings of which some file is there; the others
// count as missing.
func (a *Archive) present(found []ledger.Holding, out *Pruned, do func(h ledger.Holding, files int, bytes int64)) error {
	for _, h := range found {
		files, bytes, err := a.size(h)
		if err != nil {
			return err
		}
		if files == 0 {
			out.Missing++
			continue
		}
		do(h, files, bytes)
	}
	return nil
}

func (p *Pruned) add(h ledger.Holding, files int, bytes int64) {
	if h.Kind == ledger.HeldSet {
		p.Sets++
	} else {
		p.Replies++
	}
	p.Files, p.Bytes = p.Files+files, p.Bytes+bytes
}

// size counts the files of a holding that are there.
func (a *Archive) size(h ledger.Holding) (files int, bytes int64, err error) {
	paths, err := a.paths(h)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range paths {
		for _, name := range every(p) {
			there, size, err := exists(name)
			if err != nil {
				return 0, 0, err
			}
			if there {
				files, bytes = files+1, bytes+size
			}
		}
	}
	return files, bytes, nil
}

func (a *Archive) pruneBatch(ctx context.Context, found []ledger.Holding, out *Pruned) error {
	if len(found) == 0 {
		return nil
	}
	dirs := map[string]bool{}
	var gone []ledger.Holding
	var failed error
	for _, h := range found {
		if failed = a.pruneOne(h, dirs, out); failed != nil {
			failed = fmt.Errorf("%s: %w", h.Name, failed)
			break
		}
		gone = append(gone, h)
	}
	// The directory of a set, and that of a day of which everything is gone.
	above := map[string]bool{}
	for d := range dirs {
		if os.Remove(d) == nil { // not where something is left in it
			above[filepath.Dir(d)] = true
		}
	}
	if err := errors.Join(a.flush(dirs), a.flush(above)); err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, a.Ledger.Pruned(ctx, gone))
}

func (a *Archive) pruneOne(h ledger.Holding, dirs map[string]bool, out *Pruned) error {
	files, bytes, err := a.size(h)
	if err != nil {
		return err
	}
	paths, err := a.paths(h)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := a.unlink(every(p), dirs); err != nil {
			return err
		}
	}
	out.add(h, files, bytes)
	return nil
}
