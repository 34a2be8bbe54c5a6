package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// network is where server and clients run: two network namespaces that are
// joined by a delaying line, or, where that cannot be made, the loopback
// device of the machine.
type network struct {
	Host string
	Port int
	// Why says why there is no delay; empty where there is.
	Why string

	server, client string // names of the namespaces; empty on loopback
	line           *exec.Cmd
	lineIn         io.Closer
}

const (
	serverAddress = "10.213.0.1"
	clientAddress = "10.213.0.2"
	prefix        = "socbatch-bench-" // of the names of the namespaces
)

// openNetwork makes the namespaces and the line between them. Where that does
// not work the network is loopback, and says why.
func openNetwork(ctx context.Context, self string, roundTrip time.Duration) (*network, error) {
	n := &network{}
	err := n.join(ctx, self, roundTrip)
	if err == nil || ctx.Err() != nil {
		return n, ctx.Err()
	}
	n.close()
	l, lerr := net.Listen("tcp", "127.0.0.1:0")
	if lerr != nil {
		return nil, lerr
	}
	defer l.Close() //nolint:errcheck // only to find a free port
	return &network{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Why: err.Error()}, nil
}

func (n *network) join(ctx context.Context, self string, roundTrip time.Duration) error {
	switch {
	case roundTrip <= 0:
		return errors.New("no delay was asked for")
	case runtime.GOOS != "linux":
		return errors.New("network namespaces are a thing of Linux")
	case os.Getuid() != 0:
		return errors.New("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return errors.New("there is no /dev/net/tun")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the program ip is missing")
	}
	sweepNamespaces(ctx)
	pid := strconv.Itoa(os.Getpid())
	server, client := prefix+pid+"-s", prefix+pid+"-c"
	tunS, tunC := "sbs"+pid, "sbc"+pid
	for _, ns := range []string{server, client} {
		if err := ip(ctx, "netns", "add", ns); err != nil {
			return err
		}
		if ns == server {
			n.server = ns
		} else {
			n.client = ns
		}
	}
	if err := n.startLine(self, tunS, tunC, roundTrip/2); err != nil {
		return err
	}
	for _, end := range []struct{ tun, ns, own, peer string }{
		{tunS, server, serverAddress, clientAddress}, {tunC, client, clientAddress, serverAddress},
	} {
		for _, args := range [][]string{
			{"link", "set", end.tun, "netns", end.ns},
			{"-n", end.ns, "link", "set", "lo", "up"},
			{"-n", end.ns, "addr", "add", end.own, "peer", end.peer, "dev", end.tun},
			{"-n", end.ns, "link", "set", end.tun, "txqueuelen", "10000", "up"},
		} {
			if err := ip(ctx, args...); err != nil {
				return err
			}
		}
	}
	n.Host, n.Port = serverAddress, 8022
	return nil
}

// startLine starts the program that carries the packets. It ends with its
// standard input, and so with us.
func (n *network) startLine(self, a, b string, hold time.Duration) error {
	cmd := exec.Command(self, "line", a, b, hold.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.line, n.lineIn = cmd, in
	var ready [6]byte
	if _, err := io.ReadFull(out, ready[:]); err != nil {
		return errors.New("the delaying line did not start")
	}
	return nil
}

func (n *network) close() {
	if n.line != nil {
		_ = n.lineIn.Close()
		_ = n.line.Wait()
	}
	for _, ns := range []string{n.server, n.client} {
		if ns != "" {
			removeNamespace(context.Background(), ns)
		}
	}
	n.server, n.client, n.line = "", "", nil
}

// at puts a command line where it is to run.
func (n *network) at(place place, args ...string) []string {
	ns := n.client
	if place == atServer {
		ns = n.server
	}
	if ns == "" {
		return args
	}
	return append([]string{"ip", "netns", "exec", ns}, args...)
}

// place is an end of the line.
type place int

const (
	atClient place = iota // behind the delay
	atServer              // beside the server: no delay
)

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %s", strings.Join(args, " "), strings.TrimSpace(string(out)))
	}
	return nil
}

// sweepNamespaces removes what a driver left that was killed.
func sweepNamespaces(ctx context.Context) {
	left, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, path := range left {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			removeNamespace(ctx, name)
		}
	}
}

// removeNamespace ends what still runs in a namespace of ours, such as the
// server's end of a connection that broke off, and removes it.
func removeNamespace(ctx context.Context, name string) {
	out, _ := exec.CommandContext(ctx, "ip", "netns", "pids", name).Output()
	for _, text := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(text); err == nil && pid != os.Getpid() {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
	}
	_ = ip(ctx, "netns", "del", name)
}
