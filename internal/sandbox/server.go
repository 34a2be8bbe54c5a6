package sandbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/naming"
)

// Config describes a stand-in. Sender, User, and AuthorizedKeys or AcceptAnyKey
// are needed.
type Config struct {
	// Dir is where everything is kept; a server that is started later on the same
	// Dir goes on where this one ended. Empty: a temporary folder, removed by Close.
	Dir string

	Sender         string // the account's sender number, six digits
	User           string // technical user name, such as EXP101380
	AuthorizedKeys []ssh.PublicKey
	AcceptAnyKey   bool // log in with any key
	// PublicKeyAlgorithms limits the signature algorithms for login, such as
	// ssh-rsa alone; empty: what x/crypto/ssh accepts.
	PublicKeyAlgorithms []string
	// HostKey is made, and kept in Dir, if it is nil.
	HostKey ssh.Signer
	Port    int // 0: any
	// Watch, where it is not 0, makes this the office alone: Start does not listen,
	// because another SFTP server shows the folders of Dir to clients. They are
	// looked into so often; a set whose GO is seen is taken.
	Watch time.Duration

	// Certificate is the registered signer certificate. Without it every set in R
	// is refused with ACRF-153; in T and S a signature then only has to verify.
	Certificate *x509.Certificate
	MaxAge      int // days that the date in a name may lie back; 0: no limit
	MaxParts    int // largest number of parts; 0: 9

	// ReceiptDelay is the time from the GO to the receipt, NotificationDelay from
	// the receipt to the notifications. 0 stands for the defaults; negative: at once.
	ReceiptDelay, NotificationDelay time.Duration

	Journal     io.Writer // one JSON object per line; may be nil
	JournalPath string    // likewise, a file that is continued; may be empty
	Scenario    Scenario
	Hooks       Hooks
	// Clock gives the time for dates, names, replies, and for the validity of
	// certificates and signing times; nil: time.Now. Delays do not depend on it.
	Clock  func() time.Time
	Logger *slog.Logger // failures of the stand-in itself; nil: none
}

// Delays where the configuration has none.
const (
	DefaultReceiptDelay      = 100 * time.Millisecond
	DefaultNotificationDelay = 400 * time.Millisecond
)

// Server is a stand-in. Its methods may be called by several goroutines.
type Server struct {
	cfg      Config
	dir      string
	temp     bool
	root     *os.Root
	identity *TestIdentity // signs replies
	journal  *journal
	clock    func() time.Time
	log      *slog.Logger

	scenario   atomic.Pointer[Scenario]
	cutDone    atomic.Bool
	operations atomic.Int64

	// work is held while sets are checked and replies written; it is taken before mu.
	work sync.Mutex
	wake chan struct{} // there is work

	folderState

	life    life
	running sync.WaitGroup
	ssh     *ssh.ServerConfig
	conns   connections
}

// folderState is what is known of the folders. The lock guards all of it.
type folderState struct {
	mu      sync.Mutex
	state   *state
	inbox   map[setID]map[string]bool // files in IN… by set; true: they vanished
	queue   []waiting                 // sets whose GO is there, in the order of their GO
	busy    map[setID]bool            // being checked
	strayed map[string]bool           // folder/name of strays that were reported
	given   map[string]time.Time      // when a GO that is there was last opened, by folder/name; with Watch
	growing []*growth
}

// life is how far a server has come: it is started once at most, and closed.
type life struct {
	mu     sync.Mutex
	stop   context.CancelFunc // once started
	closed bool
}

// start calls begin with the context that the server runs in. Where begin fails,
// the server is not started.
func (l *life) start(ctx context.Context, begin func(context.Context) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.stop != nil {
		return errors.New("started twice, or after Close")
	}
	ctx, stop := context.WithCancel(ctx)
	if err := begin(ctx); err != nil {
		stop()
		return err
	}
	l.stop = stop
	return nil
}

// end ends the context, and reports whether it is the first time.
func (l *life) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.closed = true
	if l.stop != nil {
		l.stop()
	}
	return true
}

// New prepares a server. It reads back what an earlier one left in Dir; a set
// whose GO is there but was not checked is checked after Start. Close it, also
// when it was not started.
func New(cfg Config) (*Server, error) {
	if err := naming.CheckSender(cfg.Sender); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if cfg.User == "" {
		return nil, errors.New("sandbox: no user name is configured")
	}
	if len(cfg.AuthorizedKeys) == 0 && !cfg.AcceptAnyKey {
		return nil, errors.New("sandbox: no key may log in: give the public key of the account, or accept any key")
	}
	if err := cfg.Scenario.Check(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if cfg.ReceiptDelay == 0 {
		cfg.ReceiptDelay = DefaultReceiptDelay
	}
	if cfg.NotificationDelay == 0 {
		cfg.NotificationDelay = DefaultNotificationDelay
	}
	s := &Server{
		cfg: cfg, dir: cfg.Dir, clock: cfg.Clock, log: cfg.Logger,
		wake: make(chan struct{}, 1),
		folderState: folderState{
			inbox: map[setID]map[string]bool{}, busy: map[setID]bool{}, strayed: map[string]bool{},
			given: map[string]time.Time{},
		},
		conns: connections{open: map[net.Conn]struct{}{}},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.scenario.Store(&cfg.Scenario)
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

func (s *Server) open() (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "socbatch-sandbox-"); err != nil {
			return err
		}
		s.temp = true
	} else if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return err
	}
	for _, folder := range folders {
		dirs := []string{folder}
		if isInbox(folder) {
			dirs = append(dirs, takenDir+"/"+folder)
		}
		for _, dir := range dirs {
			if err := s.root.MkdirAll(dir, 0o700); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{stagingDir, processedDir} {
		if err := s.root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if s.identity, err = loadIdentity(s.root); err != nil {
		return err
	}
	if s.cfg.HostKey == nil {
		if s.cfg.HostKey, err = loadHostKey(s.root); err != nil {
			return err
		}
	}
	if s.journal, err = newJournal(s.cfg.Journal, s.cfg.JournalPath, s.clock); err != nil {
		return err
	}
	if s.state, err = openState(s.root); err != nil {
		return err
	}
	s.ssh = &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-socbatch-sandbox", PublicKeyAuthAlgorithms: s.cfg.PublicKeyAlgorithms,
		PublicKeyCallback: s.login,
	}
	s.ssh.AddHostKey(s.cfg.HostKey)
	return s.recover()
}

// Start listens on 127.0.0.1, unless it only watches, and begins to check sets. It
// returns at once; the server runs until Close, or until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	if err := s.life.start(ctx, s.begin); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

func (s *Server) begin(ctx context.Context) error {
	if s.cfg.Watch <= 0 {
		if err := s.conns.listen(s.cfg.Port); err != nil {
			return err
		}
		s.running.Go(s.accept)
		s.running.Go(func() {
			<-ctx.Done()
			s.conns.end()
		})
	}
	s.running.Go(func() { s.run(ctx) })
	return nil
}

// Addr is the address that clients connect to, such as 127.0.0.1:40123; empty
// before Start.
func (s *Server) Addr() string { return s.conns.address() }

// HostKey is the public host key.
func (s *Server) HostKey() ssh.PublicKey { return s.cfg.HostKey.PublicKey() }

// HostKeyFingerprint is the host key's SHA-256 fingerprint, as ssh prints it.
func (s *Server) HostKeyFingerprint() string { return ssh.FingerprintSHA256(s.HostKey()) }

// Dir is the folder on disk.
func (s *Server) Dir() string { return s.dir }

// ReplyRoots holds the CA that the signatures of replies lead to.
func (s *Server) ReplyRoots() *x509.CertPool { return s.identity.Roots() }

// ReplyCA is the certificate of the CA that signed the signer of the replies.
func (s *Server) ReplyCA() *x509.Certificate { return s.identity.CA }

// Close ends all connections, waits for what is being done, and leaves
// everything in Dir. Sets and replies that are still waiting are dealt with by
// the next server on Dir. Closing twice does nothing.
func (s *Server) Close() error {
	if !s.life.end() {
		return nil
	}
	s.running.Wait()
	s.work.Lock()
	defer s.work.Unlock()
	var errs []error
	if s.state != nil {
		errs = append(errs, s.state.log.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.close())
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	if s.temp {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// failed reports that the stand-in itself could not do its work.
func (s *Server) failed(what string, err error) {
	s.log.Error("sandbox", "what", what, "error", err)
	s.journal.add(Event{Kind: ServerFailed, Detail: fmt.Sprintf("%s: %v", what, err)})
}
