package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// stand is the server of a schedule and the client's directory.
type stand struct {
	client string // directory
	config string // file
	setup  sandbox.Config

	mu         sync.Mutex
	server     *sandbox.Server
	generation int // of the server; requests are counted anew in each
	strike     *strike
	seen       map[string]string // hash of every reply file that was deleted, by environment/name
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
	st := &stand{client: filepath.Join(dir, "client"), seen: map[string]string{}}
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
	for err = st.start(0); errors.Is(err, syscall.EADDRINUSE); err = st.start(0) {
		st.setup.Port = <-t.ports // somebody else has the other
	}
	if err != nil {
		return nil, err
	}
	st.config, err = kit.WriteConfig(st.server)
	return st, err
}

func (st *stand) current() *sandbox.Server {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.server
}

func (st *stand) violation(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.violations = append(st.violations, fmt.Sprintf(format, args...))
}

// start starts a server on what the one before left.
func (st *stand) start(patience time.Duration) error {
	c := st.setup
	st.mu.Lock()
	st.generation++
	c.Hooks = st.hooks(st.generation)
	st.mu.Unlock()
	s, err := sandbox.New(c)
	if err != nil {
		return err
	}
	end := time.Now().Add(patience)
	for err = s.Start(context.Background()); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); err = s.Start(context.Background()) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	st.mu.Lock()
	st.server = s
	st.mu.Unlock()
	return nil
}

// downtime is how long a server is away that is started again.
const downtime = 30 * time.Millisecond

func (st *stand) restart() error {
	if err := st.current().Close(); err != nil {
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

// idle waits until no connection is left: what a client that is gone had asked
// for is done then.
func (st *stand) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := st.current().WaitFor(ctx, func(events []sandbox.Event) bool {
		open := 0
		for _, e := range events {
			switch e.Kind {
			case sandbox.Connected:
				open++
			case sandbox.Disconnected:
				open--
			}
		}
		return open == 0
	})
	if err != nil {
		return fmt.Errorf("connections do not end: %w", err)
	}
	return nil
}

// arm lets a blow strike once, or none.
func (st *stand) arm(s *strike) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.strike = s
}

func (st *stand) hooks(generation int) sandbox.Hooks {
	// due finds out whether a request is the one, and is so only once.
	due := func(m mode, op sandbox.Operation) *strike {
		st.mu.Lock()
		defer st.mu.Unlock()
		s := st.strike
		if s == nil || s.fired || s.mode != m || s.target != op.N || s.generation != generation {
			return nil
		}
		s.fired, s.where = true, kindOf(op)
		return s
	}
	return sandbox.Hooks{
		Before: func(op sandbox.Operation) {
			if folder, name, ok := strings.Cut(strings.TrimPrefix(op.Path, "/"), "/"); ok && op.Kind == "remove" && strings.HasPrefix(folder, "OUT") {
				st.removing(folder, name)
			}
			st.mu.Lock()
			if s := st.strike; s != nil && s.mode != "" && (s.on == "" || s.on == kindOf(op)) {
				if s.count++; s.count == s.at {
					s.target, s.generation = op.N, generation
				}
			}
			st.mu.Unlock()
			if s := due(before, op); s != nil {
				st.hit(s)
			}
		},
		Drop: func(op sandbox.Operation) bool {
			s := due(lost, op)
			if s != nil {
				st.hit(s)
			}
			return s != nil
		},
		After: func(op sandbox.Operation) {
			if s := due(after, op); s != nil {
				st.hit(s)
			}
		},
	}
}

// kindOf is what a request is about: "open IN GO", "readdir OUT".
func kindOf(op sandbox.Operation) string {
	words := []string{op.Kind}
	folder, name, _ := strings.Cut(strings.Trim(op.Path, "/"), "/")
	switch {
	case strings.HasPrefix(folder, "IN"):
		words = append(words, "IN")
	case strings.HasPrefix(folder, "OUT"):
		words = append(words, "OUT")
	}
	if kind, _, ok := strings.Cut(name, "."); ok {
		words = append(words, kind)
	}
	return strings.Join(words, " ")
}

// hit carries out a blow. It runs inside a hook of the request that is struck.
func (st *stand) hit(s *strike) {
	switch s.what {
	case kill:
		s.victim.kill()
	case cut:
		st.current().CutConnections()
	case restart:
		st.current().CutConnections()
		go func() { s.restarted <- st.restart() }()
	}
}

// removing is called when a client asks to delete a file in an OUT folder: it
// must be stored by then.
func (st *stand) removing(folder, name string) {
	var env naming.Environment
	for _, e := range naming.Environments() {
		if e.Outbox() == folder {
			env = e
		}
	}
	n, err := naming.Parse(name)
	if env == "" || err != nil {
		st.violation("the client deletes %s/%s, which is no reply", folder, name)
		return
	}
	content, err := os.ReadFile(filepath.Join(st.setup.Dir, folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return // another client was faster
	}
	if err != nil {
		st.violation("%v", err)
		return
	}
	if n.Kind == naming.GO {
		st.removingGO(env, folder, n)
		return
	}
	hash := hashOf(content)
	st.mu.Lock()
	st.seen[string(env)+"/"+name] = hash
	st.mu.Unlock()
	if err := st.stored(env, name, hash); err != nil {
		st.violation("%s/%s is deleted on the server before it is stored: %v", folder, name, err)
	}
}

// removingGO: the other files of the set must be gone, and stored.
func (st *stand) removingGO(env naming.Environment, folder string, n naming.Name) {
	replies := 0
	for _, k := range []naming.Kind{naming.FO, naming.CO, naming.FS} {
		name := n.WithKind(k).String()
		if _, err := os.Lstat(filepath.Join(st.setup.Dir, folder, name)); err == nil {
			st.violation("%s/%s is deleted while %s is still there", folder, n, name)
		}
		st.mu.Lock()
		hash, seen := st.seen[string(env)+"/"+name]
		st.mu.Unlock()
		if !seen {
			continue
		}
		if k != naming.FS {
			replies++
		}
		if err := st.stored(env, name, hash); err != nil {
			st.violation("%s/%s is deleted on the server before %s is stored: %v", folder, n, name, err)
		}
	}
	if replies != 1 {
		st.violation("%s/%s is deleted and %d of its replies were", folder, n, replies)
	}
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
