package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/testkit"
)

// With a clock that is behind what was recorded before, nothing is sent.
func TestClockBehindLedger(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	for _, c := range []struct {
		off  time.Duration
		sent bool
	}{
		{-24 * time.Hour, true}, // the ledger is empty
		{0, true},
		{-24 * time.Hour, false},
		{-11 * time.Minute, false},
		{-9 * time.Minute, true}, // clocks are set a little now and then
		{24 * time.Hour, true},
	} {
		a := &App{Now: func() time.Time { return testkit.Now().Add(c.off) }}
		err := a.CheckClock(t.Context(), l)
		if (err == nil) != c.sent || err != nil && !strings.Contains(err.Error(), "set the clock right; nothing was sent") {
			t.Errorf("%s: got %v", c.off, err)
		}
		if c.off == 0 {
			testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
		}
	}
}

// When the clock was ahead once, a person says so, and everything goes on;
// nothing is forgotten. An answer of the office shows a clock that is behind now.
func TestAcceptClock(t *testing.T) {
	t.Parallel()
	now := testkit.Now()
	for _, c := range []struct {
		name   string
		ahead  time.Duration // of the clock when a set was made
		office time.Duration // from now, of an answer; 0: none
		says   string        // of the refusal; empty: it is accepted
	}{
		{"a month", 31 * 24 * time.Hour, 0, ""},
		{"twenty minutes", 20 * time.Minute, -time.Hour, ""},
		{"the office is an hour ahead in autumn", 20 * time.Minute, 55 * time.Minute, ""},
		{"the clock is behind", 24 * time.Hour, 23 * time.Hour, "the office made an answer at"},
		{"it was not ahead", 0, 0, "no entry of the ledger is later"},
		{"it was little ahead", 9 * time.Minute, 0, "no entry of the ledger is later"},
	} {
		ctx := context.Background()
		at := now.Add(c.ahead)
		l, err := sqlite.Open(ctx, t.TempDir()+"/ledger.db", sqlite.Options{Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
		a := &App{Now: func() time.Time { return now }}
		read, err := a.Clock(ctx, l)
		if err != nil || !read.Latest.Equal(at) {
			t.Errorf("%s: got %+v, %v", c.name, read, err)
		}
		if c.office != 0 {
			read.Office = now.Add(c.office)
		}
		at = now
		_, err = read.accept(ctx, l, "a test")
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%s: got %v", c.name, err)
			}
			if again, err := l.Clock(ctx); err != nil || !again.Latest.Equal(read.Latest) {
				t.Errorf("%s: got %+v, %v", c.name, again, err)
			}
		} else {
			if err = errors.Join(err, a.CheckClock(ctx, l)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			// What was sent is known as before, and the next entry counts again.
			var already *inbox.AlreadyError
			if r := l.Reserve(ctx, []inbox.Draft{testkit.Draft([]string{"a"})})[0]; !errors.As(r.Err, &already) {
				t.Errorf("%s: got %v", c.name, r.Err)
			}
			testkit.Reserve(t, l, testkit.Draft([]string{"b"}))
			a.Now = func() time.Time { return now.Add(-time.Hour) }
			if err := a.CheckClock(ctx, l); err == nil {
				t.Errorf("%s: a clock that is behind what came later is not noticed", c.name)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
