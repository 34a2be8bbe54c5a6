package ledgertest

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// fill enters n sets that were sent, and a receipt for each: one in a hundred is
// refused, and the last one has no receipt.
func fill(t testing.TB, l ledger.Ledger, n int) {
	t.Helper()
	var drafts []inbox.Draft
	for i := range n {
		drafts = append(drafts, testkit.Draft([]string{fmt.Sprint("own-", i)}))
	}
	var replies []*outbox.Reply
	reserved := l.Reserve(t.Context(), drafts)
	for i := range n {
		name, err := naming.Parse(fmt.Sprintf("FO.ACRF.999999.20260302.%05d.T", i+1))
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, &outbox.Reply{
			Environment: naming.Test, Name: name, FetchedAt: testkit.Now(),
			File: outbox.File{Name: name.String(), Path: "T/" + name.String(), Size: 1, Hash: outbox.Hash{byte(i), byte(i >> 8)}},
		})
	}
	if err := l.StoreReplies(t.Context(), replies); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(256) // which share the flushes of the disk
	for i, r := range reserved {
		g.Go(func() error {
			if r.Err != nil {
				return r.Err
			}
			for _, s := range []inbox.State{inbox.Uploading, inbox.Unknown, inbox.Sent} {
				if err := l.Move(t.Context(), r.Submission.ID, s, ""); err != nil {
					return err
				}
			}
			if i == n-1 {
				return nil
			}
			a := receipt(r.Submission, ledger.OutcomeAccepted)
			if i%100 == 0 {
				a = receipt(r.Submission, ledger.OutcomeRefused, "ACRF-102")
			}
			a.Position, a.Tickets = 1, []string{fmt.Sprintf("9%012d", i)}
			in := ledger.Reply{ID: replies[i].ID, Environment: naming.Test, Forms: 1, Root: "ACRF"}
			if err := l.AddAnswers(t.Context(), in, []ledger.Answer{a}); err != nil {
				return err
			}
			_, err := l.ReadReply(t.Context(), in)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// statusFilters are what people ask for most.
func statusFilters() map[string]ledger.Filter {
	open := slices.DeleteFunc(inbox.States(), inbox.State.Final)
	return map[string]ledger.Filter{
		"newest":  {Limit: 50},
		"open":    {Limit: 50, States: open},
		"late":    {States: open},
		"refused": {Limit: 50, States: []inbox.State{inbox.Refused}},
	}
}

func (kit suite) TestStatusFilters(t *testing.T) {
	l := kit.ledger(t)
	fill(t, l, 201)
	for name, f := range statusFilters() {
		want := map[string]int{"newest": 50, "open": 50, "late": 199, "refused": 2}[name]
		found, err := l.Submissions(t.Context(), f)
		if err != nil || len(found) != want || len(found[0].Parts) != 1 {
			t.Errorf("%s: %d sets, want %d (%v)", name, len(found), want, err)
		}
		if !slices.IsSortedFunc(found, func(a, b inbox.Submission) int { return int(b.ID - a.ID) }) {
			t.Errorf("%s: not newest first", name)
		}
	}
}

// BenchmarkStatus asks a ledger of 10,000 sets and their replies. All but the
// refused ones are open.
func BenchmarkStatus(b *testing.B, places Factory) {
	l := suite{places}.ledger(b)
	fill(b, l, 10_000)
	for name, f := range statusFilters() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Submissions(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Answers(b.Context(), 5_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("replies", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Replies(b.Context(), ledger.ReplyFilter{Limit: 50}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
