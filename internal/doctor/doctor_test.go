package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/doctor"
	"github.com/socbatch/socbatch/internal/hostile"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sshkey"
)

var (
	broke  = &transport.Error{Op: "stat", Path: "IN", Class: transport.Temporary, Kind: transport.ErrConnection}
	denied = &transport.Error{Op: "put", Path: "INTEST", Kind: transport.ErrPermission}
	set    = naming.Set{Application: "DIMN", Sender: "101380", Date: "20261125", Sequence: "00001", Environment: naming.Test, Parts: 1}
)

// provoked makes each thing that can be wrong go wrong. also are the findings
// that come with it.
var provoked = map[doctor.Finding]struct {
	make func(*testbed)
	also []doctor.Finding
}{
	doctor.ConfigurationMissing: {make: func(b *testbed) {
		b.config.Sender, b.config.Endpoint.User, b.file = "", "", ""
	}},
	doctor.ConfigurationBroken: {make: func(b *testbed) {
		b.err = &config.Error{Path: "socbatch.toml", Line: 3, Key: "endpont", Problem: errors.New("there is no such setting")}
	}},
	doctor.SenderMissing: {make: func(b *testbed) { b.config.Sender = "" }},
	doctor.UserMissing:   {make: func(b *testbed) { b.config.Endpoint.User = "" }},

	doctor.ConfigurationWritable: {make: func(b *testbed) { b.chmod(b.file, 0o620) }},
	doctor.SecretReadable:        {make: func(b *testbed) { b.chmod(b.config.Identity.P12, 0o640) }},
	doctor.StateReadable: {make: func(b *testbed) {
		if err := os.Mkdir(b.config.StateDir, 0o700); err != nil {
			b.t.Fatal(err)
		}
		b.chmod(b.config.StateDir, 0o750)
	}},
	doctor.StateUnwritable:   {make: func(b *testbed) { b.write("state", nil) }},
	doctor.StateRemote:       {make: func(b *testbed) { b.d.Disk.Remote = func(string) (bool, error) { return true, nil } }},
	doctor.ArchiveUnwritable: {make: func(b *testbed) { b.config.Replies.Archive = filepath.Join(b.write("file", nil), "archive") }},

	doctor.ClockBehind: {make: func(b *testbed) { b.ledger.last = now().Add(11 * time.Minute) }},

	doctor.SpaceNone:    {make: func(b *testbed) { b.d.Disk.Free = func(string) (uint64, error) { return 1 << 20, nil } }},
	doctor.SpaceLow:     {make: func(b *testbed) { b.d.Disk.Free = func(string) (uint64, error) { return 1<<30 - 1, nil } }},
	doctor.SpaceUnknown: {make: func(b *testbed) { b.d.Disk.Free = func(string) (uint64, error) { return 0, fs.ErrPermission } }},

	doctor.LedgerBusy: {make: func(b *testbed) { b.ledger.err = errBusy }},
	doctor.LedgerDamaged: {make: func(b *testbed) {
		path := b.write("ledger.db", []byte(strings.Repeat("this is not a ledger ", 100)))
		b.d.OpenLedger = openLedger(path)
	}},
	doctor.LedgerUnusable: {make: func(b *testbed) { b.d.OpenLedger = openLedger(b.dir) }},

	doctor.P12None:    {make: func(b *testbed) { b.config.Identity.P12 = "" }},
	doctor.P12Missing: {make: func(b *testbed) { b.config.Identity.P12 = filepath.Join(b.dir, "elsewhere.p12") }},
	doctor.P12PasswordMissing: {make: func(b *testbed) {
		b.d.P12Password = func(context.Context, config.Config) (string, error) { return "", secret.ErrNoTerminal }
	}},
	doctor.P12PasswordWrong: {make: func(b *testbed) {
		b.d.P12Password = func(context.Context, config.Config) (string, error) { return "another", nil }
	}},
	doctor.P12Unreadable: {make: func(b *testbed) { b.write("signer.p12", []byte("-----BEGIN CERTIFICATE-----\n")) }},
	doctor.P12Unusable: {make: func(b *testbed) {
		other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		cert, _ := x509.ParseCertificate(keyFiles().cer)
		p12, err := pkcs12.Modern.Encode(other, cert, nil, password)
		if err != nil {
			b.t.Fatal(err)
		}
		b.write("signer.p12", p12)
	}},

	doctor.CertificateExpired: {make: func(b *testbed) { b.certificate(identity(now().AddDate(-2, 0, 0), now().AddDate(0, 0, -1))) }},
	doctor.CertificateNotYet: {
		make: func(b *testbed) { b.certificate(identity(now().AddDate(0, 0, 1), now().AddDate(2, 0, 0))) },
		also: []doctor.Finding{doctor.ClockBehind}, // one of them is wrong
	},
	doctor.CertificateSoon: {make: func(b *testbed) { b.certificate(identity(now().AddDate(-2, 0, 0), now().AddDate(0, 0, 59))) }},
	doctor.CertificateUsage: {make: func(b *testbed) {
		b.certificate(special(b.t, 2048, x509.KeyUsageKeyEncipherment, "Citizen CA"))
	}},
	doctor.CertificateWeak: {make: func(b *testbed) {
		b.certificate(special(b.t, 1024, x509.KeyUsageContentCommitment, "Citizen CA"))
	}},
	doctor.CertificateSelfSigned: {make: func(b *testbed) { b.certificate(special(b.t, 2048, x509.KeyUsageContentCommitment, "")) }},
	doctor.CertificateIssuer:     {make: func(b *testbed) { b.config.Identity.Issuers = []string{"Another CA"} }},
	doctor.RegisteredMissing:     {make: func(b *testbed) { b.write("signer.cer", []byte("no certificate")) }},
	doctor.RegisteredDiffers: {make: func(b *testbed) {
		_, cer := identity(now().AddDate(-1, 0, 0), now().AddDate(2, 0, 0))
		b.write("signer.cer", cer)
	}},

	doctor.KeyNone:    {make: func(b *testbed) { b.config.Endpoint.Key = "" }},
	doctor.KeyMissing: {make: func(b *testbed) { b.config.Endpoint.Key = filepath.Join(b.dir, "id_ecdsa") }},
	doctor.KeyFormat:  {make: func(b *testbed) { b.write("id_rsa", []byte("ssh-rsa AAAA me\n")) }},
	doctor.KeyPassphraseMissing: {make: func(b *testbed) {
		b.d.Passphrase = func(context.Context, config.Config) (string, error) { return "", secret.ErrNoTerminal }
	}},
	doctor.KeyPassphraseWrong: {make: func(b *testbed) {
		b.d.Passphrase = func(context.Context, config.Config) (string, error) { return "another", nil }
	}},
	doctor.KeyWeak: {make: func(b *testbed) { b.write("id_rsa", pemOf(b.t, rsaKey(b.t, 1024))) }},
	doctor.KeyType: {make: func(b *testbed) { b.write("id_rsa", pemOf(b.t, newEd25519(b.t))) }},
	doctor.KeyLong: {
		make: func(b *testbed) {
			// Many short primes are found faster than two long ones.
			key, err := rsa.GenerateMultiPrimeKey(rand.Reader, 5, 4104) //nolint:staticcheck // only for its length
			if err != nil {
				b.t.Fatal(err)
			}
			b.write("id_rsa", pemOf(b.t, key))
		},
		also: []doctor.Finding{doctor.KeyPlain},
	},
	doctor.KeyPlain: {make: func(b *testbed) { b.write("id_rsa", pemOf(b.t, rsaKey(b.t, 2048))) }},
	doctor.AgentMissing: {make: func(b *testbed) {
		b.config.Endpoint.Key, b.config.Endpoint.Agent = "", true
		b.d.Agent = func(context.Context) ([]ssh.Signer, error) {
			return nil, fmt.Errorf("%w: %w", sshkey.ErrNoAgent, fs.ErrNotExist)
		}
	}},
	doctor.AgentEmpty: {make: func(b *testbed) { b.config.Endpoint.Key, b.config.Endpoint.Agent = "", true }},

	doctor.DNSUnknown: {make: func(b *testbed) {
		b.d.Lookup = func(context.Context, string) ([]string, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "sftp.example", IsNotFound: true}
		}
	}},
	doctor.DNSFailed: {make: func(b *testbed) {
		b.d.Lookup = func(ctx context.Context, _ string) ([]string, error) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: "sftp.example", IsTemporary: true}
		}
	}},

	doctor.TCPRefused: {make: func(b *testbed) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		b.d.Dial = func(ctx context.Context, _ config.Config, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}},
	doctor.TCPTimeout: {make: func(b *testbed) {
		b.config.Endpoint.Timeout = config.Duration(time.Millisecond)
		b.d.Dial = func(ctx context.Context, _ config.Config, _ string) (net.Conn, error) {
			<-ctx.Done() // as where every packet is lost
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
	}},
	doctor.TCPUnreachable: {make: func(b *testbed) { b.d.Dial = fails(noNetwork()) }},
	doctor.TCPFailed:      {make: func(b *testbed) { b.d.Dial = fails(syscall.EACCES) }},
	doctor.ProxyFailed: {make: func(b *testbed) {
		b.throughProxy()
		b.d.Dial = fails(syscall.ECONNREFUSED)
	}},

	doctor.SSHOther: {make: func(b *testbed) { b.d.Dial = b.says("HTTP/1.1 400 Bad Request\r\n\r\n") }},
	doctor.SSHSilent: {make: func(b *testbed) {
		b.config.Endpoint.Timeout = config.Duration(50 * time.Millisecond)
		b.d.Dial = b.serves(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	}},
	doctor.SSHClosed: {make: func(b *testbed) { b.d.Dial = b.serves(func(net.Conn) {}) }},

	doctor.HostKeyUnknown: {make: func(b *testbed) {
		b.real(nil)
		b.config.Endpoint.HostKeys = nil
	}},
	doctor.HostKeyChanged: {make: func(b *testbed) {
		b.real(nil)
		b.config.Endpoint.HostKeys = []string{"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	}},
	doctor.HostKeyRevoked: {make: func(b *testbed) {
		b.real(nil)
		line := fmt.Sprintf("@revoked * %s", ssh.MarshalAuthorizedKey(b.host.Key.PublicKey()))
		b.config.Endpoint.KnownHosts = []string{b.write("known_hosts", []byte(line))}
	}},
	doctor.HostKeysDamaged: {make: func(b *testbed) {
		b.real(nil)
		b.config.Endpoint.KnownHosts = []string{b.write("known_hosts", []byte("sftp.example ssh-rsa AAA\n"))}
	}},
	doctor.NoAlgorithm: {make: func(b *testbed) {
		b.real(func(s *hostile.Server) {
			s.Login = func(_ int, c *ssh.ServerConfig) { c.Ciphers = []string{ssh.InsecureAlgorithms().Ciphers[0]} }
		})
	}},
	doctor.HandshakeBroken: {make: func(b *testbed) {
		b.real(func(s *hostile.Server) {
			s.TCP = func(n int, c net.Conn) bool {
				if n == 1 { // the look who answers
					return false
				}
				_, _ = io.WriteString(c, "SSH-2.0-test\r\n")
				return true
			}
		})
	}},

	doctor.LoginRefused: {make: func(b *testbed) {
		b.real(func(s *hostile.Server) {
			s.Login = func(_ int, c *ssh.ServerConfig) {
				c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, errors.New("no") }
			}
		})
	}},
	doctor.LoginBroken: {make: func(b *testbed) {
		b.real(func(s *hostile.Server) { s.LoggedIn = func(_ int, c *ssh.ServerConn) { _ = c.Close() } })
	}},
	doctor.SFTPRefused: {make: func(b *testbed) {
		b.real(func(s *hostile.Server) { s.Subsystem = func(string) bool { return false } })
	}},
	doctor.SSHRSAUnneeded: {make: func(b *testbed) { b.config.Endpoint.AllowSSHRSA = true }},

	doctor.FolderMissing:  {make: func(b *testbed) { delete(b.session.folders, "INTEST") }},
	doctor.FolderOptional: {make: func(b *testbed) { delete(b.session.folders, "OUTTEST-S") }},
	doctor.FoldersBroken:  {make: func(b *testbed) { b.session.stat = func(string) error { return broke } }},

	doctor.ListingRefused: {make: func(b *testbed) { b.session.list = func(string) error { return denied } }},
	doctor.ListingBroken:  {make: func(b *testbed) { b.session.list = func(string) error { return broke } }},

	doctor.SetsUnknown:    {make: func(b *testbed) { b.ledger.sets = []inbox.Submission{{Set: set, State: inbox.Unknown}} }},
	doctor.SetsUnfinished: {make: func(b *testbed) { b.ledger.sets = []inbox.Submission{{Set: set, State: inbox.Uploading}} }},
	doctor.NameUsed:       {make: func(b *testbed) { b.ledger.sets = []inbox.Submission{{Set: set, State: inbox.NameUsed}} }},
	doctor.AnswersLate: {make: func(b *testbed) {
		b.ledger.sets = []inbox.Submission{{Set: set, State: inbox.Sent, SentAt: now().Add(-25 * time.Hour)}}
	}},

	doctor.WriteBusy:    {make: func(b *testbed) { b.writeFails(&lock.HeldError{Path: "send.lock"}) }},
	doctor.WriteRefused: {make: func(b *testbed) { b.writeFails(denied) }},
	doctor.WriteBroken:  {make: func(b *testbed) { b.writeFails(errors.Join(broke, &inbox.LeftBehindError{Set: set, Err: broke})) }},
	doctor.WriteLeft:    {make: func(b *testbed) { b.writeFails(&inbox.LeftBehindError{Set: set, Err: denied}) }},
	doctor.WriteFailed:  {make: func(b *testbed) { b.writeFails(syscall.ENOSPC) }},

	doctor.ServerAhead: {make: func(b *testbed) {
		b.d.WriteTest = nil
		b.session.folders["OUT"] = []transport.Entry{{Name: "FO", ModTime: now().Add(time.Hour)}}
	}},
	doctor.ServerDiffers: {make: func(b *testbed) {
		b.d.WriteTest = func(context.Context, config.Config, doctor.Session) (doctor.Written, error) {
			return doctor.Written{Set: set, At: now(), Modified: now().Add(-time.Hour)}, nil
		}
	}},
}

// throughProxy lets nobody look the name up: the proxy does.
func (b *testbed) throughProxy() {
	b.d.Proxy = func(config.Config) string { return "proxy.example:3128" }
	b.d.Lookup = nil
}

func (b *testbed) writeFails(err error) {
	b.d.WriteTest = func(context.Context, config.Config, doctor.Session) (doctor.Written, error) {
		return doctor.Written{}, err
	}
}

func fails(err error) func(context.Context, config.Config, string) (net.Conn, error) {
	return func(context.Context, config.Config, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
}

func openLedger(path string) func(context.Context, config.Config) (doctor.Ledger, error) {
	return func(ctx context.Context, _ config.Config) (doctor.Ledger, error) {
		l, err := sqlite.Open(ctx, path, sqlite.Options{Now: now})
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// errBusy is what a ledger says when another one writes.
var errBusy = &ledger.Error{Failure: ledger.Busy, Err: errors.New("database is locked")}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// special is a certificate for signing with something special; without an
// issuer it signs itself.
func special(t *testing.T, bits int, usage x509.KeyUsage, issuer string) (p12, cer []byte) {
	t.Helper()
	key := rsaKey(t, bits)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Jan Janssens"}, KeyUsage: usage,
		NotBefore: now().AddDate(-1, 0, 0), NotAfter: now().AddDate(1, 0, 0),
	}
	parent, signer := leaf, any(key)
	if issuer != "" {
		caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parent, signer = &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: issuer}}, caKey
	}
	cer, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(cer)
	if err != nil {
		t.Fatal(err)
	}
	if p12, err = pkcs12.Modern.Encode(key, cert, nil, password); err != nil {
		t.Fatal(err)
	}
	return p12, cer
}

// look makes the check-up and gives what was found.
func (b *testbed) look() ([]doctor.Result, []doctor.Finding) {
	b.t.Helper()
	told := 0
	all := b.d.Run(b.t.Context(), func(doctor.Result) { told++ })
	if told != len(all) {
		b.t.Errorf("%d results, %d told", len(all), told)
	}
	var found []doctor.Finding
	for _, r := range all {
		if r.Says == nil || r.Says.Error() == "" {
			b.t.Errorf("%s says nothing", r.Check)
		}
		if strings.Contains(fmt.Sprint(r.Says, r.Fixes), "%!") {
			b.t.Errorf("%s: %s %s", r.Check, r.Says, r.Fixes)
		}
		if (r.State == doctor.OK || r.State == doctor.Skipped) != (r.Finding == "") {
			b.t.Errorf("%s is %s with finding %q", r.Check, r.State, r.Finding)
		}
		if r.Finding == "" {
			continue
		}
		found = append(found, r.Finding)
		if r.State != r.Finding.State() || r.Check != r.Finding.Check() {
			b.t.Errorf("%s is %s at %s instead of %s at %s", r.Finding, r.State, r.Check, r.Finding.State(), r.Finding.Check())
		}
		if len(r.Fixes) == 0 {
			b.t.Errorf("%s: nobody says what to do", r.Finding)
		}
	}
	return all, found
}

// What is well is found well, every check once and in order.
func TestWell(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testbed){
		"fakes":    func(*testbed) {},
		"a server": func(b *testbed) { b.real(nil) },
		"an agent": func(b *testbed) { b.useAgent() },
		"a proxy":  func(b *testbed) { b.throughProxy() },
		"no ledger yet": func(b *testbed) {
			b.d.OpenLedger = func(context.Context, config.Config) (doctor.Ledger, error) { return nil, nil }
		},
		"the tolerated clock":  func(b *testbed) { b.ledger.last = now().Add(10 * time.Minute) },
		"no file is needed":    func(b *testbed) { b.file = "" },
		"an address":           func(b *testbed) { b.config.Endpoint.Host, b.d.Lookup = "::1", nil },
		"the last day but one": func(b *testbed) { b.certificate(identity(now().AddDate(-1, 0, 0), now().AddDate(0, 0, 60))) },
		"nothing is shown":     func(b *testbed) { b.session.stat = func(string) error { return denied } },
		"a greeting before":    func(b *testbed) { b.d.Dial = b.says("welcome\r\nto this server\r\nSSH-2.0-test\r\n") },
		"ssh-rsa is needed": func(b *testbed) {
			b.config.Endpoint.AllowSSHRSA, b.session.info.LoginAlgorithm, b.session.info.Legacy = true, "ssh-rsa", true
		},
		"answered in time": func(b *testbed) {
			b.ledger.sets = []inbox.Submission{{Set: set, State: inbox.Sent, SentAt: now().Add(-23 * time.Hour)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTestbed(t)
			change(b)
			if name == "a server" { // it has no folders
				b.d.Environments = nil
			}
			all, found := b.look()
			var checks []doctor.Check
			for _, r := range all {
				checks = append(checks, r.Check)
				if r.State != doctor.OK {
					t.Errorf("%s: %s: %s", r.Check, r.State, r.Says)
				}
			}
			if len(found) > 0 || !slices.Equal(checks, doctor.Checks()) {
				t.Errorf("found %v, checked %v", found, checks)
			}
		})
	}
}

func (b *testbed) useAgent() {
	b.config.Endpoint.Key, b.config.Endpoint.Agent = "", true
	b.d.Agent = func(context.Context) ([]ssh.Signer, error) { return []ssh.Signer{hostile.NewSigner()}, nil }
}

// Each thing that can be wrong is provoked, found, and nothing else with it.
func TestEveryFinding(t *testing.T) {
	t.Parallel()
	for _, f := range doctor.Findings() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			c, ok := provoked[f]
			if !ok {
				t.Fatal("nobody provokes it")
			}
			bits := []doctor.Finding{doctor.ConfigurationWritable, doctor.SecretReadable, doctor.StateReadable}
			if runtime.GOOS == "windows" && slices.Contains(bits, f) {
				t.Skip("permission bits say nothing here")
			}
			b := newTestbed(t)
			c.make(b)
			_, found := b.look()
			want := append(slices.Clone(c.also), f)
			slices.Sort(want)
			slices.Sort(found)
			if found = slices.Compact(found); !slices.Equal(found, want) {
				t.Errorf("found %v instead of %v", found, want)
			}
		})
	}
	for f := range provoked {
		if !slices.Contains(doctor.Findings(), f) {
			t.Errorf("%s is provoked and does not exist", f)
		}
	}
}

// What a failure stands in the way of is skipped, and nothing else.
func TestSkipped(t *testing.T) {
	t.Parallel()
	everything := doctor.Checks()
	behind := func(c doctor.Check) []doctor.Check { return everything[slices.Index(everything, c)+1:] }
	without := func(list []doctor.Check, out ...doctor.Check) []doctor.Check {
		return slices.DeleteFunc(slices.Clone(list), func(c doctor.Check) bool { return slices.Contains(out, c) })
	}
	server := without(behind(doctor.Login), doctor.Unfinished)
	for _, c := range []struct {
		name    string
		change  func(*testbed)
		skipped []doctor.Check
	}{
		{"a broken configuration", provoked[doctor.ConfigurationBroken].make, behind(doctor.Configuration)},
		{"no configuration", func(b *testbed) {
			c := config.Defaults(func(string) string { return "" })
			c.StateDir, c.Replies.Archive = b.config.StateDir, b.config.Replies.Archive
			b.config, b.file = c, ""
		}, append([]doctor.Check{doctor.Certificate, doctor.Login}, server...)},
		{"no sender", provoked[doctor.SenderMissing].make, []doctor.Check{doctor.Write, doctor.ServerClock}},
		{"no user", provoked[doctor.UserMissing].make, append([]doctor.Check{doctor.Login}, server...)},
		{"a damaged ledger", provoked[doctor.LedgerDamaged].make, []doctor.Check{doctor.Unfinished, doctor.Write, doctor.ServerClock}},
		{"no certificate", provoked[doctor.P12None].make, []doctor.Check{doctor.Certificate}},
		{"no certificate is needed", func(b *testbed) {
			b.config.Identity.P12, b.d.Environments = "", []naming.Environment{naming.Test}
		}, []doctor.Check{doctor.P12, doctor.Certificate}},
		{"the passphrase is not known", provoked[doctor.KeyPassphraseMissing].make, append([]doctor.Check{doctor.Login}, server...)},
		{"no such name", provoked[doctor.DNSUnknown].make, without(behind(doctor.DNS), doctor.Unfinished)},
		{"refused", provoked[doctor.TCPRefused].make, without(behind(doctor.TCP), doctor.Unfinished)},
		{"a web server", provoked[doctor.SSHOther].make, without(behind(doctor.SSH), doctor.Unfinished)},
		{"an unknown server", provoked[doctor.HostKeyUnknown].make, without(behind(doctor.HostKey), doctor.Unfinished)},
		{"no login", provoked[doctor.LoginRefused].make, server},
		{"no folder", provoked[doctor.FolderMissing].make, nil},
		{"offline", func(b *testbed) { b.d.Offline = true }, without(behind(doctor.SSHKey), doctor.Unfinished)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newTestbed(t)
			c.change(b)
			all, _ := b.look()
			var skipped []doctor.Check
			for _, r := range all {
				if r.State == doctor.Skipped {
					skipped = append(skipped, r.Check)
				}
			}
			if !slices.Equal(skipped, c.skipped) {
				t.Errorf("skipped %v\ninstead of %v", skipped, c.skipped)
			}
		})
	}
}

// Without a key that can be used, the host key is looked at all the same, and
// no key is offered.
func TestHostKeyWithoutLogin(t *testing.T) {
	t.Parallel()
	b := newTestbed(t)
	offered := false
	b.real(func(s *hostile.Server) {
		s.Login = func(_ int, c *ssh.ServerConfig) {
			c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { offered = true; return nil, nil }
		}
	})
	b.config.Endpoint.Key = ""
	all, found := b.look()
	if i := slices.IndexFunc(all, func(r doctor.Result) bool { return r.Check == doctor.HostKey }); all[i].State != doctor.OK {
		t.Errorf("host key: %s: %s", all[i].State, all[i].Says)
	}
	if offered || !slices.Equal(found, []doctor.Finding{doctor.KeyNone}) {
		t.Errorf("found %v, a key was offered: %t", found, offered)
	}
}

// It is a matter of the connection, or of what is set up.
func TestConnection(t *testing.T) {
	t.Parallel()
	for f, want := range map[doctor.Finding]bool{
		doctor.TCPRefused: true, doctor.DNSUnknown: true, doctor.SSHOther: true, doctor.LoginBroken: true,
		doctor.LoginRefused: false, doctor.HostKeyChanged: false, doctor.KeyMissing: false, doctor.FolderMissing: false,
	} {
		if got := (doctor.Result{Finding: f}).Connection(); got != want {
			t.Errorf("%s: %t", f, got)
		}
	}
}

// A folder that was asked for has to be there.
func TestAskedFolder(t *testing.T) {
	t.Parallel()
	b := newTestbed(t)
	provoked[doctor.FolderOptional].make(b)
	b.d.Asked = true
	if _, found := b.look(); !slices.Equal(found, []doctor.Finding{doctor.FolderMissing}) {
		t.Errorf("found %v", found)
	}
}

// Several clocks can tell that ours is behind.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	b := newTestbed(t)
	b.d.Now = func() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }
	_, found := b.look()
	if found[0] != doctor.ClockBehind || slices.Index(found[1:], doctor.ClockBehind) >= 0 {
		t.Errorf("found %v", found)
	}
}

// Who answers is said.
func TestWhoAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ answer, want string }{
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server"},
		{"<HTML>\n<body>", "a web server"},
		{"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS"},
		{"SSH-1.5-old\n", "the first version of SSH"},
		{"220 ftp.example ready\r\n", `it says "220 ftp.example ready"`},
		{"\x1b[31mred 100%s", `it says "\x1b[31mred 100%s"`},
		{strings.Repeat("x", 20<<10), "it says"},
		{strings.Repeat("x\n", 1000), `it says "x"`},
	} {
		b := newTestbed(t)
		b.d.Dial = b.says(c.answer)
		all, found := b.look()
		if !slices.Equal(found, []doctor.Finding{doctor.SSHOther}) {
			t.Errorf("%q: found %v", c.answer, found)
			continue
		}
		i := slices.IndexFunc(all, func(r doctor.Result) bool { return r.Finding == doctor.SSHOther })
		if got := all[i].Says.Error(); !strings.Contains(got, c.want) || len(got) > 400 {
			t.Errorf("%q: %s", c.answer, got)
		}
	}
}

// The check-up ends when it is interrupted, whatever it waits for.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := newTestbed(t)
	ctx, stop := context.WithCancel(t.Context())
	b.d.Dial = b.serves(func(c net.Conn) {
		stop()
		_, _ = io.Copy(io.Discard, c)
	})
	all := b.d.Run(ctx, func(doctor.Result) {})
	last := all[len(all)-1].Check
	if last != doctor.DNS && last != doctor.TCP { // who answers was not found out
		t.Errorf("%d results, the last is %s", len(all), last)
	}
}

// Nothing is left of a look at a directory.
func TestRealDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := doctor.RealDisk()
	for _, at := range []string{dir, filepath.Join(dir, "a", "b")} {
		if err := d.Write(at); err != nil {
			t.Errorf("write %s: %v", at, err)
		}
		if free, err := d.Free(at); err != nil || free == 0 {
			t.Errorf("%d bytes free in %s, %v", free, at, err)
		}
		if remote, err := d.Remote(at); err != nil || remote {
			t.Errorf("%s remote: %t, %v", at, remote, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Every finding and every check is in the documentation, with its state.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range doctor.Findings() {
		if !strings.Contains(string(text), fmt.Sprintf("\n| `%s` | %s |", f, f.State())) {
			t.Errorf("docs/doctor.md does not have %s as %s", f, f.State())
		}
	}
	for _, c := range doctor.Checks() {
		if !strings.Contains(string(text), fmt.Sprintf("`%s`", c)) {
			t.Errorf("docs/doctor.md does not have the check %s", c)
		}
	}
}

// Where the certificate has expired, the one that follows is looked at.
func TestNextIdentity(t *testing.T) {
	t.Parallel()
	b := newTestbed(t)
	next, cer := identity(now().AddDate(0, -1, 0), now().AddDate(0, 0, 30))
	provoked[doctor.CertificateExpired].make(b)
	b.write("signer.cer", cer)
	b.config.Identity.Next.P12 = b.write("next.p12", next)
	b.d.NextIdentity = func(i config.Identity) config.Identity {
		i.P12, i.Next = i.Next.P12, config.NextIdentity{}
		return i
	}
	if _, found := b.look(); !slices.Equal(found, []doctor.Finding{doctor.CertificateSoon}) {
		t.Errorf("found %v", found)
	}
}

// noNetwork is how the system says that no way leads to an address. Windows has
// numbers of its own.
func noNetwork() error {
	if runtime.GOOS == "windows" {
		const wsaENETUNREACH = 10051
		return syscall.Errno(wsaENETUNREACH)
	}
	return syscall.ENETUNREACH
}
