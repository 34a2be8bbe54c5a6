package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/sshkey"
)

type archiveOptions struct {
	lockWait time.Duration
}

func newArchiveCmd(a *app, run func(context.Context, *app, archiveOptions) error) *cobra.Command {
	var o archiveOptions
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Encrypt what is stored",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	sub := &cobra.Command{
		Use:   "seal",
		Short: "Encrypt the replies and frozen copies that lie in clear",
		Long: `Encrypt the replies and frozen copies that lie in clear, for the recipient that
archive_recipient names in the configuration. Every submit and fetch does so with
what it has finished with; this does it at once with all that is there. What is
still needed stays in clear: declarations that are not known to be sent, and
replies that were not read yet.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	sub.Flags().DurationVar(&o.lockWait, "lock-wait", 0, "wait at most `TIME` for another socbatch to be ready")
	cmd.AddCommand(sub)
	return cmd
}

func runArchiveSeal(ctx context.Context, a *app, o archiveOptions) error {
	return a.withLedger(ctx, func(c config.Config, l *ledger.Ledger) (err error) {
		to, err := recipients(c.ArchiveRecipient)
		if err != nil {
			return err
		}
		if to == nil {
			return usagef("for whom? put archive_recipient = \"age1…\" into the configuration; age-keygen makes a recipient and its identity")
		}
		release, err := lockArchive(ctx, c, "socbatch archive seal", o.lockWait)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
		got, err := a.archive(c, l).Seal(ctx, to, naming.Environments(), 0)
		if got == (archive.Sealed{}) && err == nil {
			a.ui.say("nothing lies in clear that is not needed so")
		} else {
			a.ui.result("encrypted  %s, %s", count(got.Replies, "%d reply", "%d replies"), count(got.Sets, "%d declaration", "%d declarations"))
		}
		if err != nil {
			return errorf("not everything could be encrypted, and stays in clear: %s", err)
		}
		a.ui.object(map[string]any{"replies": got.Replies, "declarations": got.Sets})
		return nil
	})
}

// archive is what looks after the stored files.
func (a *app) archive(c config.Config, l *ledger.Ledger) *archive.Archive {
	return &archive.Archive{Ledger: l, Replies: c.Replies.Archive, Spool: filepath.Join(c.StateDir, "spool"), Disk: &a.disk, Now: a.now}
}

// recipients reads those for whom something is encrypted; nil: nobody.
func recipients(texts []string) (*seal.Recipients, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	return seal.ParseRecipients(texts...)
}

func lockDir(c config.Config) string { return filepath.Join(c.StateDir, "locks") }

// lockArchive keeps others from touching what is stored: from fetching too.
func lockArchive(ctx context.Context, c config.Config, command string, wait time.Duration) (release func() error, err error) {
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
		names = append(names, "fetch-"+string(env))
	}
	for _, name := range names {
		l, err := lock.Acquire(ctx, lockDir(c), name, command, wait)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		held = append(held, l)
	}
	return release, nil
}

// sealedInPassing is how many older replies and declarations one run encrypts
// beside its own.
const sealedInPassing = 1000

// sealFinished encrypts what is not needed in clear any more, where that is
// configured: the frozen copies, and the replies of some environments. fresh is
// how many this run has brought. What goes wrong is a warning: it stays in
// clear, and the next run tries again. Where another socbatch is at work with
// the same files, it is left to that one, or to the next.
func (a *app) sealFinished(ctx context.Context, c config.Config, l *ledger.Ledger, command string, envs []naming.Environment, fresh int) {
	if len(c.ArchiveRecipient) == 0 || ctx.Err() != nil {
		return
	}
	err := a.trySeal(ctx, c, l, command, envs, sealedInPassing+fresh)
	if ctx.Err() == nil && err != nil {
		a.ui.warn("what is stored could not all be encrypted, and stays in clear: %s", err)
		a.ui.hint("the next run tries again; at once: socbatch archive seal")
	}
}

func (a *app) trySeal(ctx context.Context, c config.Config, l *ledger.Ledger, command string, envs []naming.Environment, most int) (err error) {
	to, err := recipients(c.ArchiveRecipient)
	if err != nil {
		return err
	}
	take := func(name string) (*lock.Lock, error) {
		held, err := lock.Acquire(ctx, lockDir(c), name, command, 0)
		var busy *lock.HeldError
		if errors.As(err, &busy) {
			a.log.Debug("left to the one at work", "lock", busy.Path)
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
		held, err := take("fetch-" + string(env))
		if err != nil {
			return err
		}
		if held == nil {
			continue
		}
		defer held.Release() //nolint:errcheck // it ends with the process at the latest
		free = append(free, env)
	}
	got, err := a.archive(c, l).Seal(ctx, to, free, most)
	a.log.Debug("encrypted", "replies", got.Replies, "declarations", got.Sets, "more", got.More)
	return err
}

// archiveIdentity is an identity that is opened when it is needed.
type archiveIdentity struct {
	a    *app
	path string
	ask  func(question string) (string, error)
	ids  *seal.Identities // once it was needed
}

// archiveIdentity is what reads encrypted files: the file that a flag names, or
// the configuration. nil: neither does. It is opened when it is needed, since a
// passphrase may be asked for.
func (a *app) archiveIdentity(ctx context.Context, c config.Config, flag string) *archiveIdentity {
	path := c.ArchiveIdentity
	if flag != "" {
		path = flag
	}
	if path == "" {
		return nil
	}
	return &archiveIdentity{a: a, path: path, ask: func(question string) (string, error) { return secret.PromptContext(ctx, question) }}
}

func (i *archiveIdentity) load() (*seal.Identities, error) {
	if i.ids != nil {
		return i.ids, nil
	}
	var open *sshkey.PermissionWarning
	if err := sshkey.CheckPermissions(i.path); errors.As(err, &open) {
		i.a.ui.warn("others on this machine can read your identity: chmod 600 %s", i.path)
	}
	ids, err := seal.OpenIdentities(i.path, func() (string, error) {
		return i.ask(i.a.ui.text("Passphrase of the identity %s", displayPath(i.path)))
	})
	var hint lang.Text
	switch {
	case err == nil:
		i.ids = ids
		return ids, nil
	case errors.Is(err, secret.ErrNoTerminal):
		hint = text("run the command on a terminal, or name an identity without a passphrase")
	case errors.Is(err, seal.ErrWrongPassphrase):
		hint = text("check the passphrase")
	default:
		hint = text("name the file of your identity, as age-keygen wrote it, with --identity, or archive_identity in the configuration")
	}
	return nil, credentialf(hint, "identity %s: %s", i.path, err)
}

// open opens an encrypted file by its path in clear.
func (i *archiveIdentity) open(path string) (*seal.File, error) {
	ids, err := i.load()
	if err != nil {
		return nil, err
	}
	return ids.Open(path + seal.Suffix)
}

func identityFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "identity", "", "`FILE` of the age identity that reads what is encrypted")
}
