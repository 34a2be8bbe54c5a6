//go:build crashpoints && unix

package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/socbatch/socbatch/internal/durable"
)

// With the tag crashpoints the program can be made to die at any of its own
// steps: before every step on the disk, and before and after every transaction
// of the ledger. SOCBATCH_CRASH_AT=N kills it, as kill -9 does, at the Nth;
// SOCBATCH_CRASH_LOG=FILE gets a line that says where that was. With
// SOCBATCH_CRASH_ON=TEXT only steps count whose line has the text in it. With
// SOCBATCH_CRASH_TELL=SOCKET it does not die: the line goes to that Unix socket,
// and the step waits until the socket is closed, so that something can befall
// the server meanwhile. "make crash" uses it; no build without the tag has
// anything of it.
func init() { build.Steps = plantCrashes }

func plantCrashes(getenv func(string) string, disk *durable.Disk) (ledgerStep func(string)) {
	at, err := strconv.ParseInt(getenv("SOCBATCH_CRASH_AT"), 10, 64)
	if err != nil || at < 1 {
		return nil
	}
	on := getenv("SOCBATCH_CRASH_ON")
	strike := dieAt(getenv("SOCBATCH_CRASH_LOG"))
	if socket := getenv("SOCBATCH_CRASH_TELL"); socket != "" {
		strike = tellAt(socket)
	}
	var seen atomic.Int64
	point := func(name func() string) {
		if (on == "" || strings.Contains(name(), on)) && seen.Add(1) == at {
			strike(name())
		}
	}
	disk.Fault = func(step, path string) error {
		point(func() string { return step + " " + path })
		return nil
	}
	return func(step string) {
		point(func() string { return step + " " + strings.Join(changes(), "+") })
	}
}

// dieAt kills the program.
func dieAt(log string) func(name string) {
	return func(name string) {
		if f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, _ = fmt.Fprintln(f, name)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// tellAt waits until the one who listens has done something.
func tellAt(socket string) func(name string) {
	return func(name string) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // nothing can be done about it
		_, _ = fmt.Fprintln(c, name)
		_, _ = c.Read(make([]byte, 1))
	}
}

var changing = regexp.MustCompile(`sqlite\.\(\*store\)\.change\(.*\n.*\n.*sqlite\.\(\*store\)\.(\w+)\(`)

// changes names the methods of the ledger that wait for the transaction.
func changes() []string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for _, m := range changing.FindAllSubmatch(stacks, -1) {
		found = append(found, string(m[1]))
	}
	slices.Sort(found)
	return slices.Compact(found)
}
