package archive_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("reply.xml")
	if err == nil {
		_, err = f.Write(content)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// answered sends a set and stores its receipt and notifications, read and
// deleted on the server.
func (w *world) answered() (inbox.Submission, []*outbox.Reply) {
	s := w.send(taken...)
	goName := s.Set.GO().String()
	replies := []*outbox.Reply{
		w.store(naming.FO, "ACRF", testkit.Receipt(goName, fmt.Sprintf("9000%09d", w.n))),
		w.store(naming.FO, "NOTI", testkit.Notification(goName, testkit.Hour(1), "1")),
		w.store(naming.FO, "NOTI", testkit.Notification(s.Set.FI(2).String(), testkit.Hour(1), "1")),
	}
	w.read()
	for _, r := range replies {
		w.must(w.ledger.Deleted(w.t.Context(), r.ID, w.now))
	}
	return s, replies
}

func (w *world) prune(before time.Time, dry bool) archive.Pruned {
	prune := w.archive.Prune
	if dry {
		prune = w.archive.Prunable
	}
	got, err := prune(w.t.Context(), ledger.PruneFilter{Before: before})
	w.must(err)
	return got
}

func TestPrune(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.ledger.Close()
	old, oldReplies := w.answered()
	if s, err := w.ledger.Submission(t.Context(), old.ID); err != nil || s.State != inbox.Accepted {
		t.Fatalf("%+v, %v", s, err)
	}
	open := w.send(taken...)
	openReceipt := w.store(naming.FO, "ACRF", testkit.Receipt(open.Set.GO().String(), "900000A1B2C3D"))
	onServer := w.store(naming.FO, "FINO", []byte("<X/>"))
	stranger := w.store(naming.FO, "NOTI", testkit.Notification("GO.DIMN.222222.20250101.00001.T.1", "", "1"))
	unreadable := w.store(naming.FO, "FINO", []byte("%PDF-1.7"))
	w.read()
	for _, r := range []*outbox.Reply{openReceipt, stranger, unreadable} {
		w.must(w.ledger.Deleted(t.Context(), r.ID, w.now))
	}
	unsent := w.send(inbox.Uploading)
	w.seal(1) // one of the sets, and one of the replies
	w.now = w.now.AddDate(0, 0, 100)
	young, youngReplies := w.answered()
	late, lateReplies := w.answered()
	w.now = w.now.AddDate(0, 0, -100)
	unread := w.store(naming.FO, "FINO", []byte("<Y/>"))
	w.must(w.ledger.Deleted(t.Context(), unread.ID, w.now))
	w.now = w.now.AddDate(0, 0, 100)
	before := w.now.AddDate(0, 0, -50)

	want := archive.Pruned{Replies: 3, Sets: 1, Files: 10}
	for _, dry := range []bool{true, false} {
		got := w.prune(before, dry)
		if got.Bytes < 100 {
			t.Errorf("dry %v: %d bytes", dry, got.Bytes)
		}
		if got.Bytes = 0; got != want {
			t.Errorf("dry %v: %+v, want %+v", dry, got, want)
		}
		if state := w.setState(old); dry == (state == "gone") {
			t.Errorf("dry %v: %s", dry, state)
		}
	}
	for _, r := range oldReplies {
		if w.replyState(r) != "gone" {
			t.Errorf("%s is %s", r.File.Name, w.replyState(r))
		}
		if stored, err := w.ledger.Reply(t.Context(), r.ID); err != nil || !stored.PrunedAt.Equal(w.now) {
			t.Errorf("%+v, %v", stored, err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.archive.Spool, old.Spool)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of the set: %v", err)
	}
	for _, s := range []inbox.Submission{open, unsent, young, late} {
		if w.setState(s) == "gone" {
			t.Errorf("%s is gone", s.Set)
		}
	}
	for _, r := range append(append([]*outbox.Reply{openReceipt, onServer, stranger, unreadable, unread}, youngReplies...), lateReplies...) {
		if w.replyState(r) == "gone" {
			t.Errorf("%s is %s", r.File.Name, w.replyState(r))
		}
	}
	sets, replies, err := w.ledger.Kept(t.Context(), ledger.PruneFilter{Before: before})
	if err != nil || !maps.Equal(sets, map[string]int{ledger.KeptUnanswered: 2}) ||
		!maps.Equal(replies, map[string]int{ledger.KeptOpen: 1, ledger.KeptOnServer: 1, ledger.KeptUnmatched: 1, ledger.KeptUnreadable: 1, ledger.KeptUnread: 1}) {
		t.Errorf("kept %v, %v, %v", sets, replies, err)
	}
	if got := w.prune(before, false); got != (archive.Pruned{}) {
		t.Errorf("again: %+v", got)
	}
	// What protects against sending twice stays for ever.
	d := testkit.Draft([]string{"x"})
	d.Parts[0].Hash, d.Parts[0].Size = old.Parts[0].Hash, old.Parts[0].Size
	var already *inbox.AlreadyError
	if r := w.ledger.Reserve(t.Context(), []inbox.Draft{d})[0]; !errors.As(r.Err, &already) || already.Existing.ID != old.ID {
		t.Errorf("the same contents again: %+v", r)
	}
	// Another environment is left alone.
	w.now = w.now.AddDate(1, 0, 0)
	got, err := w.archive.Prune(t.Context(), ledger.PruneFilter{Before: w.now, Environment: naming.Production})
	if err != nil || got != (archive.Pruned{}) {
		t.Errorf("production: %+v, %v", got, err)
	}
	if got := w.prune(w.now, false); got.Sets != 2 || got.Replies != 6 {
		t.Errorf("a year later: %+v", got)
	}
}

// Killed at any step, the next run comes to the same end, and what is kept is
// untouched.
func TestPruneSurvivesDeath(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, t.TempDir())
		s, replies := w.answered()
		open := w.send(taken...)
		w.seal(2)
		w.now = w.now.AddDate(1, 0, 0)
		died := w.dieAt(n)
		_, err := w.archive.Prune(t.Context(), ledger.PruneFilter{Before: w.now})
		dead := died()
		if dead != errors.Is(err, errDead) {
			t.Errorf("step %d: %v", n, err)
		}
		w.prune(w.now, false)
		if w.setState(s) != "gone" || w.replyState(replies[0]) != "gone" || w.setState(open) == "gone" {
			t.Errorf("step %d: then %s, %s", n, w.setState(s), w.replyState(replies[0]))
		}
		for _, r := range replies {
			if stored, err := w.ledger.Reply(t.Context(), r.ID); err != nil || stored.PrunedAt.IsZero() {
				t.Errorf("step %d: %+v, %v", n, stored, err)
			}
		}
		if again := w.prune(w.now, false); again != (archive.Pruned{}) {
			t.Errorf("step %d: again %+v", n, again)
		}
		w.must(w.ledger.Close())
		if !dead {
			if n < 15 {
				t.Errorf("only %d steps", n)
			}
			return
		}
	}
}

// TestPruneModel lets anything happen in any order, and prunes in between: what
// is not answered, read, matched and deleted on the server for long enough is
// always there, and what is goes.
func TestPruneModel(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		m := &pruneModel{world: newWorld(t, filepath.Join(dir, fmt.Sprint(n)))}
		defer m.ledger.Close()
		t.Repeat(map[string]func(*rapid.T){
			"send":    func(*rapid.T) { m.sets = append(m.sets, &modelSet{Submission: m.send(taken...)}) },
			"prepare": func(*rapid.T) { m.sets = append(m.sets, &modelSet{Submission: m.send()}) },
			"unknown": func(*rapid.T) {
				m.sets = append(m.sets, &modelSet{Submission: m.send(inbox.Uploading, inbox.Unknown)})
			},
			"cancel":  m.cancel,
			"answer":  m.answer,
			"other":   m.other,
			"read":    func(*rapid.T) { m.readAll() },
			"deleted": m.deleted,
			"time":    func(t *rapid.T) { m.now = m.now.AddDate(0, 0, rapid.IntRange(1, 40).Draw(t, "days")) },
			"seal":    func(t *rapid.T) { m.seal(0); m.check(t) },
			"prune":   m.pruneSome,
		})
	})
}

type pruneModel struct {
	*world
	sets    []*modelSet
	replies []*modelReply
}

type modelSet struct {
	inbox.Submission
	gone bool
}

type modelReply struct {
	*outbox.Reply
	to                  []*modelSet // that it answers
	stranger, bad       bool
	read, deleted, gone bool
}

func (m *pruneModel) cancel(t *rapid.T) {
	for _, s := range m.sets {
		now, err := m.ledger.Submission(m.t.Context(), s.ID)
		m.must(err)
		if now.State.BeforeGO() && rapid.Bool().Draw(t, "cancelled") {
			m.must(m.ledger.Move(m.t.Context(), s.ID, inbox.Cancelled, ""))
		}
	}
}

func (m *pruneModel) answer(t *rapid.T) {
	if len(m.sets) == 0 {
		t.Skip("no set")
	}
	s := rapid.SampledFrom(m.sets).Draw(t, "set")
	if now, err := m.ledger.Submission(m.t.Context(), s.ID); err != nil || now.State.BeforeGO() {
		t.Skip("not sent")
	}
	goName := s.Set.GO().String()
	r := &modelReply{to: []*modelSet{s}}
	switch rapid.SampledFrom([]string{"receipt", "refusal", "first", "second"}).Draw(t, "kind") {
	case "receipt":
		r.Reply = m.store(naming.FO, "ACRF", testkit.Receipt(goName, fmt.Sprintf("9000%09d", m.n)))
	case "refusal":
		r.Reply = m.store(naming.FO, "ACRF", testkit.Receipt(goName, fmt.Sprintf("9000%09d", m.n), "ACRF-102"))
	case "first":
		r.Reply = m.store(naming.FO, "NOTI", testkit.Notification(goName, testkit.Hour(1), "1"))
	case "second":
		r.Reply = m.store(naming.FO, "NOTI", testkit.Notification(s.Set.FI(2).String(), testkit.Hour(1), "1"))
	}
	m.replies = append(m.replies, r)
}

func (m *pruneModel) other(t *rapid.T) {
	r := &modelReply{}
	switch rapid.SampledFrom([]string{"stranger", "unreadable", "flux"}).Draw(t, "kind") {
	case "stranger":
		r.Reply, r.stranger = m.store(naming.FO, "NOTI", testkit.Notification("GO.DIMN.222222.20250101.00001.T.1", "", "1")), true
	case "unreadable":
		r.Reply, r.bad = m.store(naming.FO, "FINO", []byte("%PDF-1.7")), true
	case "flux":
		r.Reply = m.store(naming.FO, "IDFL", []byte(`<IDFLUX><Form><Identification>X</Identification></Form></IDFLUX>`))
	}
	m.replies = append(m.replies, r)
}

func (m *pruneModel) readAll() {
	m.world.read()
	for _, r := range m.replies {
		r.read = true
	}
}

func (m *pruneModel) deleted(t *rapid.T) {
	for _, r := range m.replies {
		if !r.deleted && rapid.Bool().Draw(t, "deleted") {
			m.must(m.ledger.Deleted(m.t.Context(), r.ID, m.now))
			r.deleted = true
		}
	}
}

func (m *pruneModel) pruneSome(t *rapid.T) {
	before := m.now.AddDate(0, 0, -rapid.IntRange(1, 60).Draw(t, "older than"))
	settled := map[*modelSet]bool{}
	for _, s := range m.sets {
		now, err := m.ledger.Submission(m.t.Context(), s.ID)
		m.must(err)
		settled[s] = now.State.Final() && now.UpdatedAt.Before(before) && now.CreatedAt.Before(before)
		for _, r := range m.replies {
			if r.read && r.to != nil && r.to[0] == s && !r.FetchedAt.Before(before) {
				settled[s] = false
			}
		}
	}
	m.prune(before, false)
	for s, is := range settled {
		s.gone = s.gone || is
	}
	for _, r := range m.replies {
		ok := r.read && r.deleted && !r.stranger && !r.bad && r.FetchedAt.Before(before)
		for _, s := range r.to {
			ok = ok && settled[s]
		}
		r.gone = r.gone || ok
	}
	m.check(t)
}

func (m *pruneModel) check(t *rapid.T) {
	for _, s := range m.sets {
		if got := m.setState(s.Submission); (got == "gone") != s.gone || got == "mixed" {
			t.Fatalf("%s is %s", s.Set, got)
		}
	}
	for _, r := range m.replies {
		if got := m.replyState(r.Reply); (got == "gone") != r.gone || got == "mixed" {
			t.Fatalf("%s is %s (%+v)", r.File.Name, got, r)
		}
	}
}
