package ledgertest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// TestModel does what comes to mind with a ledger, closes and opens it in
// between, and looks after every step: no name comes twice, no contents are
// live in two sets unless a person insisted, a set that was sent is never taken
// for one that was not, one that was given up is never sent, and no reply is
// lost, read twice, or taken for another.
func (kit suite) TestModel(t *testing.T) {
	all := t
	rapid.Check(t, func(t *rapid.T) {
		m := &model{place: kit.places(all), names: map[string]bool{}}
		m.open(t)
		defer func() { _ = m.l.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve,
			"move":    m.move,
			"store":   m.store,
			"read":    m.read,
			"deleted": m.deleted,
			"reopen": func(t *rapid.T) {
				if err := m.l.Close(); err != nil {
					t.Fatal(err)
				}
				m.open(t)
			},
			"": func(t *rapid.T) {
				m.checkSets(t)
				m.checkContents(t)
				m.checkReplies(t)
			},
		})
	})
}

// model is what a ledger should know.
type model struct {
	place   Open
	l       ledger.Ledger
	sets    []*modelSet
	names   map[string]bool
	replies []*modelReply
}

type modelSet struct {
	inbox.Submission
	content string
	again   bool
	outcome string // of its receipts
	ways    []inbox.State
}

type modelReply struct {
	outbox.Reply
	read, deleted bool
}

func (m *model) open(t *rapid.T) {
	var err error
	if m.l, err = m.place(t.Context(), testkit.Now); err != nil {
		t.Fatal(err)
	}
}

// holds reports whether the contents of a set may not go again by themselves.
func (s *modelSet) holds() bool {
	return s.State != inbox.Cancelled && s.outcome != ledger.OutcomeRefused
}

func (m *model) reserve(t *rapid.T) {
	content := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "content")
	d := testkit.Draft([]string{content})
	d.Again = rapid.Bool().Draw(t, "again")
	if rapid.Bool().Draw(t, "chosen") {
		d.Sequence = naming.Sequence(fmt.Sprintf("%05d", rapid.IntRange(1, 6).Draw(t, "number")))
	}
	r := m.l.Reserve(t.Context(), []inbox.Draft{d})[0]
	var open, held bool // by another set
	for _, s := range m.sets {
		open = open || s.content == content && s.State.Unfinished()
		held = held || s.content == content && s.holds()
	}
	var already *inbox.AlreadyError
	var used *inbox.NameUsedError
	switch {
	case open || held && !d.Again:
		if !errors.As(r.Err, &already) {
			t.Fatalf("contents %s are in the ledger: got %v", content, r.Err)
		}
	case errors.As(r.Err, &used):
		if d.Sequence == "" || !m.names[used.Name] {
			t.Fatalf("refused a name that is free: %v", used)
		}
	case r.Err != nil:
		t.Fatal(r.Err)
	default:
		if m.names[r.Submission.Set.String()] {
			t.Fatalf("%s was given twice", r.Submission.Set)
		}
		m.names[r.Submission.Set.String()] = true
		m.sets = append(m.sets, &modelSet{Submission: r.Submission, content: content, again: d.Again, ways: []inbox.State{inbox.Prepared}})
	}
}

func (m *model) set(t *rapid.T) *modelSet {
	if len(m.sets) == 0 {
		t.Skip("no set")
	}
	return rapid.SampledFrom(m.sets).Draw(t, "set")
}

func (m *model) move(t *rapid.T) {
	s := m.set(t)
	// These need the answer that they rest on.
	byAnswer := func(s inbox.State) bool { return s == inbox.Refused || s == inbox.NameUsed }
	to := rapid.SampledFrom(slices.DeleteFunc(inbox.States(), byAnswer)).Draw(t, "to")
	err := m.l.Move(t.Context(), s.ID, to, "")
	if s.State.CanBecome(to) != (err == nil) {
		t.Fatalf("%s to %s: %v", s.State, to, err)
	}
	if err == nil {
		s.State, s.ways = to, append(s.ways, to)
	}
}

// store enters replies together; where one is there already none is entered.
func (m *model) store(t *rapid.T) {
	var batch []*outbox.Reply
	fresh := true
	for i := range rapid.IntRange(1, 2).Draw(t, "replies") {
		name, err := naming.Parse(fmt.Sprintf("FO.NOTI.999999.20260302.%05d.T", rapid.IntRange(1, 3).Draw(t, "name")))
		if err != nil {
			t.Fatal(err)
		}
		content := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "content")
		r := &outbox.Reply{
			Environment: naming.Test, Name: name, FetchedAt: testkit.Now(),
			File: outbox.File{Name: name.String(), Path: fmt.Sprint(len(m.replies)+i, name), Size: 1, Hash: sha256.Sum256([]byte(content))},
		}
		for _, old := range append(batch, m.stored()...) {
			fresh = fresh && (old.Name != r.Name || old.File.Hash != r.File.Hash)
		}
		batch = append(batch, r)
	}
	if err := m.l.StoreReplies(t.Context(), batch); (err == nil) != fresh {
		t.Fatalf("%d replies, all of them new: %t; got %v", len(batch), fresh, err)
	}
	for _, r := range batch {
		if fresh {
			m.replies = append(m.replies, &modelReply{Reply: *r})
		}
	}
}

func (m *model) stored() (all []*outbox.Reply) {
	for _, r := range m.replies {
		all = append(all, &r.Reply)
	}
	return all
}

func (m *model) reply(t *rapid.T) *modelReply {
	if len(m.replies) == 0 {
		t.Skip("no reply")
	}
	return rapid.SampledFrom(m.replies).Draw(t, "reply")
}

// read enters what a reply says of a set: maybe twice, since a run may break
// off after the first time.
func (m *model) read(t *rapid.T) {
	r, s := m.reply(t), m.set(t)
	if r.read || s.State.BeforeGO() {
		t.Skip("nothing to read")
	}
	if s.outcome == "" {
		s.outcome = rapid.SampledFrom([]string{ledger.OutcomeAccepted, ledger.OutcomeRefused}).Draw(t, "outcome")
	}
	entered, err := m.l.Reply(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		a := receipt(s.Submission, s.outcome)
		a.Position = 1
		if err := m.l.AddAnswers(t.Context(), entered, []ledger.Answer{a}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.l.ReadReply(t.Context(), entered); err != nil {
		t.Fatal(err)
	}
	r.read = true
	now, err := m.l.Submission(t.Context(), s.ID)
	if err != nil || !now.State.Answered() || now.State != s.State && !s.State.CanBecome(now.State) {
		t.Fatalf("%s became %s by a receipt: %v", s.State, now.State, err)
	}
	if now.State != s.State {
		s.State, s.ways = now.State, append(s.ways, now.State)
	}
}

func (m *model) deleted(t *rapid.T) {
	r := m.reply(t)
	if err := m.l.Deleted(t.Context(), r.ID, testkit.Now()); err != nil {
		t.Fatal(err)
	}
	r.deleted = true
}

func (m *model) checkSets(t *rapid.T) {
	for _, s := range m.sets {
		got, err := m.l.Submission(t.Context(), s.ID)
		if err != nil || got.State != s.State || got.Set != s.Set {
			t.Fatalf("got %+v, %v, want %+v", got, err, s.Submission)
		}
		history, err := m.l.History(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		var ways []inbox.State
		for _, e := range history {
			ways = append(ways, e.State)
		}
		if !slices.Equal(ways, s.ways) {
			t.Fatalf("%s went %v, and the history says %v", s.Set, s.ways, ways)
		}
		sent, givenUp := false, false
		for _, w := range ways {
			sent = sent || w == inbox.Sent || w.Answered()
			switch {
			case sent && (w.Unfinished() || w == inbox.Cancelled):
				t.Fatalf("was sent and is taken for one that was not: %v", ways)
			case givenUp && !w.Answered():
				t.Fatalf("was given up and went on: %v", ways)
			}
			givenUp = givenUp || w == inbox.Cancelled
		}
		if sent == got.SentAt.IsZero() {
			t.Fatalf("sent at %s: %v", got.SentAt, ways)
		}
	}
}

func (m *model) checkContents(t *rapid.T) {
	for i, a := range m.sets {
		for _, b := range m.sets[:i] {
			if a.content != b.content {
				continue
			}
			if a.State.Unfinished() && b.State.Unfinished() {
				t.Fatalf("%s and %s have the same contents and are both on their way", a.Set, b.Set)
			}
			if !a.again && b.holds() && !slices.Contains(b.ways, inbox.Cancelled) {
				t.Fatalf("%s went beside %s without a person's word", a.Set, b.Set)
			}
		}
	}
}

func (m *model) checkReplies(t *rapid.T) {
	var unread []int64
	for _, r := range m.replies {
		found, err := m.l.FilesNamed(t.Context(), naming.Test, r.File.Name)
		if err != nil || !slices.ContainsFunc(found, func(f outbox.Stored) bool { return f.ReplyID == r.ID && f.File == r.File }) {
			t.Fatalf("%s is lost: %+v, %v", r.File.Name, found, err)
		}
		got, err := m.l.Reply(t.Context(), r.ID)
		if err != nil || got.DeletedAt.IsZero() == r.deleted || got.ReadAt.IsZero() == r.read {
			t.Fatalf("got %+v, %v, want %+v", got, err, r)
		}
		if !r.read {
			unread = append(unread, r.ID)
		}
	}
	left, err := m.l.UnreadReplies(t.Context())
	if err != nil || len(left) != len(unread) {
		t.Fatalf("%d unread replies, want %v, %v", len(left), unread, err)
	}
	for _, r := range left {
		if !slices.Contains(unread, r.ID) {
			t.Fatalf("%s is to be read again", r.Name)
		}
	}
}
