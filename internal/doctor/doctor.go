// Package doctor looks into everything that has to be right before a
// declaration can be sent, in the order in which things go wrong: what lies on
// this machine, the way to the server, the account there. It changes nothing,
// unless a write test is asked for.
//
// What the checks look at comes in through functions, so that each finding can
// be provoked by a test.
package doctor

import (
	"context"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sftp"
)

// Check names one thing that is looked at.
type Check string

// The checks, in their order.
const (
	Configuration Check = "configuration"
	Permissions   Check = "permissions"
	Clock         Check = "clock"
	Space         Check = "space"
	LedgerFile    Check = "ledger"
	P12           Check = "p12"
	Certificate   Check = "certificate"
	SSHKey        Check = "ssh-key"
	DNS           Check = "dns"
	TCP           Check = "tcp"
	SSH           Check = "ssh"
	HostKey       Check = "host-key"
	Login         Check = "login"
	Folders       Check = "folders"
	Listing       Check = "listing"
	Unfinished    Check = "unfinished"
	Write         Check = "write"
	ServerClock   Check = "server-clock"
)

// Title is what people call a check.
func (c Check) Title() problem.Word { return titles[c] }

var titles = map[Check]problem.Word{
	Configuration: "configuration",
	Permissions:   "permissions",
	Clock:         "clock",
	Space:         "free space",
	LedgerFile:    "ledger",
	P12:           "certificate file",
	Certificate:   "certificate",
	SSHKey:        "SSH key",
	DNS:           "name of the server",
	TCP:           "way to the server",
	SSH:           "SSH server",
	HostKey:       "host key",
	Login:         "login",
	Folders:       "folders",
	Listing:       "replies",
	Unfinished:    "unfinished",
	Write:         "write test",
	ServerClock:   "clock of the server",
}

// State is how a check ended.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failed  State = "failed"
	Skipped State = "skipped"
)

// Result is one thing that a check has to say. A check may have several
// findings; each is a result of its own.
type Result struct {
	Check   Check
	State   State
	Finding Finding // empty where nothing is wrong
	Says    error   // a *problem.Error
	Fixes   []error // what to do, in this order
}

// Connection reports whether a failure is one of the connection, and not of
// what is set up here or with the office.
func (r Result) Connection() bool { return findings[r.Finding].connection }

// Session is a connection to the server.
type Session interface {
	transport.Session
	Info() sftp.Info
}

// Ledger is what the checks ask of the ledger.
type Ledger interface {
	LastChange(ctx context.Context) (time.Time, error)
	Clock(ctx context.Context) (ledger.ClockReading, error)
	Submissions(ctx context.Context, f ledger.Filter) ([]inbox.Submission, error)
	Close() error
}

// Disk is what the checks ask of the file system.
type Disk struct {
	// Others says what the permissions of a file let others than its owner do.
	Others func(path string) (read, write bool, err error)
	// Write tries whether something can be written to a directory.
	Write func(dir string) error
	// Free gives the bytes that are free for us in a directory.
	Free func(dir string) (uint64, error)
	// Remote says whether a directory is on another machine, as far as that can
	// be known.
	Remote func(dir string) (bool, error)
}

// Written is what a write test learnt.
type Written struct {
	Set      naming.Set
	At       time.Time // by our clock
	Modified time.Time // by the server's; zero where it gives none
}

// Doctor holds what the checks look at.
type Doctor struct {
	Now  func() time.Time
	Disk Disk
	Scope
	Setup
	Secrets
	Network
}

// Scope is how far a check-up goes.
type Scope struct {
	// Environments are those to look at. Asked: they were named, and their
	// folders have to be there.
	Environments []naming.Environment
	Asked        bool
	// Offline leaves the network alone.
	Offline bool
}

// Setup is what was set up on this machine.
type Setup struct {
	// Configuration reads it, and gives the file that it was read from; empty:
	// there is none.
	Configuration func() (c config.Config, file string, err error)
	// DefaultPath is where a file is looked for.
	DefaultPath string
	// OpenLedger gives nil when there is none.
	OpenLedger func(context.Context, config.Config) (Ledger, error)
	// NextIdentity puts the certificate that is to follow in the place of the one
	// in use, for when that has expired.
	NextIdentity func(config.Identity) config.Identity
}

// Secrets finds what opens the certificate and the SSH key. It is asked only
// where that is needed.
type Secrets struct {
	P12Password func(context.Context, config.Config) (string, error)
	Passphrase  func(context.Context, config.Config) (string, error)
	// Agent gives the keys of the ssh-agent.
	Agent func(context.Context) ([]ssh.Signer, error)
}

// Network is the way to the server, and what is done there.
type Network struct {
	// WebProxy is the variable that names a proxy for the web; empty: none does.
	WebProxy string
	Lookup   func(ctx context.Context, host string) ([]string, error)
	// Proxy is what the connection goes through; nil, or empty: it is direct.
	Proxy func(config.Config) string
	Dial  func(ctx context.Context, c config.Config, address string) (net.Conn, error)
	// Connect logs in. Without keys it goes as far as the host key, and the
	// login is refused.
	Connect func(ctx context.Context, c config.Config, keys []ssh.Signer) (Session, error)
	// WriteTest writes and cancels a set in INTEST; nil: it was not asked for.
	WriteTest func(context.Context, config.Config, Session) (Written, error)
}

// run is one check-up.
type run struct {
	*Doctor
	config config.Config
	file   string         // it was read from
	broken bool           // the configuration, so that nothing is known
	bad    map[Check]bool // failed, or skipped: what needs it is skipped too

	ledger     Ledger
	ledgerErr  error
	p12        *p12
	keys       []ssh.Signer
	conn       net.Conn // for the check after TCP
	session    Session
	loginErr   error
	newestFile time.Time // on the server
	written    *Written
}

// step is one check with those that have to be right before it.
type step struct {
	check   Check
	needs   []Check
	network bool
	look    func(*run, context.Context) []Result
}

var steps = []step{
	{Configuration, nil, false, (*run).configuration},
	{Permissions, nil, false, (*run).permissions},
	{Clock, nil, false, (*run).clock},
	{Space, nil, false, (*run).space},
	{LedgerFile, nil, false, (*run).ledgerFile},
	{P12, nil, false, (*run).p12File},
	{Certificate, []Check{P12}, false, (*run).certificate},
	{SSHKey, nil, false, (*run).sshKey},
	{DNS, nil, true, (*run).dns},
	{TCP, []Check{DNS}, true, (*run).tcp},
	{SSH, []Check{TCP}, true, (*run).ssh},
	{HostKey, []Check{SSH}, true, (*run).hostKey},
	{Login, []Check{HostKey, SSHKey}, true, (*run).login},
	{Folders, []Check{Login}, true, (*run).folders},
	{Listing, []Check{Login}, true, (*run).listing},
	{Unfinished, []Check{LedgerFile}, false, (*run).unfinished},
	{Write, []Check{LedgerFile, Login}, true, (*run).write},
	{ServerClock, []Check{Login}, true, (*run).serverClock},
}

// Checks lists the checks in their order.
func Checks() []Check {
	var list []Check
	for _, s := range steps {
		list = append(list, s.check)
	}
	return list
}

// Run looks into everything, tells each result as soon as it is there, and
// returns them all. It ends early when ctx does.
func (d *Doctor) Run(ctx context.Context, tell func(Result)) []Result {
	r := &run{Doctor: d, bad: map[Check]bool{}}
	defer r.close()
	var all []Result
	for _, s := range steps {
		results := r.take(ctx, s)
		if ctx.Err() != nil {
			break
		}
		for _, x := range results {
			x.Check = s.check
			all = append(all, x)
			tell(x)
		}
	}
	return all
}

// take makes a check, unless something stands before it.
func (r *run) take(ctx context.Context, s step) []Result {
	if s.check == Write && r.WriteTest == nil {
		return nil
	}
	if r.broken {
		return r.pass(s, skip("not looked at: the configuration comes first"))
	}
	if s.network && r.Offline {
		return r.pass(s, skip("not looked at: --offline leaves the network alone"))
	}
	for _, need := range s.needs {
		if r.bad[need] {
			return r.pass(s, skip("not looked at, because of: %s", need.Title()))
		}
	}
	results := s.look(r, ctx)
	for _, x := range results {
		if x.State == Failed || x.State == Skipped {
			r.bad[s.check] = true
		}
	}
	return results
}

func (r *run) pass(s step, x Result) []Result {
	r.bad[s.check] = true
	return []Result{x}
}

func (r *run) close() {
	if r.conn != nil {
		_ = r.conn.Close()
	}
	if r.session != nil {
		_ = r.session.Close()
	}
	if r.ledger != nil {
		_ = r.ledger.Close()
	}
}

// fine says that all is well.
func fine(format string, args ...any) Result {
	return Result{State: OK, Says: problem.New(format, args...)}
}

// skip says why a check was not made.
func skip(format string, args ...any) Result {
	return Result{State: Skipped, Says: problem.New(format, args...)}
}

// found says what is wrong.
func found(f Finding, format string, args ...any) Result {
	return Result{State: findings[f].state, Finding: f, Says: problem.New(format, args...)}
}

// fix adds what to do about it.
func (r Result) fix(format string, args ...any) Result {
	r.Fixes = append(r.Fixes, problem.New(format, args...))
	return r
}

// or gives the results, or that all is well where there are none.
func or(list []Result, well Result) []Result {
	if len(list) == 0 {
		return []Result{well}
	}
	return list
}

func one(r Result) []Result { return []Result{r} }

// moment writes a time for people: in Brussels, as everywhere.
func moment(t time.Time) string { return t.In(naming.Brussels()).Format("2006-01-02 15:04") }

// day writes the day of a time.
func day(t time.Time) string { return t.In(naming.Brussels()).Format(time.DateOnly) }

// covers reports whether an environment is among those to look at.
func (r *run) covers(env naming.Environment) bool {
	for _, e := range r.Environments {
		if e == env {
			return true
		}
	}
	return false
}

// p12 is the certificate file, opened once for several checks.
type p12 struct {
	identity *sign.Identity
	wrong    Result // where there is none
}
