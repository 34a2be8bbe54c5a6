package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/socbatch/socbatch/internal/ledger"
)

func TestFailureOf(t *testing.T) {
	busy := &ledger.Error{Failure: ledger.Busy, Err: errors.New("database is locked")}
	for _, c := range []struct {
		err  error
		want ledger.Failure
	}{
		{nil, ledger.NoFailure},
		{errors.New("else"), ledger.NoFailure},
		{ledger.ErrClosed, ledger.NoFailure},
		{busy, ledger.Busy},
		{errors.Join(errors.New("else"), fmt.Errorf("open: %w", busy)), ledger.Busy},
	} {
		if got := ledger.FailureOf(c.err); got != c.want {
			t.Errorf("%v: got %s", c.err, got)
		}
	}
	if busy.Error() != "database is locked" || !errors.Is(busy, busy.Err) {
		t.Errorf("got %v", busy)
	}
}
