package cli

import (
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
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

func baseName(path string) string { return filepath.Base(path) }
