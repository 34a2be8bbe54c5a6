package cli

import (
	"context"
	"os"
	"time"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/identity"
	"github.com/socbatch/socbatch/internal/wire"
)

// core is what does the work, put together from what this program has.
func (a *program) core() *app.App {
	w := a.wire()
	return &app.App{
		Connect: w.Connect, OpenLedger: w.OpenLedger, OpenLedgerAt: w.OpenLedgerAt,
		Identity: a.certificates().Open,
		Document: contract.NewHookDocument,
		Environ:  os.Environ,
		ExitCode: func(class string) int { return contract.ExitCode(failure.Class(class)) },
		Disk:     &a.disk,
		Now:      a.now,
		Log:      a.log,
		Version:  a.build.Version,
	}
}

// wire puts together what the work needs.
func (a *program) wire() *wire.Wire {
	return &wire.Wire{
		Passphrase: func(ctx context.Context, c config.Config) (string, error) {
			return a.secret(ctx, c, a.passphraseOf(c.Endpoint))
		},
		Disk: &a.disk, Now: a.now, Log: a.log, LedgerStep: a.ledgerStep, Notify: a.notifyWire,
	}
}

// certificates opens what signs. There is one, since it remembers what it told.
func (a *program) certificates() *identity.Certificates {
	if a.signers == nil {
		a.signers = &identity.Certificates{
			Password: func(ctx context.Context, c config.Config) (string, error) {
				return a.secret(ctx, c, a.passwordOf(c.Identity))
			},
			Memory: func(c config.Config) string { return app.WorkspaceOf(c).Certificates() },
			Disk:   &a.disk, Now: func() time.Time { return a.now() }, Log: a.log, Notify: a.notifyIdentity,
		}
	}
	return a.signers
}
