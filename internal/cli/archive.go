package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/transport/sshkey"
)

type archiveOptions struct {
	lockWait time.Duration
}

func newArchiveCmd(a *program, run func(context.Context, *program, archiveOptions) error) *cobra.Command {
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

func runArchiveSeal(ctx context.Context, a *program, o archiveOptions) error {
	return a.withLedger(ctx, func(c config.Config, l ledger.Ledger) error {
		got, err := a.core().Seal(ctx, c, l, o.lockWait)
		var partly *app.SealError
		switch {
		case err != nil && !errors.As(err, &partly):
			return err
		case got == (archive.Sealed{}) && err == nil:
			a.ui.say("nothing lies in clear that is not needed so")
		default:
			a.ui.result("encrypted  %s, %s", count(got.Replies, "%d reply", "%d replies"), count(got.Sets, "%d declaration", "%d declarations"))
		}
		if err != nil {
			return err
		}
		a.ui.object(contract.Sealed{Replies: got.Replies, Declarations: got.Sets})
		return nil
	})
}

// archiveIdentity is an identity that is opened when it is needed.
type archiveIdentity struct {
	a    *program
	path string
	ask  func(question string) (string, error)
	ids  *seal.Identities // once it was needed
}

// archiveIdentity is what reads encrypted files: the file that a flag names, or
// the configuration. nil: neither does. It is opened when it is needed, since a
// passphrase may be asked for.
func (a *program) archiveIdentity(ctx context.Context, c config.Config, flag string) *archiveIdentity {
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
