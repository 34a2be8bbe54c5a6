// Package testpeers runs SFTP servers of other makers for tests, as Debian ships
// them: a loopback port, keys made for the occasion, a temporary directory.
package testpeers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Server is a running server.
type Server struct {
	Host       string
	Port       int
	User       string
	Dir        string // what clients see as their root
	UserKey    string // file of the private key that may log in
	UserSigner ssh.Signer
	HostKey    ssh.PublicKey
	KnownHosts string // file in OpenSSH's form
}

// Maker is the product that a server is.
type Maker struct {
	Name    string // as Debian's package is called
	program string
	start   func(s *Server, keys keyFiles) []string // the arguments
}

// Makers are the products that can be run here, each if it is installed.
var Makers = []Maker{
	{Name: "erlang-ssh", program: "erl", start: erlang},
	{Name: "rclone", program: "rclone", start: rclone},
}

// keyFiles are made for one server.
type keyFiles struct {
	hostDir    string // holds host, under the name that Erlang looks for
	host       string
	userDir    string // holds authorized
	authorized string
}

// Start runs a server until the end of the test, which it skips where the product
// is not installed.
func (m Maker) Start(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath(m.program)
	if err != nil {
		t.Skipf("%s is not installed", m.Name)
	}
	conf := t.TempDir()
	s := &Server{Host: "127.0.0.1", User: "office", Dir: t.TempDir(), UserKey: filepath.Join(conf, "user"), KnownHosts: filepath.Join(conf, "known_hosts")}
	keys := keyFiles{hostDir: conf, host: filepath.Join(conf, "ssh_host_ecdsa_key"), userDir: conf, authorized: filepath.Join(conf, "authorized_keys")}
	s.HostKey = writeKey(t, keys.host).PublicKey()
	s.UserSigner = writeKey(t, s.UserKey)
	writeFile(t, keys.authorized, ssh.MarshalAuthorizedKey(s.UserSigner.PublicKey()))
	s.run(t, program, m.start(s, keys), conf)
	writeFile(t, s.KnownHosts, fmt.Appendf(nil, "[%s]:%d %s", s.Host, s.Port, ssh.MarshalAuthorizedKey(s.HostKey)))
	return s
}

// run starts the program and waits until it says on which port it listens.
func (s *Server) run(t testing.TB, program string, args []string, home string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "RCLONE_CONFIG="+filepath.Join(home, "rclone.conf"))
	in, err := cmd.StdinPipe() // Erlang ends when it is closed
	if err != nil {
		t.Fatal(err)
	}
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said log
	ports := make(chan int, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(ports)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			said.add(lines.Text())
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				port, _ := strconv.Atoi(m[1])
				select {
				case ports <- port:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		_ = w.Close() // a program that ends by itself says no port
	}()
	t.Cleanup(func() {
		_ = in.Close()
		stop()
		<-ended
		reading.Wait()
		if t.Failed() {
			t.Logf("what the server said:\n%s", said.text())
		}
	})
	port, ok := <-ports
	if !ok {
		t.Fatalf("%s does not start:\n%s", program, said.text())
	}
	s.Port = port
}

// listens finds the port in what a server says.
var listens = regexp.MustCompile(`listening on (?:127\.0\.0\.1:)?(\d+)`)

// log keeps the first lines of a server.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() < 64<<10 {
		l.b.WriteString(line + "\n")
	}
}

func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// erlang is ssh_sftpd of Erlang/OTP, which gives one handle to several open files.
func erlang(s *Server, k keyFiles) []string {
	quote := func(p string) string { return strconv.Quote(filepath.ToSlash(p)) }
	program := strings.NewReplacer("HOSTDIR", quote(k.hostDir), "USERDIR", quote(k.userDir), "ROOT", quote(s.Dir)).Replace(`
		{ok, _} = application:ensure_all_started(ssh),
		{ok, D} = ssh:daemon({127,0,0,1}, 0, [{system_dir, HOSTDIR}, {user_dir, USERDIR}, {auth_methods, "publickey"},
			{subsystems, [ssh_sftpd:subsystem_spec([{root, ROOT}, {cwd, "/"}])]}]),
		{ok, I} = ssh:daemon_info(D),
		io:format("listening on ~p~n", [proplists:get_value(port, I)]),
		io:get_line(""),
		halt().`)
	return []string{"-noshell", "-eval", program}
}

// rclone serves a directory without a write cache, as it does by default: it takes
// only the next byte of a file.
func rclone(s *Server, k keyFiles) []string {
	return []string{"serve", "sftp", s.Dir, "--addr", s.Host + ":0", "--key", k.host, "--authorized-keys", k.authorized}
}

// writeKey writes a new private key in PEM form.
func writeKey(t testing.TB, file string) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func writeFile(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
