package ledgertest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// What is written meanwhile is not in a snapshot.
func (kit suite) TestSnapshot(t *testing.T) {
	l := kit.ledger(t)
	testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	count := func(s ledger.Snapshot, table string) (n int) {
		t.Helper()
		if err := s.Rows(t.Context(), table, func(columns []string, values []any) error {
			if len(columns) != len(values) || len(columns) != len(s.Columns(table)) {
				t.Errorf("%s: %v, %v", table, columns, values)
			}
			n++
			return nil
		}); err != nil {
			t.Error(err)
		}
		return n
	}
	for want := 1; want <= 2; want++ {
		if err := l.Snapshot(t.Context(), ledger.Period{}, func(s ledger.Snapshot) error {
			if got := count(s, "submissions"); got != want {
				t.Errorf("%d sets, want %d", got, want)
			}
			testkit.Sent(t, l, testkit.Draft([]string{"b", string(rune('a' + want))}))
			for table, n := range map[string]int{"submissions": want, "parts": want, "history": 4 * want, "replies": 0, "answers": 0, "anomalies": 0} {
				if got := count(s, table); got != n {
					t.Errorf("%d rows of %s, want %d", got, table, n)
				}
			}
			found := 0
			err := s.Holdings(t.Context(), ledger.HeldSet, func(ledger.KeptHolding) error { found++; return nil })
			if found != want {
				t.Errorf("%d holdings, want %d", found, want)
			}
			if s.Rows(t.Context(), "claim", nil) == nil {
				t.Error("a table that is not given away")
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

// The tables that are given away: columns are added at the end, never renamed.
func (kit suite) TestSnapshotTables(t *testing.T) {
	want := []struct{ table, columns string }{
		{"submissions", "name application sender date sequence environment parts state note reason signed_by ticket forms created_at updated_at sent_at sealed_at pruned_at"},
		{"history", "name at state note"},
		{"parts", "name number source root size sha256 fs_size fs_sha256"},
		{"replies", "id environment name application path size sha256 fs_name fs_path fs_size fs_sha256 signature conflict fetched_at deleted_at read_at root forms problem sealed_at pruned_at"},
		{"answers", "id reply_id reply position kind outcome submission part form matched_by file_name ticket reference form_date form_hour"},
		{"anomalies", "answer_id reply form position error_id class tag location"},
	}
	l := kit.ledger(t)
	sent := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	refused := receipt(sent, ledger.OutcomeRefused, "ACRF-102")
	answer(t, l, naming.Test, refused)
	err := l.Snapshot(t.Context(), ledger.Period{}, func(s ledger.Snapshot) error {
		var tables []string
		for _, w := range want {
			tables = append(tables, w.table)
			if got := strings.Join(s.Columns(w.table), " "); got != w.columns {
				t.Errorf("%s has %s", w.table, got)
			}
		}
		if got := s.Tables(); !slices.Equal(got, tables) {
			t.Errorf("tables %v", got)
		}
		row := func(table string) (all map[string]any) {
			t.Helper()
			all = map[string]any{}
			if err := s.Rows(t.Context(), table, func(columns []string, values []any) error {
				for i, c := range columns {
					all[c] = values[i]
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			return all
		}
		if r := row("submissions"); r["name"] != sent.Set.String() || r["parts"] != int64(1) || r["created_at"] != ledger.Moment(testkit.Now()) || r["sealed_at"] != "" {
			t.Errorf("got %v", r)
		}
		if r := row("replies"); r["conflict"] != false || r["size"] != int64(1) {
			t.Errorf("got %v", r)
		}
		if r := row("anomalies"); r["error_id"] != "ACRF-102" || r["form"] != int64(1) {
			t.Errorf("got %v", r)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A period chooses what was made or fetched in it, and the replies to chosen sets.
func (kit suite) TestSnapshotPeriod(t *testing.T) {
	now := testkit.Now().AddDate(0, 0, -1)
	l := open(t, kit.places(t), func() time.Time { return now })
	before := testkit.Sent(t, l, testkit.Draft([]string{"before"}))
	now = testkit.Now()
	testkit.Sent(t, l, testkit.Draft([]string{"then"}))
	answer(t, l, naming.Production, receipt(before, ledger.OutcomeAccepted)) // fetched now
	for _, c := range []struct {
		name          string
		p             ledger.Period
		sets, replies int
	}{
		{"all", ledger.Period{}, 2, 1},
		{"since now", ledger.Period{Since: now}, 1, 1},
		{"since later", ledger.Period{Since: now.Add(time.Second)}, 0, 0},
		{"until now", ledger.Period{Until: now}, 1, 1},
		{"before all", ledger.Period{Until: now.AddDate(0, 0, -1)}, 0, 0},
		{"in T", ledger.Period{Environment: naming.Test}, 2, 1},
		{"in R", ledger.Period{Environment: naming.Production}, 0, 1},
	} {
		err := l.Snapshot(t.Context(), c.p, func(s ledger.Snapshot) error {
			for kind, want := range map[ledger.HoldingKind]int{ledger.HeldSet: c.sets, ledger.HeldReply: c.replies} {
				n := 0
				if err := s.Holdings(t.Context(), kind, func(h ledger.KeptHolding) error {
					n++
					if h.Kind != kind || h.At.IsZero() || !h.Sealed.IsZero() || !h.Pruned.IsZero() {
						t.Errorf("%s: got %+v", c.name, h)
					}
					return nil
				}); err != nil || n != want {
					t.Errorf("%s: %d of kind %s, want %d (%v)", c.name, n, kind, want, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	// What the caller has against a row is handed back as it is.
	stop := errors.New("enough")
	err := l.Snapshot(t.Context(), ledger.Period{}, func(s ledger.Snapshot) error {
		return s.Rows(t.Context(), "submissions", func([]string, []any) error { return stop })
	})
	if err != stop { //nolint:errorlint // the error itself
		t.Errorf("got %v", err)
	}
}
