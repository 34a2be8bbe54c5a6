package doctor_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"github.com/youmark/pkcs8"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/doctor"
	"github.com/socbatch/socbatch/internal/hostile"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// now is the clock of the tests; the certificates are made for it.
func now() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

const passphrase, password = "a passphrase", "a password"

// files are keys and certificates, made once.
type files struct{ key, p12, cer []byte }

var keyFiles = sync.OnceValue(func() files {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	text, err := encrypted(key)
	must(err)
	p12, cer := identity(now().AddDate(-1, 0, 0), now().AddDate(2, 0, 0))
	return files{text, p12, cer}
})

// encrypted is a key with a passphrase that is tried in no time.
func encrypted(key any) ([]byte, error) {
	der, err := pkcs8.MarshalPrivateKey(key, []byte(passphrase), &pkcs8.Opts{
		Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1, HMACHash: crypto.SHA256},
	})
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), err
}

func identity(from, to time.Time) (p12, cer []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	id, err := sandbox.NewTestIdentity("Jan Janssens", sandbox.WithKey(key), sandbox.WithValidity(from, to))
	if err != nil {
		panic(err)
	}
	if p12, err = id.P12(password); err != nil {
		panic(err)
	}
	return p12, id.Certificate.Raw
}

// testbed is an installation in good health, until a case changes something.
type testbed struct {
	t       *testing.T
	dir     string
	d       *doctor.Doctor
	config  config.Config
	file    string
	err     error // of the configuration
	session *session
	ledger  *records
	host    *hostile.Server // see real
}

func newTestbed(t *testing.T) *testbed {
	b := &testbed{t: t, dir: t.TempDir(), session: newSession(), ledger: &records{}}
	b.file = b.write("socbatch.toml", nil)
	c := config.Defaults(func(string) string { return "" })
	c.Sender, c.StateDir, c.Replies.Archive = "101380", filepath.Join(b.dir, "state"), filepath.Join(b.dir, "archive")
	c.Endpoint.Host, c.Endpoint.User, c.Endpoint.Timeout = "sftp.example", "EXP101380", config.Duration(time.Minute)
	c.Endpoint.Key = b.write("id_rsa", keyFiles().key)
	c.Identity.P12, c.Identity.Issuers = b.write("signer.p12", keyFiles().p12), []string{"Test CA of *"}
	c.Identity.Registered = b.write("signer.cer", keyFiles().cer)
	b.config = c
	disk := doctor.RealDisk()
	disk.Free = func(string) (uint64, error) { return 5 << 30, nil }
	disk.Remote = func(string) (bool, error) { return false, nil }
	b.d = &doctor.Doctor{
		Now: now, Disk: disk,
		Scope: doctor.Scope{Environments: naming.Environments()},
		Setup: doctor.Setup{
			DefaultPath:   "/home/me/socbatch.toml",
			Configuration: func() (config.Config, string, error) { return b.config, b.file, b.err },
			OpenLedger:    func(context.Context, config.Config) (doctor.Ledger, error) { return b.ledger, nil },
		},
		Secrets: doctor.Secrets{
			P12Password: func(context.Context, config.Config) (string, error) { return password, nil },
			Passphrase:  func(context.Context, config.Config) (string, error) { return passphrase, nil },
			Agent:       func(context.Context) ([]ssh.Signer, error) { return nil, nil },
		},
		Network: doctor.Network{
			Lookup: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
			Dial:   b.says("SSH-2.0-test\r\n"),
			Connect: func(context.Context, config.Config, []ssh.Signer) (doctor.Session, error) {
				return b.session, nil
			},
			WriteTest: func(context.Context, config.Config, doctor.Session) (doctor.Written, error) {
				set := naming.Set{Application: "DIMN", Sender: "101380", Date: "20261125", Sequence: "00001", Environment: naming.Test, Parts: 1}
				return doctor.Written{Set: set, At: now(), Modified: now()}, nil
			},
		},
	}
	return b
}

func (b *testbed) write(name string, content []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *testbed) chmod(path string, mode os.FileMode) {
	b.t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		b.t.Fatal(err)
	}
}

// certificate uses another one. Its .cer is that which is registered.
func (b *testbed) certificate(p12, cer []byte) {
	b.write("signer.p12", p12)
	b.write("signer.cer", cer)
}

// says lets a server take a connection, hear a line and say this.
func (b *testbed) says(answer string) func(context.Context, config.Config, string) (net.Conn, error) {
	return b.serves(func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, len("SSH-2.0-socbatch\r\n")))
		_, _ = io.WriteString(c, answer)
	})
}

// serves lets a server of the loopback address take one connection, which ends
// with the test at the latest.
func (b *testbed) serves(serve func(net.Conn)) func(context.Context, config.Config, string) (net.Conn, error) {
	return func(ctx context.Context, _ config.Config, _ string) (net.Conn, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		})
		b.t.Cleanup(wg.Wait)
		b.t.Cleanup(func() { _ = l.Close() })
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
}

// real lets the check-up log in at an SSH server in this process, whose key is
// known. change comes before the first connection.
func (b *testbed) real(change func(*hostile.Server)) {
	b.t.Helper()
	key := hostile.NewSigner()
	b.host = &hostile.Server{Key: key, SFTP: func(_ int, c ssh.Channel) {
		s := pkgsftp.NewRequestServer(c, pkgsftp.InMemHandler())
		_ = s.Serve()
		_ = s.Close()
	}}
	port, err := b.host.Listen()
	if err != nil {
		b.t.Fatal(err)
	}
	if change != nil {
		change(b.host)
	}
	b.host.Start()
	b.t.Cleanup(b.host.Close)
	b.config.Endpoint.Host, b.config.Endpoint.Port = "127.0.0.1", port
	b.config.Endpoint.HostKeys = []string{hostkey.Fingerprint(key.PublicKey())}
	b.d.Dial = func(ctx context.Context, _ config.Config, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	b.d.Connect = connect
}

// connect is how the command does it.
func connect(ctx context.Context, c config.Config, keys []ssh.Signer) (doctor.Session, error) {
	v, err := hostkey.New(c.Endpoint.HostKeys, c.Endpoint.KnownHosts...)
	if err != nil {
		return nil, err
	}
	e := sftp.Endpoint{Host: c.Endpoint.Host, Port: c.Endpoint.Port, User: c.Endpoint.User, Keys: keys, HostKeys: v, AllowSSHRSA: c.Endpoint.AllowSSHRSA}
	if len(keys) == 0 {
		e.Password = func(context.Context) (string, error) { return "", errors.New("none") }
	}
	s, err := sftp.Dial(ctx, e, sftp.Options{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// session is a server in memory.
type session struct {
	info    sftp.Info
	folders map[string][]transport.Entry
	stat    func(path string) error
	list    func(dir string) error
}

func newSession() *session {
	s := &session{info: sftp.Info{LoginAlgorithm: "rsa-sha2-512", HostKeyType: "ssh-ed25519", HostKey: "SHA256:x"}, folders: map[string][]transport.Entry{}}
	for _, env := range naming.Environments() {
		s.folders[env.Inbox()], s.folders[env.Outbox()] = nil, nil
	}
	return s
}

func (s *session) Info() sftp.Info { return s.info }
func (s *session) Close() error    { return nil }

func (s *session) Stat(_ context.Context, path string) (transport.Entry, error) {
	if s.stat != nil {
		if err := s.stat(path); err != nil {
			return transport.Entry{}, err
		}
	}
	if _, ok := s.folders[path]; !ok {
		return transport.Entry{}, &transport.Error{Op: "stat", Path: path, Kind: transport.ErrNotFound}
	}
	return transport.Entry{Name: path, Type: transport.TypeDir}, nil
}

func (s *session) List(_ context.Context, dir string, yield func(transport.Entry) error) error {
	if s.list != nil {
		if err := s.list(dir); err != nil {
			return err
		}
	}
	for _, e := range s.folders[dir] {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Put(context.Context, string, io.Reader, int64) error {
	panic("nothing is written but by the write test")
}
func (s *session) Get(context.Context, string, io.Writer, int64) (int64, error) {
	panic("nothing is fetched")
}
func (s *session) Remove(context.Context, string) error { panic("nothing is deleted") }

// records is a ledger.
type records struct {
	last time.Time
	err  error
	sets []inbox.Submission
}

func (r *records) LastChange(context.Context) (time.Time, error) { return r.last, r.err }
func (r *records) Clock(context.Context) (ledger.ClockReading, error) {
	return ledger.ClockReading{Latest: r.last}, r.err
}
func (r *records) Close() error { return nil }

func (r *records) Submissions(_ context.Context, f ledger.Filter) ([]inbox.Submission, error) {
	var out []inbox.Submission
	for _, s := range r.sets {
		if s.Set.Environment == f.Environment {
			out = append(out, s)
		}
	}
	return out, r.err
}

func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	if k, ok := key.(*rsa.PrivateKey); ok {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	}
	text, err := encrypted(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
