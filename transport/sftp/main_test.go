package sftp

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// relayed, in the environment of the test program, makes it a proxy command.
const relayed = "SOCBATCH_TEST_RELAY"

func TestMain(m *testing.M) {
	if os.Getenv(relayed) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	address := net.JoinHostPort(os.Args[1], os.Args[2])
	conn, err := net.Dial("tcp", address)
	if os.Getenv(relayed) == "fail" || err != nil {
		fmt.Fprintln(os.Stderr, "no way to", os.Args[1])
		os.Exit(1)
	}
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
}
