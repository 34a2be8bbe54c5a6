package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

var (
	errTemporary = &transport.Error{Op: "put", Class: transport.Temporary, Kind: transport.ErrConnection}
	errDenied    = &transport.Error{Op: "put", Class: transport.Permanent, Kind: transport.ErrPermission}
	errForbidden = &transport.Error{Op: "list", Class: transport.Permanent, Kind: transport.ErrPermission}
)

// server is a file server in memory. It fails the test when a GO comes too
// early or too often.
type server struct {
	t        *testing.T
	mu       sync.Mutex
	files    map[string]string
	flying   map[string]int // files being put, by set
	gos      map[string]int // GO requests, by set
	log      []string       // finished requests
	twice    bool           // a second GO is expected
	overlaps bool           // runs without locks may upload what another one sends
	takes    bool           // a set is taken away at its GO
	before   func(op, path string) error
	after    func(op, path string) error // the request was carried out, the answer is lost
	lists    int
	listHook func(n int) error // before the n-th listing
}

func newServer(t *testing.T) *server {
	return &server{t: t, files: map[string]string{}, flying: map[string]int{}, gos: map[string]int{}}
}

func failOn(op, prefix string, err error) func(string, string) error {
	return func(o, p string) error {
		if o == op && strings.HasPrefix(path.Base(p), prefix) {
			return err
		}
		return nil
	}
}

func (s *server) hook(h func(op, path string) error, op, p string) error {
	if h == nil {
		return nil
	}
	return h(op, p)
}

func cancelled(ctx context.Context) error {
	return &transport.Error{Op: "request", Class: transport.Cancelled, Err: ctx.Err()}
}

func (s *server) Put(ctx context.Context, p string, r io.Reader, size int64) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	n, err := naming.Parse(path.Base(p))
	if err != nil {
		s.t.Errorf("put of %s: %v", p, err)
		return err
	}
	s.mu.Lock()
	if n.Kind == naming.GO {
		s.checkGO(n, path.Dir(p))
	} else {
		s.flying[n.SetKey()]++
		defer func() {
			s.mu.Lock()
			s.flying[n.SetKey()]--
			s.mu.Unlock()
		}()
	}
	s.mu.Unlock()
	if err := s.hook(s.before, "put", p); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(len(b)) != size {
		return &transport.Error{Op: "put", Path: p, Class: transport.Permanent, Kind: transport.ErrSize}
	}
	s.files[p] = string(b)
	s.log = append(s.log, "put "+path.Base(p))
	if n.Kind == naming.GO && s.takes {
		for f := range s.files {
			if g, err := naming.Parse(path.Base(f)); err == nil && g.SetKey() == n.SetKey() {
				delete(s.files, f)
			}
		}
	}
	return s.hook(s.after, "put", p)
}

func (s *server) checkGO(n naming.Name, dir string) {
	key := n.SetKey()
	if s.gos[key]++; s.gos[key] > 1 && !s.twice {
		s.t.Errorf("a second GO for %s", key)
	}
	if s.flying[key] > 0 && !s.overlaps {
		s.t.Errorf("GO of %s while files of the set are on their way", key)
	}
	for i := range n.Parts {
		if _, there := s.files[path.Join(dir, n.Set().FI(i+1).String())]; !there {
			s.t.Errorf("GO of %s without its part %d", key, i+1)
		}
	}
}

func (s *server) List(ctx context.Context, dir string, yield func(transport.Entry) error) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	s.mu.Lock()
	s.lists++
	n := s.lists
	s.mu.Unlock()
	if s.listHook != nil {
		if err := s.listHook(n); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, c := range s.files {
		if path.Dir(f) == dir {
			if err := yield(transport.Entry{Name: path.Base(f), Size: int64(len(c)), Type: transport.TypeFile}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) Remove(ctx context.Context, p string) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	if err := s.hook(s.before, "remove", p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.files[p]; !there {
		return &transport.Error{Op: "remove", Path: p, Kind: transport.ErrNotFound}
	}
	delete(s.files, p)
	s.log = append(s.log, "remove "+path.Base(p))
	return nil
}

func (s *server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for f := range s.files {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

func (s *server) goCount() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gos {
		n += g
	}
	return n
}

// failingLedger fails a change on demand, before or after it is made.
type failingLedger struct {
	ledger.Ledger
	before, after func(what string) error
}

func (l failingLedger) Move(ctx context.Context, id int64, to inbox.State, note string) error {
	if l.before != nil {
		if err := l.before("move " + string(to)); err != nil {
			return err
		}
	}
	err := l.Ledger.Move(ctx, id, to, note)
	if err == nil && l.after != nil {
		err = l.after("move " + string(to))
	}
	return err
}

var errLedger = errors.New("the disk of the ledger is full")

func at(what string) func(string) error {
	return func(w string) error {
		if w == what {
			return errLedger
		}
		return nil
	}
}

// world is a place to send from.
type world struct {
	t      *testing.T
	dir    string
	server *server
	ledger ledger.Ledger
	spool  *inbox.Spool
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	testkit.WriteFile(t, dir, "spool/neighbour/1.FI", []byte("of another set"))
	return &world{
		t: t, dir: dir, server: newServer(t), ledger: testkit.Ledger(t, dir+"/ledger.db"),
		spool: inbox.NewSpool(dir+"/spool", &durable.Disk{}),
	}
}

func (w *world) deliverer() *inbox.Deliverer { return w.delivererWith(w.ledger) }

func (w *world) delivererWith(l inbox.Ledger) *inbox.Deliverer {
	return inbox.NewDeliverer(w.server, l, w.spool, inbox.Options{Pause: time.Nanosecond, Parallel: 4})
}

func (w *world) submitter() *inbox.Submitter {
	return &inbox.Submitter{
		Spool: w.spool, Ledger: w.ledger, Sender: testkit.Sender, Environment: naming.Test, Now: testkit.Now,
		Deliverer: func(context.Context) (*inbox.Deliverer, error) { return w.deliverer(), nil },
	}
}

// prepared freezes and names a signed set of so many parts.
func (w *world) prepared(parts int) *inbox.Submission {
	w.t.Helper()
	var files []string
	for i := range parts {
		files = append(files, testkit.WriteFile(w.t, w.t.TempDir(), "d.xml", testkit.Dimona("ref"+string(rune('a'+i)))))
	}
	spool, frozen, err := w.spool.Freeze(w.t.Context(), files, freezeOptions(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	d := inbox.Draft{Application: "DIMN", Sender: testkit.Sender, Environment: naming.Test, Date: testkit.Day, Spool: spool}
	for _, f := range frozen {
		d.Parts = append(d.Parts, f.Part)
	}
	s := testkit.Reserve(w.t, w.ledger, d)
	return &s
}

// unknown is a set whose GO left without an answer; its files are on the
// server, GO is not.
func (w *world) unknown(parts int) *inbox.Submission {
	w.t.Helper()
	s := w.prepared(parts)
	w.server.before = failOn("put", "GO", errTemporary)
	var unknown *inbox.UnknownError
	if err := w.deliverer().Deliver(w.t.Context(), s); !errors.As(err, &unknown) {
		w.t.Fatalf("got %v, want an UnknownError", err)
	}
	w.server.before = nil
	w.wantState(s, inbox.Unknown)
	return s
}

func (w *world) stored(id int64) inbox.Submission {
	w.t.Helper()
	s, err := w.ledger.Submission(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// wantState compares the set in memory and in the ledger.
func (w *world) wantState(s *inbox.Submission, want inbox.State) {
	w.t.Helper()
	if got := w.stored(s.ID).State; got != want {
		w.t.Errorf("%s is %s in the ledger, want %s", s.Set, got, want)
	}
	if s.State != want {
		w.t.Errorf("%s is %s in memory, want %s", s.Set, s.State, want)
	}
}

func (w *world) wantGOs(n int) {
	w.t.Helper()
	if got := w.server.goCount(); got != n {
		w.t.Errorf("GO was asked for %d times, want %d", got, n)
	}
}

// spoolDirs lists what is in the spool, and makes sure that the copy of another
// set is among it.
func (w *world) spoolDirs() []string {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir + "/spool")
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.Name() != "neighbour" {
			out = append(out, e.Name())
		}
	}
	if got := string(mustRead(w.t, w.dir+"/spool/neighbour/1.FI")); got != "of another set" {
		w.t.Errorf("the copy of another set is now %q", got)
	}
	return out
}

func (w *world) count() int {
	w.t.Helper()
	all, err := w.ledger.Submissions(w.t.Context(), ledger.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(all)
}

func freezeOptions(t testing.TB) inbox.FreezeOptions {
	o := inbox.FreezeOptions{Identity: testkit.Identity(t)}
	o.Sign.SigningTime = testkit.Now()
	return o
}

func mustRead(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equalBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes differ from the %d expected", what, len(got), len(want))
	}
}
