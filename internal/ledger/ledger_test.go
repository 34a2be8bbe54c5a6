package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

func TestMain(m *testing.M) {
	// Every step of the model waits for the disk; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestOpen(t *testing.T) {
	names := []string{"ledger.db", "with space.db", "odd #%41&é.db"}
	if runtime.GOOS != "windows" { // where no file has a ?
		names = append(names, "odd ?.db")
	}
	for _, name := range names {
		path := filepath.Join(t.TempDir(), "new", name)
		l := testkit.Ledger(t, path)
		s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
		for _, c := range []struct {
			path string
			want os.FileMode
		}{{filepath.Dir(path), 0o700}, {path, 0o600}, {path + "-wal", 0o600}, {path + "-shm", 0o600}} {
			if info, err := os.Stat(c.path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != c.want {
				t.Errorf("%s: got %v, %v", c.path, info, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		if err := l.Move(t.Context(), s.ID, inbox.Uploading, ""); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if again, err := testkit.Ledger(t, path).Submission(t.Context(), s.ID); err != nil || again.Set != s.Set || again.State != inbox.Prepared {
			t.Errorf("opened again: %+v, %v", again, err)
		}
	}
}

func TestOpenNewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := testkit.Ledger(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`INSERT INTO ledger_version (version) VALUES (99)`)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestOpenDamaged(t *testing.T) {
	path := testkit.WriteFile(t, t.TempDir(), "ledger.db", []byte(strings.Repeat("this is no ledger ", 500)))
	_, err := ledger.Open(t.Context(), path, nil)
	if ledger.TroubleOf(err) != ledger.Damaged || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(path); !strings.HasPrefix(string(b), "this is no ledger") {
		t.Error("the file was changed")
	}
}

// Torn is a ledger whose first page is right and whose rest is not.
func TestOpenTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := testkit.Ledger(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[4096:], slices.Repeat([]byte{0xa5}, len(b)-4096))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), path, nil)
	if err == nil {
		_, err = l.Submissions(t.Context(), ledger.Filter{})
		err = errors.Join(err, l.Close())
	}
	if ledger.TroubleOf(err) != ledger.Damaged {
		t.Errorf("got %v", err)
	}
}

// Many goroutines and two programs take names at once.
func TestReserveConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledgers := []*ledger.Ledger{testkit.Ledger(t, path), testkit.Ledger(t, path)}
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
func TestReserveSameContentsConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledgers := []*ledger.Ledger{testkit.Ledger(t, path), testkit.Ledger(t, path)}
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
func TestGroupedChangesAreApart(t *testing.T) {
	l := testkit.Ledger(t, "")
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

func TestReserveIndependentDrafts(t *testing.T) {
	l := testkit.Ledger(t, "")
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

func TestReserveNumbers(t *testing.T) {
	l := testkit.Ledger(t, "")
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

func setLast(t *testing.T, path, last string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`UPDATE numbering SET last = $1`, last)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestReserveBeyondDigits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := testkit.Ledger(t, path)
	testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	setLast(t, path, "99998")
	for _, want := range []naming.Sequence{"99999", "0000A", "0000B"} {
		if s := testkit.Reserve(t, l, testkit.Draft([]string{string(want)})); s.Set.Sequence != want {
			t.Errorf("got %s, want %s", s.Set.Sequence, want)
		}
	}
	setLast(t, path, "ZZZZZ")
	if r := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"z"})}); !errors.Is(r[0].Err, naming.ErrSequenceExhausted) {
		t.Errorf("got %v", r[0].Err)
	}
}

func TestClaims(t *testing.T) {
	again := func(refs ...string) inbox.Draft {
		d := testkit.Draft(refs)
		d.Again, d.Reason = true, "asked for"
		return d
	}
	reserve := func(l *ledger.Ledger, d inbox.Draft) error { return l.Reserve(t.Context(), []inbox.Draft{d})[0].Err }
	var already *inbox.AlreadyError
	t.Run("unfinished contents are not sent beside, whoever insists", func(t *testing.T) {
		for _, way := range [][]inbox.State{
			nil, {inbox.Uploading}, {inbox.Uploading, inbox.Uploaded}, {inbox.Uploading, inbox.Failed}, {inbox.Uploading, inbox.Unknown},
		} {
			l := testkit.Ledger(t, "")
			testkit.Walk(t, l, testkit.Reserve(t, l, testkit.Draft([]string{"a"})).ID, way...)
			for _, d := range []inbox.Draft{testkit.Draft([]string{"a"}), again("a")} {
				if err := reserve(l, d); !errors.As(err, &already) {
					t.Errorf("%v, again %t: got %v", way, d.Again, err)
				}
			}
		}
	})
	t.Run("sent contents go again with a reason", func(t *testing.T) {
		l := testkit.Ledger(t, "")
		testkit.Sent(t, l, testkit.Draft([]string{"a"}))
		if err := reserve(l, testkit.Draft([]string{"a"})); !errors.As(err, &already) {
			t.Errorf("got %v", err)
		}
		if err := reserve(l, again("a")); err != nil {
			t.Error(err)
		}
	})
	t.Run("cancelled contents are free", func(t *testing.T) {
		l := testkit.Ledger(t, "")
		testkit.Walk(t, l, testkit.Reserve(t, l, testkit.Draft([]string{"a"}, []string{"b"})).ID, inbox.Cancelled)
		if err := errors.Join(reserve(l, testkit.Draft([]string{"a"})), reserve(l, testkit.Draft([]string{"b"}))); err != nil {
			t.Error(err)
		}
	})
	t.Run("giving up the second sending does not free what the first sent", func(t *testing.T) {
		l := testkit.Ledger(t, "")
		first := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
		testkit.Walk(t, l, testkit.Reserve(t, l, again("a")).ID, inbox.Cancelled)
		if err := reserve(l, testkit.Draft([]string{"a"})); !errors.As(err, &already) || already.Existing.ID != first.ID {
			t.Errorf("got %v", err)
		}
	})
	t.Run("apart by sender, environment and application", func(t *testing.T) {
		l := testkit.Ledger(t, "")
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
		l := testkit.Ledger(t, "")
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

func TestClaimsWithOtherLineEnds(t *testing.T) {
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
			l := testkit.Ledger(t, "")
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
	l := testkit.Ledger(t, "")
	testkit.Walk(t, l, testkit.Reserve(t, l, asItIs).ID, inbox.Cancelled)
	testkit.Reserve(t, l, mac) // free again
}

func TestLedgerWithoutLineEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := ledger.OpenAt(t, path, 4)
	for _, q := range []string{
		`INSERT INTO submission (set_key, application, sender, date, sequence, environment, parts, state, spool, created_at, updated_at)
			VALUES ('DIMN.` + testkit.Sender + `.20260302.00001.T', 'DIMN', '` + testkit.Sender + `', '20260302', '00001', 'T', 1, 'sent', 's', '', '')`,
		`INSERT INTO part (submission_id, number, source, root, size, sha256, fs_size, fs_sha256) VALUES (1, 1, 'a', 'Dimona', 1, '` + inbox.Hash{1}.String() + `', 0, '')`,
		`INSERT INTO claim (sender, environment, application, sha256, submission_id, part) VALUES ('` + testkit.Sender + `', 'T', 'DIMN', '` + inbox.Hash{1}.String() + `', 1, 1)`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenForReading(t.Context(), path); !errors.Is(err, ledger.ErrOlder) {
		t.Errorf("for reading: %v", err)
	}
	l := testkit.Ledger(t, path)
	var already *inbox.AlreadyError
	for name, d := range map[string]inbox.Draft{"as it was": lineEnds(1, 2, 1), "converted now": lineEnds(2, 2, 1)} {
		if r := l.Reserve(t.Context(), []inbox.Draft{d})[0]; !errors.As(r.Err, &already) {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	testkit.Reserve(t, l, lineEnds(3, 4, 3))
}

func TestOpenForReading(t *testing.T) {
	dir := t.TempDir()
	odd := "odd #?%41&é.db"
	if runtime.GOOS == "windows" {
		odd = strings.ReplaceAll(odd, "?", "") // no file has one there
	}
	path := filepath.Join(dir, odd)
	if _, err := ledger.OpenForReading(t.Context(), path); err == nil {
		t.Error("there is no ledger")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v was made", left)
	}
	l := testkit.Ledger(t, path)
	sent := testkit.Sent(t, l, lineEnds(1, 2, 1))
	busy, err := sql.Open("sqlite", path) // another one writes
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	busy.SetMaxOpenConns(1)
	if _, err := busy.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	r, err := ledger.OpenForReading(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    ledger.Filter
		hash byte
		want int
	}{
		{ledger.Filter{}, 1, 1},
		{ledger.Filter{}, 2, 1},
		{ledger.Filter{}, 3, 0},
		{ledger.Filter{Sender: testkit.Sender, Environment: naming.Test, Application: "DIMN"}, 1, 1},
		{ledger.Filter{Environment: naming.Production}, 1, 0},
		{ledger.Filter{Application: "DMFA"}, 1, 0},
		{ledger.Filter{Sender: "000042"}, 1, 0},
	} {
		found, err := r.Holders(t.Context(), c.f, []inbox.Hash{{9}, {c.hash}})
		if err != nil || len(found) != c.want || c.want > 0 && found[0].ID != sent.ID {
			t.Errorf("%+v: %v, %v", c, found, err)
		}
	}
	if err := r.Move(t.Context(), sent.ID, inbox.Accepted, ""); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("changed: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	l := testkit.Ledger(t, "")
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

func TestSubmissions(t *testing.T) {
	l := testkit.Ledger(t, "")
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
		{ledger.Filter{Since: "2026-03-02T09:30:00.000Z"}, 900},
		{ledger.Filter{Since: "2026-03-03T00:00:00.000Z"}, 0},
	} {
		if got, err := l.Submissions(t.Context(), c.f); err != nil || len(got) != c.want {
			t.Errorf("%+v: %d sets, %v", c.f, len(got), err)
		}
	}
}

func TestPreviewChangesNothing(t *testing.T) {
	l := testkit.Ledger(t, "")
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

// Reading does not wait for a program that is in the middle of writing.
func TestReadWhileAnotherWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := testkit.Ledger(t, path)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE submission SET state = 'sent'`); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != inbox.Prepared {
		t.Errorf("got %s, %v", got.State, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

func TestHistory(t *testing.T) {
	l := testkit.Ledger(t, "")
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	testkit.Walk(t, l, s.ID, inbox.Uploading)
	if err := l.Note(t.Context(), s.ID, "the line broke"); err != nil {
		t.Fatal(err)
	}
	got, err := l.History(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	const at = "2026-03-02T09:30:00.000Z"
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
