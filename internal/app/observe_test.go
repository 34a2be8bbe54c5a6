package app

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/durable"

	"github.com/socbatch/socbatch/internal/config"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// recorder keeps what happened.
type recorder struct{ events []Event }

func (r *recorder) Event(e Event)     { r.events = append(r.events, e) }
func (r *recorder) Progress(Progress) {}

// saw reports whether there was an event of a type that is as it should be.
func saw[E Event](r *recorder, is func(E) bool) bool {
	return slices.ContainsFunc(r.events, func(e Event) bool {
		x, ok := e.(E)
		return ok && is(x)
	})
}

// watched is a call of which a test hears.
func watched(o Observer, now func() time.Time) *call {
	return (&App{Now: now, Disk: &durable.Disk{}, Log: slog.New(slog.DiscardHandler)}).call(config.Config{}, o)
}

func quiet() *call { return watched(&recorder{}, time.Now) }
