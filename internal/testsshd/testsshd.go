// Package testsshd runs the OpenSSH server of the machine for tests: a loopback
// port, keys made for the occasion, a temporary directory.
//
// Connections are accepted here and handed to "sshd -i", one process each. So
// there is no race for a port, and nothing needs to wait until a daemon is up.
package testsshd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// ErrMissing says that this machine has no usable OpenSSH server.
var ErrMissing = errors.New("OpenSSH cannot be used here")

// Options configure a server. The zero value is a server with ed25519, ECDSA
// and RSA host keys, internal-sftp, and an RSA-2048 user key.
type Options struct {
	// HostKeys are the key types of the server, of "ed25519", "ecdsa", "rsa".
	HostKeys []string
	// UserKeys are the public keys that may log in, besides the generated one.
	UserKeys []ssh.PublicKey
	// NoUserKey generates none.
	NoUserKey bool
	// External uses the sftp-server program in place of internal-sftp.
	External bool
	// Deny are the requests that the sftp-server program refuses, such as "fstat".
	Deny []string
	// Config holds further lines of sshd_config. They come first, and the first
	// value of a keyword counts.
	Config []string
	// Port is where it listens; 0: any.
	Port int
}

// Server is a running server.
type Server struct {
	Host     string
	Port     int
	User     string // the user who runs the test
	Dir      string // where a session starts
	HostKeys map[string]ssh.PublicKey
	// UserKey is the private key file (OpenSSH, RSA, no passphrase) that may log in.
	UserKey    string
	UserSigner ssh.Signer
	// KnownHosts is a known_hosts file with all keys of the server.
	KnownHosts string

	sshd   string
	config string
	log    *os.File
	alive  *os.File // see processes.go; nil without Options.External

	mu      sync.Mutex
	ln      net.Listener // nil: it is down
	running map[*exec.Cmd]bool
	ended   chan struct{} // closed when one of them ends
	wg      sync.WaitGroup
	count   int
}

// Start runs a server until the end of the test, which it skips if there is no
// usable sshd.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(t.TempDir(), t.TempDir(), o)
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("log of sshd:\n%s", s.Log())
		}
	})
	return s
}

// New runs a server that keeps its files in conf and whose sessions start in
// dir. Errors wrap ErrMissing where the machine has no usable sshd.
func New(conf, dir string, o Options) (*Server, error) {
	s := &Server{
		Host: "127.0.0.1", Port: o.Port, Dir: dir, config: filepath.Join(conf, "sshd_config"),
		KnownHosts: filepath.Join(conf, "known_hosts"), HostKeys: map[string]ssh.PublicKey{}, running: map[*exec.Cmd]bool{},
		ended: make(chan struct{}),
	}
	keygen, err := s.findPrograms()
	if err != nil {
		return nil, err
	}
	if len(o.HostKeys) == 0 {
		o.HostKeys = []string{"ed25519", "ecdsa", "rsa"}
	}
	lines := append([]string{}, o.Config...)
	for _, typ := range o.HostKeys {
		file := filepath.Join(conf, "host_"+typ)
		if s.HostKeys[typ], err = generate(keygen, typ, file); err != nil {
			return nil, err
		}
		lines = append(lines, "HostKey "+file)
	}
	authorized, err := s.authorize(conf, keygen, o)
	if err != nil {
		return nil, err
	}
	subsystem, err := s.subsystem(conf, o)
	if err != nil {
		return nil, err
	}
	lines = append(lines,
		"AuthorizedKeysFile "+authorized,
		"Subsystem sftp "+subsystem,
		"UsePAM no", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "PidFile none", "PrintMotd no", "LogLevel VERBOSE", "UseDNS no")
	if err := os.WriteFile(s.config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command(s.sshd, "-t", "-f", s.config).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: sshd does not accept the configuration: %w: %s", ErrMissing, err, out)
	}
	if s.log, err = os.Create(filepath.Join(conf, "log")); err != nil {
		return nil, err
	}
	if err := s.Up(); err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	var known bytes.Buffer
	for _, k := range s.HostKeys {
		fmt.Fprintf(&known, "[%s]:%d %s", s.Host, s.Port, ssh.MarshalAuthorizedKey(k))
	}
	if err := os.WriteFile(s.KnownHosts, known.Bytes(), 0o600); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// findPrograms finds sshd, and gives ssh-keygen.
func (s *Server) findPrograms() (keygen string, err error) {
	if s.sshd = find("sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd"); s.sshd == "" {
		return "", fmt.Errorf("%w: no sshd on this machine", ErrMissing)
	}
	if keygen = find("ssh-keygen"); keygen == "" {
		return "", fmt.Errorf("%w: no ssh-keygen on this machine", ErrMissing)
	}
	if os.Getuid() == 0 { // where Debian's sshd drops its privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return "", fmt.Errorf("%w: sshd needs /run/sshd: %w", ErrMissing, err)
		}
	}
	me, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("%w: no current user: %w", ErrMissing, err)
	}
	s.User = me.Username
	return keygen, nil
}

const authorizedKeys = "authorized_keys"

// authorize writes the keys that may log in, and gives the file.
func (s *Server) authorize(conf, keygen string, o Options) (string, error) {
	keys := o.UserKeys
	if !o.NoUserKey {
		s.UserKey = filepath.Join(conf, "user_rsa")
		key, err := generate(keygen, "rsa", s.UserKey)
		if err != nil {
			return "", err
		}
		keys = append([]ssh.PublicKey{key}, keys...)
		raw, err := os.ReadFile(s.UserKey)
		if err != nil {
			return "", err
		}
		if s.UserSigner, err = ssh.ParsePrivateKey(raw); err != nil {
			return "", err
		}
	}
	return filepath.Join(conf, authorizedKeys), s.Authorize(keys...)
}

// Authorize lets these keys log in from now on, and no others.
func (s *Server) Authorize(keys ...ssh.PublicKey) error {
	var text []byte
	for _, k := range keys {
		text = append(text, ssh.MarshalAuthorizedKey(k)...)
	}
	return os.WriteFile(filepath.Join(filepath.Dir(s.config), authorizedKeys), text, 0o600)
}

func (s *Server) subsystem(conf string, o Options) (string, error) {
	if !o.External {
		return "internal-sftp -d " + s.Dir, nil
	}
	prog := find("sftp-server", "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")
	if prog == "" {
		return "", fmt.Errorf("%w: no sftp-server program on this machine", ErrMissing)
	}
	if len(o.Deny) > 0 {
		prog += " -P " + strings.Join(o.Deny, ",")
	}
	pipe, err := s.openAlive(conf)
	return "exec " + prog + " -d " + s.Dir + " 9>" + pipe, err
}

// Addr is where clients connect to.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Fingerprint is that of the ed25519 host key, as ssh prints it.
func (s *Server) Fingerprint() string { return ssh.FingerprintSHA256(s.HostKeys["ed25519"]) }

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

func generate(keygen, typ, file string) (ssh.PublicKey, error) {
	args := []string{"-q", "-N", "", "-C", "test", "-t", typ, "-f", file}
	if typ == "rsa" {
		args = append(args, "-b", "2048")
	}
	if out, err := exec.Command(keygen, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	pub, err := os.ReadFile(file + ".pub")
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(pub)
	return key, err
}

// Up lets the server listen, as after New, where Down ended it.
func (s *Server) Up() error {
	ln, err := net.Listen("tcp", s.Addr())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.Port = ln.Addr().(*net.TCPAddr).Port
	s.ln = ln
	s.mu.Unlock()
	s.wg.Go(func() { s.serve(ln) })
	return nil
}

// Down stops listening and kills every session. What an sftp-server was asked
// before, it may still do.
func (s *Server) Down() {
	s.mu.Lock()
	ln := s.ln
	s.ln = nil
	s.mu.Unlock()
	if ln != nil {
		_ = ln.Close()
	}
	s.KillSessions()
	s.wg.Wait()
}

// KillSessions kills the sshd of every connection.
func (s *Server) KillSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cmd := range s.running {
		_ = cmd.Process.Kill()
	}
}

// Close ends the server for good.
func (s *Server) Close() {
	s.Down()
	_ = s.log.Close()
	if s.alive != nil {
		_ = s.alive.Close()
	}
}

func (s *Server) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
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
		if s.ln != ln || cmd.Start() != nil {
			s.mu.Unlock()
			_ = f.Close()
			continue
		}
		s.running[cmd] = true
		s.wg.Go(func() {
			_ = cmd.Wait()
			s.mu.Lock()
			delete(s.running, cmd)
			close(s.ended)
			s.ended = make(chan struct{})
			s.mu.Unlock()
		})
		s.mu.Unlock()
		_ = f.Close()
	}
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
