package sqlite

import (
	"database/sql"
	"testing"
)

// OnPause has f called before a ledger is opened again that was busy.
func (o Options) OnPause(f func()) Options {
	o.pause = f
	return o
}

// OpenAt makes a ledger of an older version: with the first migrations only.
func OpenAt(t *testing.T, path string, version int) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", source(path, "immediate", busyTimeout))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := migrate(t.Context(), db, migrations[:version]); err != nil {
		t.Fatal(err)
	}
	return db
}
