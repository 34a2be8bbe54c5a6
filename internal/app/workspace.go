package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// Workspace is a state directory: where things lie in it.
type Workspace struct{ Dir string }

// WorkspaceOf is the state directory of a configuration.
func WorkspaceOf(c config.Config) Workspace { return Workspace{c.StateDir} }

// Ledger is the file of the ledger.
func (w Workspace) Ledger() string { return filepath.Join(w.Dir, "ledger.db") }

// Spool is the directory of the frozen copies.
func (w Workspace) Spool() string { return filepath.Join(w.Dir, "spool") }

// Locks is the directory of the locks.
func (w Workspace) Locks() string { return filepath.Join(w.Dir, "locks") }

// KnownHosts is the file of the host keys that were accepted.
func (w Workspace) KnownHosts() string { return filepath.Join(w.Dir, "known_hosts") }

// Logins is the file of the ways of logging in that worked.
func (w Workspace) Logins() string { return filepath.Join(w.Dir, "logins.json") }

// Certificates is the file of what was seen in certificates.
func (w Workspace) Certificates() string { return filepath.Join(w.Dir, "certificates.json") }

// SendLock is the name of the lock of those who send for a sender to an
// environment, FetchLock that of those who fetch from one.
func SendLock(sender string, env naming.Environment) string {
	return "send-" + sender + "-" + string(env)
}

// FetchLock is the name of the lock of those who fetch from an environment.
func FetchLock(env naming.Environment) string { return "fetch-" + string(env) }

func (a *App) spool(c config.Config) *inbox.Spool {
	return inbox.NewSpool(WorkspaceOf(c).Spool(), a.Disk)
}

// lock takes a lock, waiting at most wait for it. what is who holds it, for others.
func (c *call) lock(ctx context.Context, name string, wait time.Duration) (*lock.Lock, error) {
	return lock.Acquire(ctx, WorkspaceOf(c.config).Locks(), name, "socbatch "+c.command, wait)
}

// opened is what a use case works with under the lock of a sender and environment.
type opened struct {
	ledger ledger.Ledger
	link   *link
	held   *lock.Lock
}

// open finds the credentials where a connection is needed, takes the lock and
// opens the ledger. Nothing is connected yet.
func (c *call) open(ctx context.Context, sender string, env naming.Environment, wait time.Duration, connect bool) (_ *opened, err error) {
	w := &opened{}
	if connect {
		if w.link, err = c.newLink(ctx); err != nil {
			return nil, err
		}
	}
	if w.held, err = c.lock(ctx, SendLock(sender, env), wait); err != nil {
		return nil, err
	}
	if w.ledger, err = c.OpenLedger(ctx, c.config); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// openToSend is open for what gives new names: it refuses a clock that is behind
// the ledger.
func (c *call) openToSend(ctx context.Context, sender string, env naming.Environment, wait time.Duration) (*opened, error) {
	w, err := c.open(ctx, sender, env, wait, true)
	if err != nil {
		return nil, err
	}
	if err := c.CheckClock(ctx, w.ledger); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *opened) close() error {
	var err error
	if w.link != nil {
		w.link.drop()
	}
	if w.ledger != nil {
		err = w.ledger.Close()
	}
	return errors.Join(err, w.held.Release())
}

// tidy removes what runs that were killed left: frozen copies that have no name
// yet, and halves of small files. A day is longer than any run takes for these.
func (c *call) tidy(ctx context.Context, l ledger.Ledger) {
	before := c.Now().Add(-24 * time.Hour)
	spool := c.spool(c.config)
	left, err := spool.Abandoned(before, func() (map[string]bool, error) { return l.Spools(ctx) })
	for _, name := range left {
		err = errors.Join(err, spool.Drop(name))
	}
	dir := c.config.StateDir
	err = errors.Join(err, c.Disk.Sweep(dir, durable.NewPrefix, before), c.Disk.Sweep(dir, hostkey.NewPrefix, before))
	if len(left) > 0 || err != nil {
		c.Log.Debug("what killed runs left is removed", "copies", len(left), "error", err)
	}
}
