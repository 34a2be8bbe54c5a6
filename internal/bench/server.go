package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// server is an OpenSSH server as the office might run it: SFTP only, its
// limits on connections as OpenSSH has them by default.
type server struct {
	Home string // where a session starts; has IN and OUT
	Key  string // private key file of the client
	// KnownHosts and Fingerprint are of the server's key.
	KnownHosts  string
	Fingerprint string

	cmd *exec.Cmd
	in  io.Closer
	log string
}

func startServer(ctx context.Context, dir, self string, n *network) (*server, error) {
	s := &server{
		Home: filepath.Join(dir, "server"), Key: filepath.Join(dir, "id_rsa"),
		KnownHosts: filepath.Join(dir, "known_hosts"), log: filepath.Join(dir, "sshd.log"),
	}
	hostKey := filepath.Join(dir, "host_ed25519")
	for _, args := range [][]string{{"-t", "ed25519", "-f", hostKey}, {"-t", "rsa", "-b", "2048", "-f", s.Key}} {
		if out, err := exec.CommandContext(ctx, "ssh-keygen", append([]string{"-q", "-N", "", "-C", "bench"}, args...)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	pub, err := os.ReadFile(hostKey + ".pub")
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(pub)
	if err != nil {
		return nil, err
	}
	s.Fingerprint = ssh.FingerprintSHA256(key)
	known := fmt.Sprintf("[%s]:%d %s", n.Host, n.Port, ssh.MarshalAuthorizedKey(key))
	if err := os.WriteFile(s.KnownHosts, []byte(known), 0o600); err != nil {
		return nil, err
	}
	for _, d := range []string{"IN", "OUT"} {
		if err := os.MkdirAll(filepath.Join(s.Home, d), 0o700); err != nil {
			return nil, err
		}
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // where Debian's sshd drops its privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "sshd_config")
	lines := []string{
		"ListenAddress " + net.JoinHostPort(n.Host, strconv.Itoa(n.Port)), "HostKey " + hostKey,
		"AuthorizedKeysFile " + s.Key + ".pub", "Subsystem sftp internal-sftp -d " + s.Home,
		"ForceCommand internal-sftp -d " + s.Home, "AllowTcpForwarding no", "UsePAM no", "StrictModes no",
		"PermitRootLogin prohibit-password", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PidFile none", "PrintMotd no", "UseDNS no",
	}
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	args := n.at(atServer, self, "supervise", sshd, "-D", "-E", s.log, "-f", config)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, s.ready(ctx, self, n)
}

// ready waits until the server answers.
func (s *server) ready(ctx context.Context, self string, n *network) error {
	var last error
	for range 100 {
		if _, last = n.measureRoundTrip(ctx, self); last == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	text, _ := os.ReadFile(s.log)
	return fmt.Errorf("sshd does not answer: %w: %s", last, text)
}

func (s *server) close() {
	if s != nil && s.cmd != nil {
		_ = s.in.Close()
		_ = s.cmd.Wait()
	}
}

// clear empties the folders of the server.
func (s *server) clear() error {
	for _, d := range []string{"IN", "OUT"} {
		dir := filepath.Join(s.Home, d)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// measureRoundTrip gives the time of a TCP connection from the client's end,
// the best of a few.
func (n *network) measureRoundTrip(ctx context.Context, self string) (time.Duration, error) {
	args := n.at(atClient, self, "round-trip", net.JoinHostPort(n.Host, strconv.Itoa(n.Port)))
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
	if err != nil {
		return 0, err
	}
	return time.ParseDuration(strings.TrimSpace(string(out)))
}
