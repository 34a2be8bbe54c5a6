package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socbatch/socbatch/transport"
)

// Waiting looks at a modest interval that grows and is spread, and ends by
// itself. The clock is that of the bubble.
func TestPoll(t *testing.T) {
	t.Parallel()
	const most, interval = 4 * time.Hour, time.Minute
	var all [][]time.Duration
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var pauses []time.Duration
			last := start
			err := quiet().poll(t.Context(), most, interval, func(context.Context) (bool, error) {
				if !last.Equal(time.Now()) {
					pauses = append(pauses, time.Since(last))
				}
				last = time.Now()
				return false, nil
			})
			if !errors.Is(err, errNoAnswer) || time.Since(start) != most {
				t.Errorf("ended after %s with %v", time.Since(start), err)
			}
			all = append(all, pauses)
		})
	}
	wanted := interval
	for i, p := range all[0] {
		if p < wanted*79/100 || p > wanted*121/100 {
			t.Errorf("pause %d is %s, about %s was wanted", i, p, wanted)
		}
		wanted = min(wanted*3/2, 10*time.Minute)
	}
	if n := len(all[0]); n < 20 || n > 40 {
		t.Errorf("%d looks in %s", n, most)
	}
	if all[0][0] == all[1][0] && all[0][1] == all[1][1] {
		t.Error("two clients look at the same moments")
	}
}

func TestPollEnds(t *testing.T) {
	t.Parallel()
	down := &transport.Error{Class: transport.Temporary, Kind: transport.ErrConnection}
	denied := &transport.Error{Class: transport.Permanent, Kind: transport.ErrPermission}
	for _, c := range []struct {
		name string
		says []error // of one look after the other; then all is there
		want error
		took int // looks
	}{
		{"at once", nil, nil, 1},
		{"the server is away for a while", []error{down, down, down}, nil, 4},
		{"refused for good", []error{down, denied}, denied, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			err := quiet().poll(t.Context(), time.Hour, time.Minute, func(context.Context) (bool, error) {
				if looks++; looks <= len(c.says) {
					return false, c.says[looks-1]
				}
				return true, nil
			})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || looks != c.took {
				t.Errorf("%s: %v after %d looks", c.name, err, looks)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		err := quiet().poll(ctx, time.Hour, time.Minute, func(context.Context) (bool, error) { cancel(); return false, nil })
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("interrupted: %v after %s", err, time.Since(start))
		}
	})
}
