package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/ledgertest"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
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

// places are files in new directories.
func places(t testing.TB) ledgertest.Open {
	path := filepath.Join(t.TempDir(), "ledger.db")
	return func(ctx context.Context, now func() time.Time) (ledger.Ledger, error) {
		return sqlite.Open(ctx, path, sqlite.Options{Now: now})
	}
}

func TestLedger(t *testing.T) { ledgertest.Run(t, places) }

func BenchmarkStatus10k(b *testing.B) { ledgertest.BenchmarkStatus(b, places) }

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
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestOpenDamaged(t *testing.T) {
	path := testkit.WriteFile(t, t.TempDir(), "ledger.db", []byte(strings.Repeat("this is no ledger ", 500)))
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if ledger.FailureOf(err) != ledger.Damaged || !strings.Contains(err.Error(), path) {
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
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		_, err = l.Submissions(t.Context(), ledger.Filter{})
		err = errors.Join(err, l.Close())
	}
	if ledger.FailureOf(err) != ledger.Damaged {
		t.Errorf("got %v", err)
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

// lineEnds is a draft of one part whose contents are known by several hashes.
func lineEnds(hash, crlf, original byte) inbox.Draft {
	d := testkit.Draft([]string{"a"})
	d.Parts[0].Hash, d.Parts[0].CRLF, d.Parts[0].Original = inbox.Hash{hash}, inbox.Hash{crlf}, inbox.Hash{original}
	return d
}

func TestLedgerWithoutLineEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := sqlite.OpenAt(t, path, 4)
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
	if _, err := sqlite.OpenForReading(t.Context(), path); !errors.Is(err, ledger.ErrOlder) {
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
	if _, err := sqlite.OpenForReading(t.Context(), path); err == nil {
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
	r, err := sqlite.OpenForReading(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Holders(t.Context(), ledger.Filter{}, []inbox.Hash{{1}}); err != nil || len(found) != 1 || found[0].ID != sent.ID {
		t.Errorf("%+v, %v", found, err)
	}
	if err := r.Move(t.Context(), sent.ID, inbox.Accepted, ""); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("changed: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
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
