package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
)

// tempDir is where encrypted files are written before they have their name, in
// the root of the archive and of the spool.
const tempDir = ".sealing"

// batch is how many holdings are entered in the ledger at once.
const batch = 256

// together is how many holdings are encrypted at once: their flushes are
// waited for side by side.
const together = 16

// Patience of Seal: what was given up, and what a hook was told of, may still
// be in use for so long.
const (
	givenUpRest = time.Hour
	hookRest    = 24 * time.Hour
)

// Sealed counts what Seal did.
type Sealed struct {
	Replies int
	Sets    int
	// More is set where the limit left something for the next time.
	More bool
}

// Seal encrypts what lies in clear and is not needed so any more: the frozen
// copies of sets that are known to be sent, and the replies of the environments
// that are read; newest first, at most maxEach of the sets and of the replies of each
// environment (0: all).
//
// Of each, the encrypted files are on the disk before the ones in clear are
// removed, and the ledger hears of it last: killed anywhere in between, the
// next run finds the files in clear, or only the encrypted ones, and comes to
// the same end. What fails stays in clear; the error joins why.
func (a *Archive) Seal(ctx context.Context, to *seal.Recipients, envs []naming.Environment, maxEach int) (Sealed, error) {
	var out Sealed
	now := a.Now()
	errs := []error{}
	run := func(kind ledger.HoldingKind, find func(below int64, limit int) ([]ledger.Holding, error)) int {
		n, more, err := a.sealAll(ctx, to, kind, maxEach, find)
		errs = append(errs, err)
		out.More = out.More || more
		return n
	}
	out.Sets += run(ledger.HeldSet, func(below int64, limit int) ([]ledger.Holding, error) {
		return a.Ledger.PlainSets(ctx, now.Add(-givenUpRest), below, limit)
	})
	for _, env := range envs {
		out.Replies += run(ledger.HeldReply, func(below int64, limit int) ([]ledger.Holding, error) {
			return a.Ledger.PlainReplies(ctx, env, now.Add(-hookRest), below, limit)
		})
	}
	return out, errors.Join(errs...)
}

func (a *Archive) sealAll(ctx context.Context, to *seal.Recipients, kind ledger.HoldingKind, maxEach int, find func(below int64, limit int) ([]ledger.Holding, error)) (n int, more bool, err error) {
	var errs []error
	temp := ""
	for below := int64(0); ; {
		limit := batch
		if maxEach > 0 {
			limit = min(limit, maxEach-n)
		}
		if limit <= 0 {
			found, err := find(below, 1)
			return n, len(found) > 0, errors.Join(append(errs, err)...)
		}
		found, err := find(below, limit)
		if err != nil || len(found) == 0 {
			return n, false, errors.Join(append(errs, err)...)
		}
		if temp == "" {
			if temp, err = a.emptyTemp(kind); err != nil {
				return n, false, err
			}
		}
		below = found[len(found)-1].ID
		done, err := a.sealBatch(ctx, to, temp, found)
		n += len(done)
		if err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil || len(errs) > 0 && len(done) == 0 { // nothing works: no need to try the rest
			return n, true, errors.Join(errs...)
		}
	}
}

// emptyTemp makes the directory for files without a name, and removes what a
// run that was killed left there.
func (a *Archive) emptyTemp(kind ledger.HoldingKind) (string, error) {
	dir := filepath.Join(a.root(kind), tempDir)
	if err := a.Disk.MkdirAll(dir); err != nil {
		return "", err
	}
	old, err := os.ReadDir(dir)
	for _, e := range old {
		err = errors.Join(err, a.Disk.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return dir, err
}

// sealBatch encrypts holdings side by side and enters those that are done. Those
// of which no file is there are passed over: perhaps the archive lies elsewhere.
func (a *Archive) sealBatch(ctx context.Context, to *seal.Recipients, temp string, found []ledger.Holding) ([]ledger.Holding, error) {
	var mu sync.Mutex
	var done []ledger.Holding
	var errs []error
	var g errgroup.Group
	g.SetLimit(together)
	for _, h := range found {
		g.Go(func() error {
			there, err := false, ctx.Err()
			if err == nil {
				there, err = a.sealOne(to, temp, h)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", h.Name, err))
			case there:
				done = append(done, h)
			}
			return nil
		})
	}
	_ = g.Wait()
	if len(done) > 0 {
		if err := a.Ledger.Sealed(context.WithoutCancel(ctx), done); err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
	}
	return done, errors.Join(errs...)
}

// sealOne reports whether anything of the holding was there.
func (a *Archive) sealOne(to *seal.Recipients, temp string, h ledger.Holding) (bool, error) {
	paths, err := a.paths(h)
	if err != nil {
		return false, err
	}
	found := false
	for _, p := range paths {
		there, _, err := exists(p)
		if err != nil {
			return false, err
		}
		if !there {
			sealed, _, err := exists(p + seal.Suffix)
			if err != nil {
				return false, err
			}
			found = found || sealed
			continue
		}
		found = true
		if err := to.SealFile(a.Disk, p, temp); err != nil {
			return false, err
		}
	}
	dirs := map[string]bool{}
	for _, p := range paths {
		if err := a.unlink(clear(p), dirs); err != nil {
			return false, err
		}
	}
	return found, a.flush(dirs)
}
