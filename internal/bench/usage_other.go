//go:build !unix

package main

import "runtime"

func flushDisks() {}

func kernel() string { return runtime.GOOS + " " + runtime.GOARCH }
