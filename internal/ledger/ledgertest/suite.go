// Package ledgertest is what every ledger has to pass: what package ledger
// promises, tried through its interface alone. It knows of no database.
package ledgertest

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
)

// Open opens the ledger that is kept in one place, and makes it the first time.
// It may be open several times at once, as by several programs.
type Open func(ctx context.Context, now func() time.Time) (ledger.Ledger, error)

// Factory makes a new place for a ledger, that of a test.
type Factory func(t testing.TB) Open

// Run runs the tests against the ledgers of a factory.
func Run(t *testing.T, places Factory) {
	tests := reflect.ValueOf(suite{places})
	for i := range tests.NumMethod() {
		name := strings.TrimPrefix(tests.Type().Method(i).Name, "Test")
		t.Run(name, tests.Method(i).Interface().(func(*testing.T)))
	}
}

// suite has every test as a method.
type suite struct{ places Factory }

// ledger opens a new ledger for a test.
func (kit suite) ledger(t testing.TB) ledger.Ledger {
	t.Helper()
	return open(t, kit.places(t), testkit.Now)
}

// open opens the ledger of a place for a test.
func open(t testing.TB, place Open, now func() time.Time) ledger.Ledger {
	t.Helper()
	l, err := place(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
