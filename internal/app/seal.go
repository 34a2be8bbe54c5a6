package app

import (
	"context"
	"errors"
	"time"

	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
)

// Archive is what looks after the stored files.
func (a *App) Archive(c config.Config, l ledger.Ledger) *archive.Archive {
	return &archive.Archive{Ledger: l, Replies: c.Replies.Archive, Spool: WorkspaceOf(c).Spool(), Disk: a.Disk, Now: a.Now}
}

// Recipients reads those for whom something is encrypted; nil: nobody.
func Recipients(texts []string) (*seal.Recipients, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	return seal.ParseRecipients(texts...)
}

// LockArchive keeps others from touching what is stored: from fetching too.
func (a *App) LockArchive(ctx context.Context, c config.Config, command string, wait time.Duration) (release func() error, err error) {
	var held []*lock.Lock
	release = func() error {
		var errs []error
		for _, l := range held {
			errs = append(errs, l.Release())
		}
		return errors.Join(errs...)
	}
	names := []string{archive.Lock}
	for _, env := range naming.Environments() {
		names = append(names, FetchLock(env))
	}
	for _, name := range names {
		l, err := lock.Acquire(ctx, WorkspaceOf(c).Locks(), name, command, wait)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		held = append(held, l)
	}
	return release, nil
}

// Seal encrypts all that is stored and not needed in clear any more.
func (a *App) Seal(ctx context.Context, c config.Config, l ledger.Ledger, wait time.Duration) (got archive.Sealed, err error) {
	to, err := Recipients(c.ArchiveRecipient)
	if err != nil {
		return got, err
	}
	if to == nil {
		return got, usagef("for whom? put archive_recipient = \"age1…\" into the configuration; age-keygen makes a recipient and its identity")
	}
	release, err := a.LockArchive(ctx, c, "socbatch archive seal", wait)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, release()) }()
	got, err = a.Archive(c, l).Seal(ctx, to, naming.Environments(), 0)
	if err != nil {
		return got, &SealError{err}
	}
	return got, nil
}

// SealError says that not everything could be encrypted.
type SealError struct{ Err error }

func (e *SealError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *SealError) Said() (format string, args []any) { return e.problem().Said() }

// Unwrap gives why.
func (e *SealError) Unwrap() error { return e.Err }

func (e *SealError) problem() *problem.Error {
	return problem.New("not everything could be encrypted, and stays in clear: %s", e.Err)
}

// sealedInPassing is how many older replies and declarations one run encrypts
// beside its own.
const sealedInPassing = 1000

// sealFinished encrypts what is not needed in clear any more, where that is
// configured: the frozen copies, and the replies of some environments. fresh is
// how many this run has brought. What goes wrong is an event: it stays in clear,
// and the next run tries again. Where another socbatch is at work with the same
// files, it is left to that one, or to the next.
func (c *call) sealFinished(ctx context.Context, l ledger.Ledger, envs []naming.Environment, fresh int) {
	if len(c.config.ArchiveRecipient) == 0 || ctx.Err() != nil {
		return
	}
	err := c.trySeal(ctx, l, envs, sealedInPassing+fresh)
	if ctx.Err() == nil && err != nil {
		c.event(SealFailed{err})
	}
}

func (c *call) trySeal(ctx context.Context, l ledger.Ledger, envs []naming.Environment, limit int) (err error) {
	to, err := Recipients(c.config.ArchiveRecipient)
	if err != nil {
		return err
	}
	take := func(name string) (*lock.Lock, error) {
		held, err := c.lock(ctx, name, 0)
		var busy *lock.HeldError
		if errors.As(err, &busy) {
			c.Log.Debug("left to the one at work", "lock", busy.Path)
			return nil, nil
		}
		return held, err
	}
	held, err := take(archive.Lock)
	if held == nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	var free []naming.Environment
	for _, env := range envs {
		held, err := take(FetchLock(env))
		if err != nil {
			return err
		}
		if held == nil {
			continue
		}
		defer held.Release() //nolint:errcheck // it ends with the process at the latest
		free = append(free, env)
	}
	got, err := c.Archive(c.config, l).Seal(ctx, to, free, limit)
	c.Log.Debug("encrypted", "replies", got.Replies, "declarations", got.Sets, "more", got.More)
	return err
}
