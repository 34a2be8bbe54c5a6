package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/testkit"
)

// Several commands may be the first at the same moment (found by
// internal/crash).
func TestOpenNewLedgerAtOnce(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "state", "ledger.db")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := sqlite.Open(t.Context(), path, sqlite.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// hold lets another program write to a ledger until it is let go.
func hold(t *testing.T, path string) (letGo func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What another one just begins is waited for. SQLite does not do that for a
// file that is not a ledger yet.
func TestOpenWaitsForNewLedger(t *testing.T) {
	path := testkit.WriteFile(t, t.TempDir(), "ledger.db", nil)
	letGo := hold(t, path)
	pauses := 0
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{}.OnPause(func() {
		if pauses++; pauses == 3 {
			letGo()
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil || pauses != 3 {
		t.Errorf("%d pauses, %v", pauses, err)
	}
}

// A ledger that stays busy is said to be, and nothing is changed.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	hurry := sqlite.Options{BusyTimeout: 20 * time.Millisecond}
	l, err := sqlite.Open(t.Context(), path, hurry)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	letGo := hold(t, path)
	defer letGo()
	if err := l.Move(t.Context(), s.ID, inbox.Uploading, ""); ledger.FailureOf(err) != ledger.Busy {
		t.Errorf("move: %v", err)
	}
	if r := l.Reserve(t.Context(), []inbox.Draft{testkit.Draft([]string{"b"})}); ledger.FailureOf(r[0].Err) != ledger.Busy {
		t.Errorf("reserve: %v", r[0].Err)
	}
	if _, err := sqlite.Open(t.Context(), path, hurry); ledger.FailureOf(err) != ledger.Busy {
		t.Errorf("open: %v", err)
	}
	letGo()
	if got, err := l.Submission(t.Context(), s.ID); err != nil || got.State != inbox.Prepared {
		t.Errorf("got %s, %v", got.State, err)
	}
	testkit.Walk(t, l, s.ID, inbox.Uploading)
}
