package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/testkit"
)

// What the runs of an older ledger ended with is a class now.
func TestLedgerWithExitCodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := sqlite.OpenAt(t, path, 9)
	classes := map[int]string{
		0: ledger.Succeeded, 1: "failed", 2: "usage", 3: "partly", 4: "credentials", 5: "temporary", 6: "refused", 7: "already-sent",
		8: "no-answer", 9: "unknown", 11: "locked", 130: "interrupted", 99: "failed",
	}
	for code := range classes {
		if _, err := db.Exec(`INSERT INTO run (command, environment, ended_at, exit_code, succeeded_at) VALUES ($1, 'T', '2026-03-02T09:30:00.000Z', $2, '')`, fmt.Sprint(code), code); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	runs, err := testkit.Ledger(t, path).Runs(t.Context())
	if err != nil || len(runs) != len(classes) {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, r := range runs {
		code, _ := strconv.Atoi(r.Command)
		if r.Class != classes[code] {
			t.Errorf("%d is %s", code, r.Class)
		}
	}
}
