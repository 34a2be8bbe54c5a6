//go:build !unix

package peak

import "os"

// Memory gives 0: this system does not tell.
func Memory(*os.ProcessState) int64 { return 0 }
