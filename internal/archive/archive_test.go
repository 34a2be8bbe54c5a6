package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// fatal is what testing.T and rapid.T have.
type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Context() context.Context
}

// world is an archive and a spool with a ledger of its own.
type world struct {
	t       fatal
	dir     string
	now     time.Time
	ledger  ledger.Ledger
	reader  *answers.Reader
	archive *archive.Archive
	to      *seal.Recipients
	ids     *seal.Identities
	n       int
	content map[string][]byte // of every file, by its path in clear
}

var identity = sync.OnceValues(age.GenerateX25519Identity)

func newWorld(t fatal, dir string) *world {
	w := &world{t: t, dir: dir, now: testkit.Now(), content: map[string][]byte{}}
	w.must(os.MkdirAll(dir, 0o700))
	var err error
	w.ledger, err = sqlite.Open(t.Context(), filepath.Join(dir, "ledger.db"), sqlite.Options{Now: func() time.Time { return w.now }})
	w.must(err)
	w.reader = &answers.Reader{Ledger: w.ledger, Archive: filepath.Join(dir, "replies"), Now: testkit.Now}
	w.archive = &archive.Archive{
		Ledger: w.ledger, Replies: filepath.Join(dir, "replies"), Spool: filepath.Join(dir, "spool"), Disk: new(durable.Disk),
		Now: func() time.Time { return w.now },
	}
	id, err := identity()
	w.must(err)
	w.to, err = seal.ParseRecipients(id.Recipient().String())
	w.must(err)
	file := filepath.Join(dir, "identity")
	w.must(os.WriteFile(file, []byte(id.String()), 0o600))
	w.ids, err = seal.OpenIdentities(file, nil)
	w.must(err)
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(root, path string, content []byte) outbox.File {
	full := filepath.Join(root, filepath.FromSlash(path))
	w.must(os.MkdirAll(filepath.Dir(full), 0o700))
	w.must(os.WriteFile(full, content, 0o600))
	w.content[full] = content
	return outbox.File{Name: filepath.Base(full), Path: path, Size: int64(len(content)), Hash: sha256.Sum256(content)}
}

// send puts a signed set of two parts on its way up to a state.
func (w *world) send(states ...inbox.State) inbox.Submission {
	w.n++
	d := testkit.Draft([]string{fmt.Sprint("a", w.n)}, []string{fmt.Sprint("b", w.n)})
	d.Spool = fmt.Sprintf("20260302T100000-%06x", w.n)
	for i := range d.Parts {
		p := &d.Parts[i]
		fi := w.write(w.archive.Spool, fmt.Sprintf("%s/%d.FI", d.Spool, p.Number), fmt.Appendf(nil, "declaration %d.%d", w.n, i))
		fs := w.write(w.archive.Spool, fmt.Sprintf("%s/%d.FS", d.Spool, p.Number), fmt.Appendf(nil, "signature %d.%d", w.n, i))
		p.Size, p.Hash, p.SignSize, p.Signature = fi.Size, inbox.Hash(fi.Hash), fs.Size, inbox.Hash(fs.Hash)
	}
	r := w.ledger.Reserve(w.t.Context(), []inbox.Draft{d})[0]
	w.must(r.Err)
	for _, s := range states {
		w.must(w.ledger.Move(w.t.Context(), r.Submission.ID, s, ""))
	}
	return r.Submission
}

var taken = []inbox.State{inbox.Uploading, inbox.Unknown, inbox.Sent}

// store puts a reply with a signature into archive and ledger.
func (w *world) store(kind naming.Kind, application string, content []byte) *outbox.Reply {
	w.n++
	n, err := naming.Parse(fmt.Sprintf("%s.%s.999999.20260302.%05d.T", kind, application, w.n))
	w.must(err)
	r := &outbox.Reply{Environment: naming.Test, Name: n, FetchedAt: w.now}
	day := "T/" + w.now.Format(time.DateOnly) + "/"
	r.File = w.write(w.archive.Replies, day+n.String(), content)
	fs := w.write(w.archive.Replies, day+n.WithKind(naming.FS).String(), []byte("signature"))
	r.Signature = &fs
	w.must(w.ledger.StoreReplies(w.t.Context(), []*outbox.Reply{r}))
	return r
}

func (w *world) read() {
	_, err := w.reader.Unread(w.t.Context())
	w.must(err)
}

// state says how a file lies: clear, sealed, both or gone. In whichever way it
// lies it has its contents.
func (w *world) state(path string) string {
	plain, err := os.ReadFile(path)
	isPlain := err == nil
	if isPlain && !bytes.Equal(plain, w.content[path]) {
		w.t.Errorf("%s has other contents", path)
	}
	isSealed := false
	if f, err := w.ids.Open(path + seal.Suffix); err == nil {
		got, err := io.ReadAll(f.Reader())
		w.must(errors.Join(err, f.Close()))
		if !bytes.Equal(got, w.content[path]) {
			w.t.Errorf("%s is encrypted with other contents", path)
		}
		isSealed = true
	} else if !errors.Is(err, os.ErrNotExist) {
		w.t.Errorf("%s: %v", path, err)
	}
	return map[[2]bool]string{{true, false}: "clear", {false, true}: "sealed", {true, true}: "both", {false, false}: "gone"}[[2]bool{isPlain, isSealed}]
}

// setState says how the files of a set lie, all alike.
func (w *world) setState(s inbox.Submission) string {
	var states []string
	for _, p := range s.Parts {
		for _, kind := range []string{"FI", "FS"} {
			states = append(states, w.state(filepath.Join(w.archive.Spool, s.Spool, fmt.Sprintf("%d.%s", p.Number, kind))))
		}
	}
	return alike(states)
}

func (w *world) replyState(r *outbox.Reply) string {
	path := func(p string) string { return filepath.Join(w.archive.Replies, filepath.FromSlash(p)) }
	return alike([]string{w.state(path(r.File.Path)), w.state(path(r.Signature.Path))})
}

func alike(states []string) string {
	if slices.Sort(states); len(slices.Compact(states)) > 1 {
		return "mixed"
	}
	return states[0]
}

func (w *world) seal(limit int) archive.Sealed {
	got, err := w.archive.Seal(w.t.Context(), w.to, naming.Environments(), limit)
	w.must(err)
	return got
}

func TestSeal(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	want := map[string]string{}
	states := map[string]func() string{}
	set := func(name, state string, s inbox.Submission) {
		want[name], states[name] = state, func() string { return w.setState(s) }
	}
	reply := func(name, state string, r *outbox.Reply) {
		want[name], states[name] = state, func() string { return w.replyState(r) }
	}
	sent := w.send(taken...)
	set("sent", "sealed", sent)
	set("prepared", "clear", w.send())
	set("uploading", "clear", w.send(inbox.Uploading))
	set("unknown", "clear", w.send(inbox.Uploading, inbox.Unknown))
	set("given up just now", "clear", w.send(inbox.Cancelled))
	receipt := w.store(naming.FO, "ACRF", testkit.Receipt(sent.Set.GO().String(), "900000A1B2C3D"))
	reply("receipt", "sealed", receipt)
	reply("matches nothing", "sealed", w.store(naming.FO, "NOTI", testkit.Notification("GO.DIMN.222222.20250101.00001.T.1", "", "1")))
	reply("not XML", "sealed", w.store(naming.FO, "FINO", []byte("%PDF-1.7")))
	packed := w.store(naming.CO, "IDFL", zipped(t, []byte(`<IDFLUX><Form><Identification>X</Identification></Form></IDFLUX>`)))
	reply("compressed", "sealed", packed)
	w.read()
	reply("not read", "clear", w.store(naming.FO, "NOTI", testkit.Notification(sent.Set.GO().String(), testkit.Hour(1), "1")))
	content := filepath.Join(w.archive.Replies, filepath.FromSlash(packed.File.Path)) + answers.ContentSuffix
	if _, err := os.Stat(content); err != nil {
		t.Fatal(err)
	}
	if got := w.seal(0); got != (archive.Sealed{Replies: 4, Sets: 1}) {
		t.Errorf("sealed %+v", got)
	}
	for name, state := range want {
		if got := states[name](); got != state {
			t.Errorf("%s: %s, want %s", name, got, state)
		}
	}
	if _, err := os.Stat(content); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the content of the compressed reply: %v", err)
	}
	if r, err := w.ledger.Reply(t.Context(), receipt.ID); err != nil || !r.SealedAt.Equal(w.now) {
		t.Errorf("%+v, %v", r, err)
	}
	// Later: the set that was given up rests no more, and the reply is read.
	w.now = w.now.Add(2 * time.Hour)
	w.read()
	want["given up just now"], want["not read"] = "sealed", "sealed"
	if got := w.seal(0); got != (archive.Sealed{Replies: 1, Sets: 1}) {
		t.Errorf("sealed %+v", got)
	}
	if got := w.seal(0); got != (archive.Sealed{}) {
		t.Errorf("sealed again %+v", got)
	}
	for name, state := range want {
		if got := states[name](); got != state {
			t.Errorf("later: %s: %s, want %s", name, got, state)
		}
	}
	// Stored once more, it is encrypted once more.
	w.write(w.archive.Replies, receipt.File.Path, w.content[filepath.Join(w.archive.Replies, filepath.FromSlash(receipt.File.Path))])
	w.must(w.ledger.StoredAgain(t.Context(), receipt.ID))
	if got := w.seal(0); got.Replies != 1 || w.replyState(receipt) != "sealed" {
		t.Errorf("sealed %+v, %s", got, w.replyState(receipt))
	}
}

// While a hook has not been told of a reply, or may still read it, it stays.
func TestSealWaitsForHook(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	w.ledger.Tell(ledger.OnReply)
	r := w.store(naming.FO, "FINO", []byte("x"))
	w.read()
	calls, err := w.ledger.DueCalls(t.Context(), ledger.OnReply)
	w.must(err)
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"due", func() {}, "clear"},
		{"begun", func() { _, err := w.ledger.BeginCall(t.Context(), calls[0].ID); w.must(err) }, "clear"},
		{"a day after it was begun and killed", func() { w.now = w.now.Add(25 * time.Hour) }, "sealed"},
	} {
		c.do()
		w.seal(0)
		if got := w.replyState(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	told := w.store(naming.FO, "FINO", []byte("y"))
	w.read()
	calls, err = w.ledger.DueCalls(t.Context(), ledger.OnReply)
	w.must(err)
	_, err = w.ledger.BeginCall(t.Context(), calls[0].ID)
	w.must(errors.Join(err, w.ledger.EndCall(t.Context(), calls[0].ID, ledger.CallResult{Result: "done"})))
	if w.seal(0); w.replyState(told) != "sealed" {
		t.Error("the hook was told and the reply lies in clear")
	}
}

func TestSealIsBounded(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	var sets []inbox.Submission
	for range 5 {
		sets = append(sets, w.send(taken...))
	}
	var replies []*outbox.Reply
	for range 300 {
		replies = append(replies, w.store(naming.FO, "FINO", []byte("x")))
	}
	w.read()
	if got := w.seal(3); got != (archive.Sealed{Sets: 3, Replies: 3, More: true}) || w.setState(sets[4]) != "sealed" || w.setState(sets[0]) != "clear" {
		t.Errorf("sealed %+v", got)
	}
	if got := w.seal(4); got != (archive.Sealed{Sets: 2, Replies: 4, More: true}) || w.replyState(replies[293]) != "sealed" || w.replyState(replies[292]) != "clear" {
		t.Errorf("sealed %+v", got)
	}
	if got := w.seal(293); got != (archive.Sealed{Replies: 293}) {
		t.Errorf("sealed %+v", got)
	}
}

// Where the archive is not, nothing is said of what lies in it.
func TestElsewhere(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	s := w.send(taken...)
	s2 := w.send(inbox.Cancelled)
	w.now = w.now.AddDate(1, 0, 0)
	here := w.archive.Spool
	w.archive.Spool += "-elsewhere"
	if got := w.seal(0); got != (archive.Sealed{}) {
		t.Errorf("sealed %+v", got)
	}
	if got, err := w.archive.Prune(t.Context(), ledger.PruneFilter{Before: w.now}); err != nil || got != (archive.Pruned{Missing: 1}) {
		t.Errorf("pruned %+v, %v", got, err)
	}
	w.archive.Spool = here
	if got := w.seal(0); got.Sets != 2 || w.setState(s) != "sealed" || w.setState(s2) != "sealed" {
		t.Errorf("sealed %+v", got)
	}
}

// A ledger that was tampered with does not lead out of the archive.
func TestPathsOutside(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	for i, path := range []string{"../victim/file", "/victim/file", "file", "", "T/../../victim/file"} {
		n, err := naming.Parse(fmt.Sprintf("FO.FINO.999999.20260302.%05d.T", i+1))
		w.must(err)
		r := &outbox.Reply{Environment: naming.Test, Name: n, FetchedAt: w.now, File: outbox.File{Name: n.String(), Path: path}}
		w.must(w.ledger.StoreReplies(t.Context(), []*outbox.Reply{r}))
		stored, err := w.ledger.Reply(t.Context(), r.ID)
		w.must(err)
		_, err = w.ledger.ReadReply(t.Context(), stored)
		w.must(errors.Join(err, w.ledger.Deleted(t.Context(), r.ID, w.now)))
	}
	victim := filepath.Join(w.dir, "victim", "file")
	w.write(w.dir, "victim/file", []byte("x"))
	if _, err := w.archive.Seal(t.Context(), w.to, naming.Environments(), 0); err == nil || !strings.Contains(err.Error(), "nothing is touched") {
		t.Errorf("got %v", err)
	}
	w.now = w.now.AddDate(1, 0, 0)
	if _, err := w.archive.Prune(t.Context(), ledger.PruneFilter{Before: w.now}); err == nil {
		t.Error("no error")
	}
	if got := w.state(victim); got != "clear" {
		t.Errorf("the file outside is %s", got)
	}
}

// deadLedger fails once the program is dead.
type deadLedger struct {
	ledger.Ledger
	step func(string) error
}

var errDead = errors.New("killed")

func (l deadLedger) change(do func() error) error {
	if err := l.step("ledger"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return l.step("entered")
}

func (l deadLedger) Sealed(ctx context.Context, h []ledger.Holding) error {
	return l.change(func() error { return l.Ledger.Sealed(ctx, h) })
}

func (l deadLedger) BeginPrune(ctx context.Context, h []ledger.Holding) error {
	return l.change(func() error { return l.Ledger.BeginPrune(ctx, h) })
}

func (l deadLedger) Pruned(ctx context.Context, h []ledger.Holding) error {
	return l.change(func() error { return l.Ledger.Pruned(ctx, h) })
}

// dieAt lets everything fail from the nth step on; it reports whether there
// were so many.
func (w *world) dieAt(n int) (died func() bool) {
	var mu sync.Mutex
	steps := 0
	step := func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if steps++; steps >= n {
			return errDead
		}
		return nil
	}
	w.archive.Disk = &durable.Disk{Fault: func(s, _ string) error { return step(s) }}
	w.archive.Ledger = deadLedger{w.ledger, step}
	return func() bool {
		w.archive.Disk, w.archive.Ledger = new(durable.Disk), w.ledger
		return steps >= n
	}
}

// Killed at any step, nothing is lost, and the next run comes to the same end.
func TestSealSurvivesDeath(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, t.TempDir())
		s := w.send(taken...)
		r := w.store(naming.CO, "IDFL", zipped(t, []byte(`<IDFLUX><Form><Identification>X</Identification></Form></IDFLUX>`)))
		w.read()
		died := w.dieAt(n)
		_, err := w.archive.Seal(t.Context(), w.to, naming.Environments(), 0)
		dead := died()
		if dead != errors.Is(err, errDead) {
			t.Errorf("step %d: %v", n, err)
		}
		w.write(w.archive.Spool, ".sealing/left.age", []byte("half")) // as kill -9 leaves it
		for _, path := range []string{s.Spool + "/1.FI", s.Spool + "/2.FS"} {
			if w.state(filepath.Join(w.archive.Spool, path)) == "gone" {
				t.Errorf("step %d: %s is gone", n, path)
			}
		}
		if w.replyState(r) == "gone" || w.replyState(r) == "mixed" && w.state(filepath.Join(w.archive.Replies, r.File.Path)) == "gone" {
			t.Errorf("step %d: the reply is gone", n)
		}
		w.seal(0)
		if w.setState(s) != "sealed" || w.replyState(r) != "sealed" {
			t.Errorf("step %d: then %s, %s", n, w.setState(s), w.replyState(r))
		}
		if again := w.seal(0); again != (archive.Sealed{}) {
			t.Errorf("step %d: then %+v", n, again)
		}
		if left, err := filepath.Glob(filepath.Join(w.dir, "*", ".sealing", "*")); err != nil || dead && len(left) > 0 && w.setState(s) != "sealed" {
			t.Errorf("step %d: left %v, %v", n, left, err)
		}
		w.must(w.ledger.Close())
		if !dead {
			if n < 20 {
				t.Errorf("only %d steps", n)
			}
			return
		}
	}
}
