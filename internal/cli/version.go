package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

func newVersionCmd(a *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.ui.result("socbatch %s (%s, %s/%s)", a.build.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			a.ui.object(map[string]any{"version": a.build.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			return nil
		},
	}
}
