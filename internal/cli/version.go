package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/contract"
)

func newVersionCmd(a *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.ui.result("socbatch %s (%s, %s/%s)", a.build.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			a.ui.object(contract.Program{Version: a.build.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH})
			return nil
		},
	}
}
