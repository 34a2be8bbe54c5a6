//go:build !unix

package main

import (
	"os"
	"runtime"
)

func peakMemory(*os.ProcessState) int64 { return 0 }

func flushDisks() {}

func kernel() string { return runtime.GOOS + " " + runtime.GOARCH }
