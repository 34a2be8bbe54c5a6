package ledger_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/socbatch/socbatch/internal/ledger"
)

// Several commands may be the first at the same moment (found by
// internal/crash).
func TestOpenNewLedgerAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		path := filepath.Join(t.TempDir(), "state", "ledger.db")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := ledger.Open(t.Context(), path, nil)
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
