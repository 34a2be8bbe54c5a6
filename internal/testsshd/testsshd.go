// Package testsshd runs the OpenSSH server of the machine for tests and
// benchmarks: a loopback port, keys made for the occasion, a temporary directory.
//
// Connections are accepted here and handed to "sshd -i", one process each. So
// there is no race for a port, and nothing needs to wait until a daemon is up.
package testsshd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Options configure a server. The zero value is a server with ed25519, ECDSA
// and RSA host keys, internal-sftp, and an RSA-2048 user key.
type Options struct {
	// HostKeys are the key types of the server, of "ed25519", "ecdsa", "rsa".
	HostKeys []string
	// UserKeys are the public keys that may log in, besides the generated one.
	UserKeys []ssh.PublicKey
	// External uses the sftp-server program in place of internal-sftp.
	External bool
	// Config holds further lines of sshd_config. They come first, and the first
	// value of a keyword counts.
	Config []string
}

// Server is a running server.
type Server struct {
	Host     string
	Port     int
	User     string // the user who runs the test
	Dir      string // where a session starts; removed after the test
	HostKeys map[string]ssh.PublicKey
	// UserKey is the private key file (OpenSSH, RSA, no passphrase) that may log in.
	UserKey    string
	UserSigner ssh.Signer
	// KnownHosts is a known_hosts file with all keys of the server.
	KnownHosts string

	t      testing.TB
	sshd   string
	config string
	ln     net.Listener
	log    *os.File

	mu      sync.Mutex
	closed  bool
	running map[*exec.Cmd]bool
	wg      sync.WaitGroup
	count   int
}

// Start runs a server until the end of the test, which it skips if there is no
// usable sshd.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	sshd := find("sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd")
	if sshd == "" {
		t.Skip("no sshd on this machine")
	}
	keygen := find("ssh-keygen")
	if keygen == "" {
		t.Skip("no ssh-keygen on this machine")
	}
	if os.Getuid() == 0 { // where Debian's sshd drops its privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("sshd needs /run/sshd: %v", err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	conf := t.TempDir()
	s := &Server{
		Host: "127.0.0.1", User: me.Username, Dir: t.TempDir(), t: t, sshd: sshd,
		config:   filepath.Join(conf, "sshd_config"),
		HostKeys: map[string]ssh.PublicKey{},
		running:  map[*exec.Cmd]bool{},
	}
	if len(o.HostKeys) == 0 {
		o.HostKeys = []string{"ed25519", "ecdsa", "rsa"}
	}
	lines := append([]string{}, o.Config...)
	for _, typ := range o.HostKeys {
		file := filepath.Join(conf, "host_"+typ)
		s.HostKeys[typ] = s.generate(keygen, typ, file)
		lines = append(lines, "HostKey "+file)
	}
	s.UserKey = filepath.Join(conf, "user_rsa")
	authorized := ssh.MarshalAuthorizedKey(s.generate(keygen, "rsa", s.UserKey))
	for _, k := range o.UserKeys {
		authorized = append(authorized, ssh.MarshalAuthorizedKey(k)...)
	}
	raw, err := os.ReadFile(s.UserKey)
	s.check(err)
	s.UserSigner, err = ssh.ParsePrivateKey(raw)
	s.check(err)
	authorizedFile := filepath.Join(conf, "authorized_keys")
	s.check(os.WriteFile(authorizedFile, authorized, 0o600))

	subsystem := "internal-sftp -d " + s.Dir
	if o.External {
		prog := find("sftp-server", "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")
		if prog == "" {
			t.Skip("no sftp-server program on this machine")
		}
		subsystem = prog + " -d " + s.Dir
	}
	lines = append(lines,
		"AuthorizedKeysFile "+authorizedFile,
		"Subsystem sftp "+subsystem,
		"UsePAM no", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "PidFile none", "PrintMotd no", "LogLevel VERBOSE", "UseDNS no")
	s.check(os.WriteFile(s.config, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	if out, err := exec.Command(sshd, "-t", "-f", s.config).CombinedOutput(); err != nil {
		t.Skipf("sshd does not accept the configuration: %v: %s", err, out)
	}
	s.log, err = os.Create(filepath.Join(conf, "log"))
	s.check(err)
	s.ln, err = net.Listen("tcp", "127.0.0.1:0")
	s.check(err)
	s.Port = s.ln.Addr().(*net.TCPAddr).Port
	s.KnownHosts = filepath.Join(conf, "known_hosts")
	var known bytes.Buffer
	for _, k := range s.HostKeys {
		fmt.Fprintf(&known, "[%s]:%d %s", s.Host, s.Port, ssh.MarshalAuthorizedKey(k))
	}
	s.check(os.WriteFile(s.KnownHosts, known.Bytes(), 0o600))
	s.wg.Go(s.serve)
	t.Cleanup(s.stop)
	return s
}

// Connections returns how many connections were accepted so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Log returns what the server processes have logged so far.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log.Name())
	return string(b)
}

func (s *Server) generate(keygen, typ, file string) ssh.PublicKey {
	args := []string{"-q", "-N", "", "-C", "test", "-t", typ, "-f", file}
	if typ == "rsa" {
		args = append(args, "-b", "2048")
	}
	if out, err := exec.Command(keygen, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	pub, err := os.ReadFile(file + ".pub")
	s.check(err)
	key, _, _, _, err := ssh.ParseAuthorizedKey(pub)
	s.check(err)
	return key
}

func (s *Server) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) serve() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		f, err := c.(*net.TCPConn).File()
		_ = c.Close() // f is a copy
		if err != nil {
			continue
		}
		cmd := exec.Command(s.sshd, "-i", "-e", "-f", s.config)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, s.log
		s.mu.Lock()
		s.count++
		if s.closed || cmd.Start() != nil {
			s.mu.Unlock()
			_ = f.Close()
			continue
		}
		s.running[cmd] = true
		s.wg.Go(func() {
			_ = cmd.Wait()
			s.mu.Lock()
			delete(s.running, cmd)
			s.mu.Unlock()
		})
		s.mu.Unlock()
		_ = f.Close()
	}
}

func (s *Server) stop() {
	_ = s.ln.Close()
	s.mu.Lock()
	s.closed = true
	for cmd := range s.running {
		_ = cmd.Process.Kill()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if s.t.Failed() {
		s.t.Logf("log of sshd:\n%s", s.Log())
	}
	_ = s.log.Close()
}

func find(names ...string) string {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			if abs, err := filepath.Abs(p); err == nil {
				return abs // sshd insists on an absolute path
			}
		}
	}
	return ""
}
