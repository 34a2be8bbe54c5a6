package outbox_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/transport"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

var errBroken = &transport.Error{Op: "request", Class: transport.Temporary, Kind: transport.ErrConnection}

// world is a server in memory and a place to fetch to. It fails the test when
// something is deleted that is not safe.
type world struct {
	t       *testing.T
	archive string
	ledger  ledger.Ledger
	store   outbox.Ledger // the ledger, or a quick one in memory
	disk    *durable.Disk

	mu      sync.Mutex
	files   map[string]string // path → contents
	shown   []transport.Entry // shown in listings beside the files
	log     []string
	gets    map[string]int
	opt     outbox.Options
	failure func(step string) error // before every step
	lost    func(step string) error // after it: the answer is lost
	reading func(name string)       // while a file is read
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	archive := filepath.Join(dir, "arc[hi]ve*") // no pattern
	if runtime.GOOS == "windows" {
		archive = filepath.Join(dir, "arc[hi]ve") // no file has a * there
	}
	w := &world{
		t: t, archive: archive, ledger: testkit.Ledger(t, dir+"/ledger.db"),
		files: map[string]string{}, gets: map[string]int{},
	}
	w.store = w.ledger
	w.disk = &durable.Disk{Fault: func(step, path string) error {
		if strings.HasPrefix(path, w.archive) {
			return w.before("disk " + step)
		}
		return nil
	}}
	return w
}

func (w *world) before(step string) error {
	w.mu.Lock()
	f := w.failure
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(step)
}

func (w *world) after(step string) error {
	w.mu.Lock()
	f := w.lost
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(step)
}

func (w *world) put(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		content := ""
		if !strings.HasPrefix(n, "GO") {
			content = "content of " + n
		}
		w.files["OUTTEST/"+n] = content
	}
}

func cancelled(ctx context.Context) error {
	return &transport.Error{Op: "request", Class: transport.Cancelled, Err: ctx.Err()}
}

func (w *world) List(ctx context.Context, dir string, yield func(transport.Entry) error) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	if err := w.before("list"); err != nil {
		return err
	}
	w.mu.Lock()
	entries := slices.Clone(w.shown)
	for f, c := range w.files {
		if path.Dir(f) == dir {
			entries = append(entries, transport.Entry{Name: path.Base(f), Size: int64(len(c)), Type: transport.TypeFile, ModTime: testkit.Now()})
		}
	}
	w.mu.Unlock()
	for _, e := range entries {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Get(ctx context.Context, p string, to io.Writer, size int64) (int64, error) {
	if ctx.Err() != nil {
		return 0, cancelled(ctx)
	}
	if err := w.before("get"); err != nil {
		return 0, err
	}
	w.mu.Lock()
	w.gets[path.Base(p)]++
	reading := w.reading
	w.mu.Unlock()
	if reading != nil {
		reading(path.Base(p))
	}
	w.mu.Lock()
	content, there := w.files[p]
	w.mu.Unlock()
	if !there {
		return 0, &transport.Error{Op: "get", Path: p, Kind: transport.ErrNotFound}
	}
	n, err := io.WriteString(to, content)
	if err != nil {
		return int64(n), err
	}
	if size >= 0 && int64(n) != size {
		return int64(n), &transport.Error{Op: "get", Path: p, Class: transport.Temporary, Kind: transport.ErrSize}
	}
	return int64(n), w.after("get")
}

func (w *world) Remove(ctx context.Context, p string) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	if err := w.before("remove"); err != nil {
		return err
	}
	w.mu.Lock()
	content, there := w.files[p]
	w.mu.Unlock()
	if !there {
		return &transport.Error{Op: "remove", Path: p, Kind: transport.ErrNotFound}
	}
	w.checkSafe(path.Base(p), content)
	w.mu.Lock()
	delete(w.files, p)
	w.log = append(w.log, "remove "+path.Base(p))
	w.mu.Unlock()
	return w.after("remove")
}

// checkSafe fails the test when a file is about to be deleted whose bytes are
// not in the archive and in the ledger, or a GO before its replies.
func (w *world) checkSafe(name, content string) {
	n, err := naming.Parse(name)
	if err != nil {
		w.t.Errorf("%q is deleted", name)
		return
	}
	if n.Kind == naming.GO {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, k := range []naming.Kind{naming.FO, naming.CO, naming.FS} {
			for part := min(n.Parts, 1); part <= n.Parts; part++ {
				o := n.WithKind(k)
				o.Part = part
				if _, there := w.files["OUTTEST/"+o.String()]; there {
					w.t.Errorf("%s is deleted before %s", name, o)
				}
			}
		}
		return
	}
	stored, err := w.store.FilesNamed(context.Background(), n.Environment, name)
	if err != nil {
		w.t.Error(err)
	}
	want := outbox.Hash(sha256.Sum256([]byte(content)))
	for _, s := range stored {
		b, err := os.ReadFile(filepath.Join(w.archive, filepath.FromSlash(s.File.Path)))
		if s.File.Hash == want && err == nil && string(b) == content {
			return
		}
	}
	w.t.Errorf("%s is deleted and not safe: the ledger has %+v", name, stored)
}

// brokenLedger fails before or after a change.
type brokenLedger struct{ w *world }

func (l brokenLedger) FilesNamed(ctx context.Context, env naming.Environment, name string) ([]outbox.Stored, error) {
	if err := l.w.before("ledger files"); err != nil {
		return nil, err
	}
	return l.w.store.FilesNamed(ctx, env, name)
}

func (l brokenLedger) change(step string, do func() error) error {
	if err := l.w.before(step); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return l.w.after(step)
}

func (l brokenLedger) StoreReplies(ctx context.Context, r []*outbox.Reply) error {
	return l.change("ledger store", func() error { return l.w.store.StoreReplies(ctx, r) })
}

func (l brokenLedger) AddSignature(ctx context.Context, id int64, fs outbox.File) error {
	return l.change("ledger signature", func() error { return l.w.store.AddSignature(ctx, id, fs) })
}

func (l brokenLedger) StoredAgain(ctx context.Context, id int64) error {
	return l.change("ledger again", func() error { return l.w.store.StoredAgain(ctx, id) })
}

func (l brokenLedger) Deleted(ctx context.Context, id int64, at time.Time) error {
	return l.change("ledger deleted", func() error { return l.w.store.Deleted(ctx, id, at) })
}

func (w *world) fetchIn(ctx context.Context) (outbox.Report, error) {
	o := w.opt
	o.Archive, o.Disk = w.archive, w.disk
	if o.Now == nil {
		o.Now = testkit.Now
	}
	return outbox.NewFetcher(w, brokenLedger{w}, o).Fetch(ctx, naming.Test)
}

func (w *world) fetch() outbox.Report {
	w.t.Helper()
	r, err := w.fetchIn(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// ok fetches and fails the test when a set did not go well.
func (w *world) ok() outbox.Report {
	w.t.Helper()
	r := w.fetch()
	for _, s := range r.Sets {
		if s.Err != nil {
			w.t.Errorf("%s: %v", s.Key, s.Err)
		}
	}
	return r
}

func (w *world) onServer() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for f := range w.files {
		out = append(out, path.Base(f))
	}
	slices.Sort(out)
	return out
}

func (w *world) wantServer(want ...string) {
	w.t.Helper()
	if got := w.onServer(); !slices.Equal(got, want) {
		w.t.Errorf("on the server: %q, want %q", got, want)
	}
}

// replies gives what the ledger has, all of it unread.
func (w *world) replies() []ledger.Reply {
	w.t.Helper()
	all, err := w.ledger.UnreadReplies(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// wantStored compares the names in the ledger, and their bytes in the archive;
// nothing else may be there.
func (w *world) wantStored(want ...string) {
	w.t.Helper()
	var got []string
	files := map[string]bool{}
	for _, r := range w.replies() {
		got = append(got, r.Name)
		b, err := os.ReadFile(filepath.Join(w.archive, r.Path))
		if h := fmt.Sprintf("%x", sha256.Sum256(b)); err != nil || h != r.SHA256 {
			w.t.Errorf("%s in the archive: %s, %v", r.Path, h, err)
		}
		files[r.Path] = true
		if r.FSPath != "" {
			files[r.FSPath] = true
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("in the ledger: %q, want %q", got, want)
	}
	err := filepath.WalkDir(w.archive, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(w.archive, p)
		if rel = filepath.ToSlash(rel); files[rel] {
			return nil
		}
		stored, _, _ := strings.Cut(d.Name(), "~")
		known, err := w.ledger.FilesNamed(w.t.Context(), naming.Test, stored)
		if !slices.ContainsFunc(known, func(s outbox.Stored) bool { return s.File.Path == rel }) {
			w.t.Errorf("%s is in the archive and not in the ledger", rel)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Error(err)
	}
}

// name of a file of a reply set.
func name(kind string, n int, tail string) string {
	return fmt.Sprintf("%s.NOTI.999999.20260302.%05d.T%s", kind, n, tail)
}

// memory is a ledger without a disk.
type memory struct {
	mu      sync.Mutex
	files   map[string][]outbox.Stored
	stored  int
	deleted int
}

func (m *memory) FilesNamed(_ context.Context, _ naming.Environment, name string) ([]outbox.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.files[name]), nil
}

func (m *memory) StoreReplies(_ context.Context, replies []*outbox.Reply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range replies {
		m.stored++
		r.ID = int64(m.stored)
		m.files[r.File.Name] = append(m.files[r.File.Name], outbox.Stored{ReplyID: r.ID, File: r.File})
		if fs := r.Signature; fs != nil {
			m.files[fs.Name] = append(m.files[fs.Name], outbox.Stored{ReplyID: r.ID, File: *fs})
		}
	}
	return nil
}

func (m *memory) AddSignature(context.Context, int64, outbox.File) error {
	return errors.New("not expected")
}

func (m *memory) StoredAgain(context.Context, int64) error { return nil }

func (m *memory) Deleted(context.Context, int64, time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted++
	return nil
}
