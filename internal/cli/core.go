package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
)

// core is what does the work, put together from what this program has.
func (a *program) core() *app.App {
	return &app.App{
		Connect: func(ctx context.Context, c config.Config) (app.Dialer, error) {
			e, err := a.endpoint(ctx, c)
			return func(ctx context.Context) (transport.Session, error) {
				s, err := a.dial(ctx, c, e)
				if err != nil {
					return nil, err
				}
				return s, nil
			}, err
		},
		Identity: func(ctx context.Context, c config.Config, rehearsal bool) (*sign.Identity, error) {
			a.touchNothing = rehearsal
			return a.identity(ctx, c)
		},
		OpenLedger: a.openLedger,
		OpenLedgerAt: func(ctx context.Context, path string) (ledger.Ledger, error) {
			return sqlite.Open(ctx, path, sqlite.Options{Now: a.now})
		},
		Document: hookJSON,
		Environ:  os.Environ,
		ExitCode: func(class string) int { return codes[failure.Class(class)] },
		Disk:     &a.disk,
		Now:      a.now,
		Log:      a.log,
		Version:  a.build.Version,
	}
}

func baseName(path string) string { return filepath.Base(path) }
