package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// serverKind is what the clients of a campaign connect to.
type serverKind string

const (
	standInServer serverKind = "sandbox" // the stand-in: it sees every request
	sshdServer    serverKind = "sshd"    // sshd and sftp-server of OpenSSH, with the stand-in as the office
)

// host is what clients connect to, and what can befall it.
type host interface {
	// start starts it on what is there, the first time or after stop; where the
	// port is not free it tries again for some time.
	start(patience time.Duration) error
	stop() error
	// cut ends all connections without a word; new ones are accepted.
	cut()
	// killSFTP kills the processes that serve files, where they are such.
	killSFTP()
	// idle waits until no connection is left: what a client that is gone had
	// asked for is done then, and known to the office.
	idle(ctx context.Context) error
	// look lets the office do what is due.
	look()
	// address is where clients connect to, as whom, and the host key.
	address() (addr, user, fingerprint string)
	// close ends host and office.
	close() error
}

// stand is the server of a schedule and the client's directory.
type stand struct {
	host
	client string // directory
	config string // file
	setup  sandbox.Config

	mu         sync.Mutex
	office     *sandbox.Server
	strike     *strike
	violations []string
}

// strike is a blow that is to come or has come.
type strike struct {
	blow
	fired bool
	where string // the request or the step

	count      int
	generation int
	target     int64 // number of the request
	victim     *process
	restarted  chan error // gets one value after a restart
}

func newStand(t *template, dir string, b behaviour) (*stand, error) {
	st := &stand{client: filepath.Join(dir, "client")}
	if err := errors.Join(os.CopyFS(st.client, os.DirFS(t.client)), os.CopyFS(filepath.Join(dir, "server"), os.DirFS(t.server))); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Join(st.client, "id_rsa"), 0o600); err != nil {
		return nil, err
	}
	kit, err := sandbox.OpenKit(st.client, sender)
	if err != nil {
		return nil, err
	}
	signed := !b.unsigned
	st.setup = sandbox.Config{
		Dir: filepath.Join(dir, "server"), Sender: kit.Sender, User: kit.User, AuthorizedKeys: []ssh.PublicKey{kit.Key},
		Certificate: kit.Certificate, Port: <-t.ports, ReceiptDelay: b.receipt, NotificationDelay: b.notice,
		JournalPath: filepath.Join(dir, "journal.jsonl"),
		Scenario: sandbox.Scenario{
			Rules: []sandbox.Rule{{
				Process: b.process, Compressed: b.compressed, NoFileReference: b.noFileReference, NameFI: b.nameFI, SignReplies: &signed,
			}},
			Faults: sandbox.Faults{ForbidIn: b.forbid, RefuseWrite: b.refuseWrite, RefuseClose: b.refuseClose},
		},
	}
	if st.host = newStandIn(st); t.kind == sshdServer {
		if st.host, err = newOpenSSH(st, dir); err != nil {
			return nil, err
		}
	}
	for err = st.start(0); errors.Is(err, syscall.EADDRINUSE); err = st.start(0) {
		st.setup.Port = <-t.ports // somebody else has the other
	}
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	addr, user, fingerprint := st.address()
	if st.config, err = kit.WriteConfigFor(st.current(), addr, user, fingerprint); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

// current is the office: what processes sets and replies.
func (st *stand) current() *sandbox.Server {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.office
}

func (st *stand) violation(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.violations = append(st.violations, fmt.Sprintf(format, args...))
}

// downtime is how long a server is away that is started again.
const downtime = 30 * time.Millisecond

func (st *stand) restart() error {
	if err := st.stop(); err != nil {
		return err
	}
	time.Sleep(downtime)
	return st.start(10 * time.Second)
}

// calm ends the faults that are for the acts only.
func (st *stand) calm() error {
	st.setup.Scenario.Faults.RefuseClose, st.setup.Scenario.Faults.RefuseWrite = "", ""
	return st.current().SetScenario(st.setup.Scenario)
}

// arm lets a blow strike once, or none.
func (st *stand) arm(s *strike) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.strike = s
}

// patiently calls f again as long as the port is not free.
func patiently(patience time.Duration, f func() error) error {
	end := time.Now().Add(patience)
	err := f()
	for errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
		err = f()
	}
	return err
}

func environmentOf(folder string) naming.Environment {
	for _, e := range naming.Environments() {
		if e.Outbox() == folder {
			return e
		}
	}
	return ""
}

// stored says why a reply file cannot be counted as stored: it must be in the
// archive and in the ledger, with its hash.
func (st *stand) stored(env naming.Environment, name, hash string) error {
	found, err := filepath.Glob(filepath.Join(st.client, "replies", string(env), "????-??-??", name))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("the archive has it %d times", len(found))
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	if hashOf(content) != hash {
		return errors.New("the archive has other contents")
	}
	l, err := openRecords(st.client)
	if err != nil {
		return err
	}
	defer l.Close()
	n, err := l.replies(env, name, hash)
	if err == nil && n != 1 {
		err = fmt.Errorf("the ledger has it %d times", n)
	}
	return err
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
