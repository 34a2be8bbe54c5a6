package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// contender is one way to do the work of a row.
type contender struct {
	name string
	ours bool
	// needs are the programs without which it cannot run.
	needs []string
	// run prepares everything, measures, and checks that what should have
	// arrived did arrive.
	run func(context.Context) (usage, error)
}

// comparison is a line of the table: ours divided by the peer.
type comparison struct {
	ours, peer string
	want       float64 // at most; 0: nothing was promised
}

// row is one piece of work that several contenders do.
type row struct {
	number      int
	title       string
	contenders  []contender
	comparisons []comparison
}

// keep leaves only the contenders whose name contains text.
func (r *row) keep(text string) {
	names := map[string]bool{}
	r.contenders = slices.DeleteFunc(r.contenders, func(c contender) bool {
		names[c.name] = strings.Contains(c.name, text)
		return !names[c.name]
	})
	r.comparisons = slices.DeleteFunc(r.comparisons, func(c comparison) bool { return !names[c.ours] || !names[c.peer] })
}

// standing is what became of a contender.
type standing struct {
	contender
	runs   []usage
	notRun string // why it did not run, or not to the end
}

// median of the times.
func (s *standing) median() time.Duration {
	if len(s.runs) == 0 {
		return 0
	}
	walls := s.walls()
	n := len(walls)
	return (walls[(n-1)/2] + walls[n/2]) / 2
}

func (s *standing) walls() []time.Duration {
	walls := make([]time.Duration, len(s.runs))
	for i, u := range s.runs {
		walls[i] = u.Wall
	}
	slices.Sort(walls)
	return walls
}

func (s *standing) memory() int64 {
	var peak int64
	for _, u := range s.runs {
		peak = max(peak, u.Memory)
	}
	return peak
}

// A peer that takes longer than these runs twice, or once.
const (
	slow     = 20 * time.Second
	verySlow = 60 * time.Second
)

// enough reports whether a contender has run often enough.
func (s *standing) enough(round int) bool {
	if s.notRun != "" {
		return true
	}
	if s.ours || len(s.runs) == 0 {
		return false
	}
	first := s.runs[0].Wall
	return first > verySlow || first > slow && round >= 2
}

// contest lets the contenders of a row run in turn, round after round.
func (b *bench) contest(ctx context.Context, r row, rounds int) ([]*standing, error) {
	standings := make([]*standing, len(r.contenders))
	for i, c := range r.contenders {
		standings[i] = &standing{contender: c}
		for _, tool := range c.needs {
			if !b.has(tool) {
				standings[i].notRun = tool + " is missing"
			}
		}
	}
	var errs []error
	for round := range rounds {
		for _, s := range standings {
			if s.enough(round) {
				continue
			}
			u, err := s.run(ctx)
			if ctx.Err() != nil {
				return standings, ctx.Err()
			}
			if err != nil {
				s.notRun = "failed: " + err.Error()
				b.say("  %d. %s: %s", round+1, s.name, s.notRun)
				if s.ours {
					errs = append(errs, fmt.Errorf("row %d, %s: %w", r.number, s.name, err))
				}
				continue
			}
			s.runs = append(s.runs, u)
			b.say("  %d. %-42s %8.2f s  CPU %6.2f s  %4d MiB", round+1, s.name, u.Wall.Seconds(), u.CPU.Seconds(), u.Memory>>20)
		}
	}
	return standings, errors.Join(errs...)
}
