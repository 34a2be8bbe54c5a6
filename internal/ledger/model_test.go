package ledger_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// TestModel does what comes to mind with a ledger and looks after every step:
// no name comes twice, no contents are live in two sets unless a person
// insisted, a set that was sent is never taken for one that was not.
func TestModel(t *testing.T) {
	n := 0
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n++
		l, err := ledger.Open(t.Context(), filepath.Join(dir, fmt.Sprint(n, ".db")), testkit.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // a test
		type modelled struct {
			inbox.Submission
			content string
			again   bool
			ways    []inbox.State
		}
		var sets []*modelled
		names := map[string]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				content := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "content")
				d := testkit.Draft([]string{content})
				d.Again = rapid.Bool().Draw(t, "again")
				if rapid.Bool().Draw(t, "chosen") {
					d.Sequence = naming.Sequence(fmt.Sprintf("%05d", rapid.IntRange(1, 6).Draw(t, "number")))
				}
				r := l.Reserve(t.Context(), []inbox.Draft{d})[0]
				var open, held bool // by another set
				for _, s := range sets {
					open = open || s.content == content && s.State.Unfinished()
					held = held || s.content == content && s.State != inbox.Cancelled
				}
				var already *inbox.AlreadyError
				var used *inbox.NameUsedError
				switch {
				case open || held && !d.Again:
					if !errors.As(r.Err, &already) {
						t.Fatalf("contents %s are in the ledger: got %v", content, r.Err)
					}
				case errors.As(r.Err, &used):
					if d.Sequence == "" || !names[used.Name] {
						t.Fatalf("refused a name that is free: %v", used)
					}
				case r.Err != nil:
					t.Fatal(r.Err)
				default:
					if names[r.Submission.Set.String()] {
						t.Fatalf("%s was given twice", r.Submission.Set)
					}
					names[r.Submission.Set.String()] = true
					sets = append(sets, &modelled{r.Submission, content, d.Again, []inbox.State{inbox.Prepared}})
				}
			},
			"move": func(t *rapid.T) {
				if len(sets) == 0 {
					t.Skip("no set")
				}
				s := rapid.SampledFrom(sets).Draw(t, "set")
				// Answers are not moves of a person: Refused would need the
				// answer that it rests on.
				to := rapid.SampledFrom(slices.DeleteFunc(inbox.States(), func(s inbox.State) bool { return s == inbox.Refused })).Draw(t, "to")
				err := l.Move(t.Context(), s.ID, to, "")
				if s.State.CanBecome(to) != (err == nil) {
					t.Fatalf("%s to %s: %v", s.State, to, err)
				}
				if err == nil {
					s.State, s.ways = to, append(s.ways, to)
				}
			},
			"": func(t *rapid.T) {
				for _, s := range sets {
					got, err := l.Submission(t.Context(), s.ID)
					if err != nil || got.State != s.State || got.Set != s.Set {
						t.Fatalf("got %+v, %v, want %+v", got, err, s.Submission)
					}
					sent := slices.ContainsFunc(s.ways, func(w inbox.State) bool { return w == inbox.Sent || w.Answered() })
					if sent && (s.State.BeforeGO() || s.State == inbox.Cancelled || got.SentAt.IsZero()) {
						t.Fatalf("was sent and is now %s: %v", s.State, s.ways)
					}
				}
				for i, a := range sets {
					for _, b := range sets[:i] {
						if a.content == b.content && a.State.Unfinished() && b.State.Unfinished() {
							t.Fatalf("%s and %s have the same contents and are both on their way", a.Set, b.Set)
						}
						if a.content == b.content && !a.again && b.State != inbox.Cancelled && !slices.Contains(b.ways, inbox.Cancelled) {
							t.Fatalf("%s went beside %s without a person's word", a.Set, b.Set)
						}
					}
				}
			},
		})
	})
}
