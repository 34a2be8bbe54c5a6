// Command socbatch sends declarations to the Belgian social security in batch
// and brings the answers back.
package main

import (
	"os"

	"github.com/socbatch/socbatch/internal/cli"
)

// build is how the program is made; see crashpoints.go.
var build = cli.Build{Version: version}

// version is set by the linker.
var version = "dev"

func main() { os.Exit(cli.Main(build)) }
