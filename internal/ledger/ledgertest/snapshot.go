package ledgertest

import (
	"testing"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
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
