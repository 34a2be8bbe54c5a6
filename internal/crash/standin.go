package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// standIn is the stand-in server. It sees every request, so that a blow can
// strike during any of them, and a reply that is deleted too early is seen
// before it is gone.
type standIn struct {
	*stand
	generation int               // of the server; requests are counted anew in each
	seen       map[string]string // hash of every reply file that was deleted, by environment/name
}

func newStandIn(st *stand) *standIn { return &standIn{stand: st, seen: map[string]string{}} }

func (st *standIn) start(patience time.Duration) error {
	c := st.setup
	st.mu.Lock()
	st.generation++
	c.Hooks = st.hooks(st.generation)
	st.mu.Unlock()
	s, err := sandbox.New(c)
	if err != nil {
		return err
	}
	if err := patiently(patience, func() error { return s.Start(context.Background()) }); err != nil {
		return errors.Join(err, s.Close())
	}
	st.mu.Lock()
	st.office = s
	st.mu.Unlock()
	return nil
}

func (st *standIn) stop() error { return st.current().Close() }

func (st *standIn) close() error {
	if s := st.current(); s != nil {
		return s.Close()
	}
	return nil
}

func (st *standIn) cut() { st.current().CutConnections() }

func (st *standIn) killSFTP() {} // it is no process of its own

func (st *standIn) look() { st.current().Look() }

func (st *standIn) address() (addr, user, fingerprint string) {
	s := st.current()
	return s.Addr(), st.setup.User, s.HostKeyFingerprint()
}

func (st *standIn) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, idleTime)
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

// idleTime is how long it may take until connections have ended whose clients
// are gone.
const idleTime = 30 * time.Second

func (st *standIn) hooks(generation int) sandbox.Hooks {
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
func (st *standIn) hit(s *strike) {
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
func (st *standIn) removing(folder, name string) {
	env := environmentOf(folder)
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
func (st *standIn) removingGO(env naming.Environment, folder string, n naming.Name) {
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
