package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// A ledger of the version before knows neither the names of others nor the state:
// both are found in the answers that it has.
func TestLedgerWithoutForeignNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := sqlite.OpenAt(t, path, 7)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	const at = "2026-03-02T09:30:00.000Z"
	states := map[int]string{1: "refused", 2: "refused", 3: "accepted", 4: "sent"}
	for id := 1; id <= 4; id++ {
		exec(`INSERT INTO submission (set_key, application, sender, date, sequence, environment, parts, state, spool, created_at, updated_at)
			VALUES ($1, 'DIMN', $2, '20260302', $3, 'T', 1, $4, 's', $5, $5)`,
			fmt.Sprintf("DIMN.%s.20260302.%05d.T", testkit.Sender, id), testkit.Sender, fmt.Sprintf("%05d", id), states[id], at)
		h := inbox.Hash{byte(id)}.String()
		exec(`INSERT INTO part (submission_id, number, source, root, size, sha256, fs_size, fs_sha256, crlf_sha256, source_sha256) VALUES ($1, 1, 'a', 'Dimona', 1, $2, 0, '', $2, $2)`, id, h)
		exec(`INSERT INTO event (submission_id, at, state, note) VALUES ($1, $2, 'unknown', '')`, id, at)
	}
	// The GO of the last one was asked for twice.
	exec(`INSERT INTO event (submission_id, at, state, note) VALUES (4, $1, 'uploaded', ''), (4, $1, 'unknown', '')`, at)
	reply := func(id int, submission any, file, outcome, code string) {
		t.Helper()
		exec(`INSERT INTO reply (id, environment, name, application, path, size, sha256, fetched_at, read_at) VALUES ($1, 'T', $2, 'ACRF', 'p', 1, $2, $3, $3)`, id, fmt.Sprintf("FO.ACRF.%d", id), at)
		exec(`INSERT INTO answer (id, reply_id, position, kind, outcome, submission_id, file_name) VALUES ($1, $1, 1, 'receipt', $2, $3, $4)`, id, outcome, submission, file)
		if code != "" {
			exec(`INSERT INTO anomaly (answer_id, position, error_id) VALUES ($1, 1, $2)`, id, code)
		}
	}
	reply(1, 1, "", "refused", "ACRF-133")
	reply(2, 2, "", "refused", "ACRF-102")
	reply(3, 3, "", "refused", "ACRF-133")
	reply(4, 4, "", "refused", "ACRF-133")
	reply(5, nil, "GO.DIMN."+testkit.Sender+".20260301.00009.T.1", "accepted", "")
	reply(6, nil, "GO.DIMN."+testkit.Sender+".20260301.00008.T.1", "refused", "ACRF-102")
	reply(7, nil, "declaration.xml", "accepted", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l := testkit.Ledger(t, path)
	for id, want := range map[int64]inbox.State{1: inbox.NameUsed, 2: inbox.Refused, 3: inbox.NameUsed, 4: inbox.Sent} {
		s, err := l.Submission(t.Context(), id)
		if err != nil || s.State != want {
			t.Errorf("set %d is %s, want %s (%v)", id, s.State, want, err)
		}
		held, err := l.Holders(t.Context(), ledger.Filter{Sender: testkit.Sender}, []inbox.Hash{{byte(id)}})
		if got := len(held) > 0; err != nil || got != (want == inbox.NameUsed) {
			t.Errorf("the contents of set %d are claimed: %t, %v", id, got, err)
		}
	}
	var names []string
	found, err := l.ForeignNames(t.Context(), testkit.Sender, naming.Test)
	for _, f := range found {
		names = append(names, f.Name[len("DIMN.")+len(testkit.Sender)+1:])
	}
	if want := "[20260301.00008.T 20260301.00009.T 20260302.00001.T 20260302.00003.T]"; err != nil || fmt.Sprint(names) != want {
		t.Errorf("got %v, want %s (%v)", names, want, err)
	}
}
