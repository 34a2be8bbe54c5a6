package cli

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// besideConfig is where init --sandbox puts everything, beside the configuration.
func besideConfig(config string) string { return filepath.Join(filepath.Dir(config), "sandbox") }

// portFile holds the port that a configuration was made for.
const portFile = "port"

// forSandbox answers everything for the stand-in server, and makes its side:
// its certificate and the port that it will listen on.
func (s *setUp) forSandbox(ctx context.Context) (err error) {
	a := s.app
	s.dir = besideConfig(s.path)
	if s.sender == "" {
		s.sender = sandboxSender
	}
	if err := naming.CheckSender(s.sender); err != nil {
		return &failure.UsageError{Err: err}
	}
	if err := s.askEnvironment(ctx); err != nil {
		return err
	}
	if err := s.askOutgoing(ctx); err != nil {
		return err
	}
	if s.stateDir == "" {
		s.stateDir = filepath.Join(s.dir, "state")
	}
	if s.settle = "0s"; s.options.keep == "" {
		s.options.keep = keepFile
	}
	kit, err := sandbox.OpenKit(filepath.Join(s.dir, "client"), s.sender)
	if err != nil {
		return err
	}
	s.user, s.host = kit.User, "127.0.0.1"
	s.p12, s.p12PasswordFile = kit.SignerFiles()
	s.certificate = kit.Certificate
	s.issuers = []string{sign.Describe(kit.Certificate).Issuer}
	server, err := sandbox.New(sandbox.Config{Dir: filepath.Join(s.dir, "server"), Sender: s.sender, User: s.user, AuthorizedKeys: []ssh.PublicKey{kit.Key}, Clock: a.now})
	if err != nil {
		return err
	}
	s.hostKeys = []string{server.HostKeyFingerprint()}
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.ReplyCA().Raw})
	if err := server.Close(); err != nil {
		return err
	}
	if s.port == 0 {
		if s.port, err = freePort(); err != nil {
			return err
		}
	}
	if s.options.examples != "" {
		if err := s.writeExamples(); err != nil {
			return err
		}
	}
	s.trustedRoots = filepath.Join(s.dir, "reply-roots.pem")
	for path, content := range map[string][]byte{s.trustedRoots: roots, filepath.Join(s.dir, portFile): []byte(strconv.Itoa(s.port) + "\n")} {
		if err := a.disk.WriteFile(path, func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
			return err
		}
	}
	return nil
}

// register does for the stand-in what a person does on the portal.
func (s *setUp) register() error {
	dir := filepath.Join(s.dir, sandbox.RegisteredDir)
	if err := s.app.disk.MkdirAll(dir); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(s.dir, initUpload, "ssh-key.pub"))
	if err != nil {
		return err
	}
	return s.app.disk.WriteFile(filepath.Join(dir, "ssh-key.pub"), func(w io.Writer) error { _, err := w.Write(key); return err })
}

// freePort is a port that nobody listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// sandboxPort is the port that a configuration was made for; 0: none was.
func sandboxPort(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, portFile))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return port
}

// writeExamples writes the example declarations, and the folder to send from.
// Files that are there already stay as they are.
func (s *setUp) writeExamples() error {
	dir, err := filepath.Abs(s.options.examples)
	if err != nil {
		return err
	}
	if s.outgoing == "" {
		s.outgoing = filepath.Join(dir, "outgoing")
	}
	s.options.examples = dir
	_, err = examplesInto(dir)
	return err
}
