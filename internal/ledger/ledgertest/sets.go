package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// Many goroutines and two programs take names at once.
func (kit suite) TestReserveConcurrently(t *testing.T) {
	place := kit.places(t)
	ledgers := []ledger.Ledger{open(t, place, testkit.Now), open(t, place, testkit.Now)}
	const each, batch = 20, 3
	var wg sync.WaitGroup
	var mu sync.Mutex
	var got []string
	for n, l := range ledgers {
		for i := range each {
			wg.Go(func() {
				var drafts []inbox.Draft
				for j := range batch {
					drafts = append(drafts, testkit.Draft([]string{fmt.Sprintf("%d-%d-%d", n, i, j)}))
				}
				for _, r := range l.Reserve(t.Context(), drafts) {
					if r.Err != nil {
						t.Error(r.Err)
					}
					mu.Lock()
					got = append(got, string(r.Submission.Set.Sequence))
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	slices.Sort(got)
	for i, s := range got {
		if s != fmt.Sprintf("%05d", i+1) {
			t.Fatalf("number %d is %s", i+1, s)
		}
	}
	if len(got) != 2*each*batch {
		t.Errorf("%d names", len(got))
	}
}

// Two programs with the same contents: one of them gets a name.
func (kit suite) TestReserveSameContentsConcurrently(t *testing.T) {
	place := kit.places(t)
	ledgers := []ledger.Ledger{open(t, place, testkit.Now), open(t, place, testkit.Now)}
	var wg sync.WaitGroup
	results := make([]inbox.Reserved, 20)
	for i := range results {
		wg.Go(func() { results[i] = ledgers[i%2].Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"a"})})[0] })
	}
	wg.Wait()
	won := 0
	for _, r := range results {
		var already *inbox.AlreadyError
		switch {
		case r.Err == nil:
			won++
		case !errors.As(r.Err, &already) || !already.Same:
			t.Errorf("got %v", r.Err)
		}
	}
	if won != 1 {
		t.Errorf("%d got a name", won)
	}
}

// A change that fails undoes nothing of those that share its transaction.
func (kit suite) TestGroupedChangesAreApart(t *testing.T) {
	l := kit.ledger(t)
	var sets []inbox.Submission
	for i := range 50 {
		sets = append(sets, testkit.Reserve(t, l, testkit.Draft([]string{fmt.Sprint(i)})))
	}
	var wg sync.WaitGroup
	for i, s := range sets {
		wg.Go(func() {
			to := inbox.Uploading
			if i%2 == 1 {
				to = inbox.Accepted // is not allowed
			}
			err := l.Move(t.Context(), s.ID, to, "")
			var state *inbox.StateError
			if i%2 == 0 && err != nil || i%2 == 1 && !errors.As(err, &state) {
				t.Errorf("set %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, s := range sets {
		want := []inbox.State{inbox.Uploading, inbox.Prepared}[i%2]
		if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != want {
			t.Errorf("set %d is %s, %v", i, got.State, err)
		}
	}
}

func (kit suite) TestReserveIndependentDrafts(t *testing.T) {
	l := kit.ledger(t)
	bad := testkit.Draft([]string{"bad"})
	bad.Application = "dimn"
	got := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"a"}), bad, testkit.Draft([]string{"a"}), testkit.Draft([]string{"b"})})
	var already *inbox.AlreadyError
	if got[0].Err != nil || got[1].Err == nil || !errors.As(got[2].Err, &already) || got[3].Err != nil {
		t.Fatalf("got %v", got)
	}
	if got[3].Submission.Set.Sequence != "00002" {
		t.Errorf("what failed took a number: %s", got[3].Submission.Set)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := l.Reserve(ctx, []inbox.Draft{testkit.Draft([]string{"c"})}); !errors.Is(r[0].Err, context.Canceled) {
		t.Errorf("got %v", r[0].Err)
	}
}

func (kit suite) TestReserveNumbers(t *testing.T) {
	l := kit.ledger(t)
	named := func(ref string, n naming.Sequence) inbox.Reserved {
		d := testkit.Draft([]string{ref})
		d.Sequence = n
		return l.Reserve(t.Context(), []inbox.Draft{d})[0]
	}
	next := func(ref string) naming.Sequence {
		return testkit.Reserve(t, l, testkit.Draft([]string{ref})).Set.Sequence
	}
	if r := named("a", "00002"); r.Err != nil {
		t.Fatal(r.Err)
	}
	var used *inbox.NameUsedError
	if r := named("b", "00002"); !errors.As(r.Err, &used) {
		t.Errorf("got %v", r.Err)
	}
	if r := named("b", "00000"); r.Err == nil {
		t.Error("number zero was given")
	}
	if one, three := next("c"), next("d"); one != "00001" || three != "00003" {
		t.Errorf("got %s and %s, around the one that was chosen", one, three)
	}
	other := testkit.Draft([]string{"c"})
	other.Environment = naming.Production
	if s := testkit.Reserve(t, l, other); s.Set.Sequence != "00001" {
		t.Errorf("another environment begins with %s", s.Set.Sequence)
	}
	later := testkit.Draft([]string{"later"})
	later.Date = "20260303"
	if s := testkit.Reserve(t, l, later); s.Set.Sequence != "00001" {
		t.Errorf("another day begins with %s", s.Set.Sequence)
	}
}

func (kit suite) TestClaims(t *testing.T) {
	again := func(refs ...string) inbox.Draft {
		d := testkit.Draft(refs)
		d.Again, d.Reason = true, "asked for"
		return d
	}
	reserve := func(l ledger.Ledger, d inbox.Draft) error { return l.Reserve(t.Context(), []inbox.Draft{d})[0].Err }
	var already *inbox.AlreadyError
	t.Run("unfinished contents are not sent beside, whoever insists", func(t *testing.T) {
		for _, way := range [][]inbox.State{
			nil, {inbox.Uploading}, {inbox.Uploading, inbox.Uploaded}, {inbox.Uploading, inbox.Failed}, {inbox.Uploading, inbox.Unknown},
		} {
			l := kit.ledger(t)
			testkit.Walk(t, l, testkit.Reserve(t, l, testkit.Draft([]string{"a"})).ID, way...)
			for _, d := range []inbox.Draft{testkit.Draft([]string{"a"}), again("a")} {
				if err := reserve(l, d); !errors.As(err, &already) {
					t.Errorf("%v, again %t: got %v", way, d.Again, err)
				}
			}
		}
	})
	t.Run("sent contents go again with a reason", func(t *testing.T) {
		l := kit.ledger(t)
		testkit.Sent(t, l, testkit.Draft([]string{"a"}))
		if err := reserve(l, testkit.Draft([]string{"a"})); !errors.As(err, &already) {
			t.Errorf("got %v", err)
		}
		if err := reserve(l, again("a")); err != nil {
			t.Error(err)
		}
	})
	t.Run("cancelled contents are free", func(t *testing.T) {
		l := kit.ledger(t)
		testkit.Walk(t, l, testkit.Reserve(t, l, testkit.Draft([]string{"a"}, []string{"b"})).ID, inbox.Cancelled)
		if err := errors.Join(reserve(l, testkit.Draft([]string{"a"})), reserve(l, testkit.Draft([]string{"b"}))); err != nil {
			t.Error(err)
		}
	})
	t.Run("giving up the second sending does not free what the first sent", func(t *testing.T) {
		l := kit.ledger(t)
		first := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
		testkit.Walk(t, l, testkit.Reserve(t, l, again("a")).ID, inbox.Cancelled)
		if err := reserve(l, testkit.Draft([]string{"a"})); !errors.As(err, &already) || already.Existing.ID != first.ID {
			t.Errorf("got %v", err)
		}
	})
	t.Run("apart by sender, environment and application", func(t *testing.T) {
		l := kit.ledger(t)
		testkit.Sent(t, l, testkit.Draft([]string{"a"}))
		for _, change := range []func(*inbox.Draft){
			func(d *inbox.Draft) { d.Sender = "000042" },
			func(d *inbox.Draft) { d.Environment = naming.Production },
			func(d *inbox.Draft) { d.Application = "ZZZZ" },
		} {
			d := testkit.Draft([]string{"a"})
			change(&d)
			if err := reserve(l, d); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("same parts or not", func(t *testing.T) {
		l := kit.ledger(t)
		testkit.Sent(t, l, testkit.Draft([]string{"a"}, []string{"b"}))
		for _, c := range []struct {
			d    inbox.Draft
			part int
			same bool
		}{
			{testkit.Draft([]string{"a"}, []string{"b"}), 1, true},
			{testkit.Draft([]string{"b"}, []string{"a"}), 1, false},
			{testkit.Draft([]string{"c"}, []string{"b"}), 2, false},
		} {
			if err := reserve(l, c.d); !errors.As(err, &already) || already.Part != c.part || already.Same != c.same {
				t.Errorf("got %+v", already)
			}
		}
	})
}

// lineEnds is a draft of one part whose contents are known by several hashes.
func lineEnds(hash, crlf, original byte) inbox.Draft {
	d := testkit.Draft([]string{"a"})
	d.Parts[0].Hash, d.Parts[0].CRLF, d.Parts[0].Original = inbox.Hash{hash}, inbox.Hash{crlf}, inbox.Hash{original}
	return d
}

func (kit suite) TestClaimsWithOtherLineEnds(t *testing.T) {
	const lf, crlf, cr = 1, 2, 3
	asItIs := lineEnds(lf, crlf, lf)
	converted := lineEnds(crlf, crlf, lf)
	clean := lineEnds(crlf, crlf, crlf)
	mac := lineEnds(cr, crlf, cr)
	all := map[string]inbox.Draft{"as it is": asItIs, "converted": converted, "clean": clean, "CR": mac}
	again := func(d inbox.Draft) inbox.Draft {
		d.Again, d.Reason = true, "asked for"
		return d
	}
	for name, first := range all {
		for second, d := range all {
			l := kit.ledger(t)
			sent := testkit.Sent(t, l, first)
			refused := func(why string) {
				t.Helper()
				r := l.Reserve(t.Context(), []inbox.Draft{d})[0]
				var already *inbox.AlreadyError
				if !errors.As(r.Err, &already) || already.Same != (first.Parts[0].Hash == d.Parts[0].Hash) {
					t.Errorf("%s, then %s, %s: %v", name, second, why, r.Err)
				}
			}
			refused("sent")
			stored, err := l.Submission(t.Context(), sent.ID)
			if p := first.Parts[0]; err != nil || stored.Parts[0].CRLF != p.CRLF || stored.Parts[0].Original != p.Original {
				t.Errorf("%+v, %v", stored.Parts, err)
			}
			// The claims of a second sending go back to the first one.
			testkit.Walk(t, l, testkit.Reserve(t, l, again(d)).ID, inbox.Cancelled)
			refused("after a second sending was given up")
		}
	}
	l := kit.ledger(t)
	testkit.Walk(t, l, testkit.Reserve(t, l, asItIs).ID, inbox.Cancelled)
	testkit.Reserve(t, l, mac) // free again
}

func (kit suite) TestFind(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}, []string{"b"}))
	const key = "DIMN.101380.20260302.00001.T"
	for _, name := range []string{
		"GO." + key + ".2", "TD." + key + ".2", "FI." + key + ".2.1", "FS." + key + ".2.2", "GO." + key, "FI." + key, key, key + ".2",
	} {
		if got, err := l.Find(t.Context(), name); err != nil || got.ID != s.ID || len(got.Parts) != 2 {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "GO", "DIMN.101380.20260302.00002.T", "FO.ACRF.999999.20260302.00001.T"} {
		if _, err := l.Find(t.Context(), name); !errors.Is(err, ledger.ErrNoSubmission) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func (kit suite) TestSubmissions(t *testing.T) {
	l := kit.ledger(t)
	var drafts []inbox.Draft
	for i := range 900 {
		drafts = append(drafts, testkit.Draft([]string{fmt.Sprint(i)}))
	}
	for _, r := range l.Reserve(t.Context(), drafts) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	all, err := l.Submissions(t.Context(), ledger.Filter{})
	if err != nil || len(all) != 900 || all[0].Set.Sequence != "00900" {
		t.Fatalf("%d sets, %v", len(all), err)
	}
	for _, s := range all {
		if len(s.Parts) != 1 {
			t.Fatalf("%s has %d parts", s.Set, len(s.Parts))
		}
	}
	testkit.Walk(t, l, all[3].ID, inbox.Uploading)
	for _, c := range []struct {
		f    ledger.Filter
		want int
	}{
		{ledger.Filter{Limit: 7}, 7},
		{ledger.Filter{States: []inbox.State{inbox.Uploading, inbox.Sent}}, 1},
		{ledger.Filter{Environment: naming.Production}, 0},
		{ledger.Filter{Environment: naming.Test, Sender: testkit.Sender, Application: "DIMN", States: []inbox.State{inbox.Prepared}}, 899},
		{ledger.Filter{Since: testkit.Now()}, 900},
		{ledger.Filter{Since: testkit.Now().AddDate(0, 0, 1)}, 0},
	} {
		if got, err := l.Submissions(t.Context(), c.f); err != nil || len(got) != c.want {
			t.Errorf("%+v: %d sets, %v", c.f, len(got), err)
		}
	}
}

func (kit suite) TestPreviewChangesNothing(t *testing.T) {
	l := kit.ledger(t)
	d := []inbox.Draft{testkit.Draft([]string{"a"}), testkit.Draft([]string{"b"})}
	for range 2 {
		got := l.Preview(t.Context(), d)
		if got[0].Submission.Set.Sequence != "00001" || got[1].Submission.Set.Sequence != "00002" {
			t.Fatalf("got %+v", got)
		}
	}
	if s := testkit.Reserve(t, l, d[1]); s.Set.Sequence != "00001" {
		t.Errorf("got %s", s.Set)
	}
}

func (kit suite) TestHistory(t *testing.T) {
	l := kit.ledger(t)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	testkit.Walk(t, l, s.ID, inbox.Uploading)
	if err := l.Note(t.Context(), s.ID, "the line broke"); err != nil {
		t.Fatal(err)
	}
	got, err := l.History(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	at := testkit.Now().UTC()
	want := []ledger.Event{{At: at, State: inbox.Prepared}, {At: at, State: inbox.Uploading}, {At: at, State: inbox.Uploading, Note: "the line broke"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if s, err := l.Submission(t.Context(), s.ID); err != nil || s.Note != "the line broke" || s.State != inbox.Uploading {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := l.Move(t.Context(), 999, inbox.Sent, ""); err == nil {
		t.Error("moved a set that is not there")
	}
	if known, err := l.Spools(t.Context()); err != nil || len(known) != 1 || !known["spool"] {
		t.Errorf("spools: %v, %v", known, err)
	}
}
