package ledger

import (
	"database/sql"
	"testing"
	"time"
)

// Hurry lets this test wait only so long for a ledger that is busy.
func Hurry(t *testing.T, timeout time.Duration) {
	old, oldPatience := busyTimeout, openPatience
	busyTimeout, openPatience = timeout, timeout
	t.Cleanup(func() { busyTimeout, openPatience = old, oldPatience })
}

// OnOpenPause calls f in this test before a ledger is opened again that was
// busy.
func OnOpenPause(t *testing.T, f func()) {
	old := openPause
	openPause = f
	t.Cleanup(func() { openPause = old })
}

// OpenAt makes a ledger of an older version: with the first migrations only.
func OpenAt(t *testing.T, path string, version int) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", source(path, "immediate"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	all := migrations
	migrations = migrations[:version]
	defer func() { migrations = all }()
	if err := migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}
