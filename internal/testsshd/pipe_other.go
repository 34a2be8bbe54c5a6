//go:build !unix

package testsshd

import (
	"fmt"
	"os"
)

func openPipe(string) (*os.File, error) {
	return nil, fmt.Errorf("%w: no named pipes on this system", ErrMissing)
}
