package testsshd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/testsshd"
)

func connect(s *testsshd.Server) (*ssh.Client, *sftp.Client, error) {
	c, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(s.UserSigner)},
		HostKeyCallback: ssh.FixedHostKey(s.HostKeys["ed25519"]), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		return nil, nil, err
	}
	f, err := sftp.NewClient(c)
	return c, f, err
}

// What may befall a server does befall it, and leaves nothing behind.
func TestProcessesAreKilledAndWaitedFor(t *testing.T) {
	s := testsshd.Start(t, testsshd.Options{HostKeys: []string{"ed25519"}, External: true})
	for _, tt := range []struct {
		name string
		kill func()
		down bool
	}{
		{name: "sftp-server", kill: func() {
			if n := s.KillSFTPServers(); n != 1 && runtime.GOOS == "linux" {
				t.Errorf("%d sftp-servers were killed", n)
			}
		}},
		{name: "sessions", kill: s.KillSessions},
		{name: "down", kill: s.Down, down: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, f, err := connect(s)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := os.WriteFile(filepath.Join(s.Dir, "x"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tt.kill()
			if err := f.Remove("x"); err == nil {
				t.Error("a request is carried out")
			}
			if tt.down {
				if _, _, err := connect(s); err == nil {
					t.Error("a server that is down lets someone in")
				}
				if err := s.Up(); err != nil {
					t.Fatal(err)
				}
				again, f, err := connect(s)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Remove("x"); err != nil {
					t.Errorf("after it came back: %v", err)
				}
				again.Close()
			}
			c.Close()
			if err := s.Idle(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Idle waits as long as a client is there.
func TestIdleWaits(t *testing.T) {
	s := testsshd.Start(t, testsshd.Options{HostKeys: []string{"ed25519"}, External: true})
	c, _, err := connect(s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Idle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a client: %v", err)
	}
}
