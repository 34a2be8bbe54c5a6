package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
)

// options of a campaign.
type options struct {
	server    serverKind
	binary    string
	schedules int
	seed      uint64
	parallel  int
	skipCases bool
	keep      bool
	first     bool
	verbose   bool
	only      []string
	progress  func(n, violations int)
	told      func(text string) // one schedule that went wrong, or any with verbose
}

// statistics of a campaign.
type statistics struct {
	schedules, acts, commands, violations int

	blows    map[string]int // what struck, by kind
	missed   int            // blows whose step or request never came
	points   map[string]int // steps of the client it was killed at
	requests map[string]int // requests that were struck, by mode
	steps    map[string]int // steps of the client at which the server was struck
	leftover map[string]int // files that killed clients left and that do no harm
}

var errFirst = errors.New("stopped at the first violation")

// campaign runs the schedules.
func campaign(ctx context.Context, o options) (*statistics, error) {
	dir, err := os.MkdirTemp("", "socbatch-crash-")
	if err != nil {
		return nil, err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	t, err := newTemplate(dir, o.server)
	if err != nil {
		return nil, err
	}
	st := &statistics{
		blows: map[string]int{}, points: map[string]int{}, requests: map[string]int{}, steps: map[string]int{}, leftover: map[string]int{},
	}
	var mu sync.Mutex
	started := 0
	// one runs a schedule and reports whether its last blow struck.
	one := func(s *schedule) (bool, error) {
		mu.Lock()
		started++
		d := filepath.Join(dir, strconv.Itoa(started))
		mu.Unlock()
		r, err := s.run(ctx, t, o.binary, d)
		if err != nil {
			return false, fmt.Errorf("schedule %s: %w", s.name, err)
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		st.add(r)
		if len(r.violations) > 0 || o.verbose {
			o.told(r.text(o.seed))
		}
		if len(r.violations) > 0 && o.keep {
			o.told("  kept in " + d + "\n")
		} else if err := os.RemoveAll(d); err != nil {
			return false, err
		}
		if o.progress != nil {
			o.progress(st.schedules, st.violations)
		}
		if o.first && st.violations > 0 {
			return false, errFirst
		}
		return r.struck, nil
	}
	full := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return started >= o.schedules
	}
	var jobs []func() error
	if len(o.only) > 0 {
		o.schedules = len(o.only)
		for _, name := range o.only {
			s, err := scheduleNamed(o.server, o.seed, name)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, func() error { _, err := one(s); return err })
		}
		return st, together(o.parallel, jobs)
	}
	if !o.skipCases {
		for _, c := range smallCases(o.server) {
			for _, b := range c.blows {
				jobs = append(jobs, func() error {
					for at := 1; !full(); at++ {
						if struck, err := one(c.schedule(b, at)); err != nil || !struck {
							return err
						}
					}
					return nil
				})
			}
		}
		if err := together(o.parallel, jobs); err != nil {
			return st, err
		}
		jobs = nil
	}
	for i := 1; i <= o.schedules-started; i++ {
		jobs = append(jobs, func() error { _, err := one(random(o.server, o.seed, i)); return err })
	}
	return st, together(o.parallel, jobs)
}

// together runs jobs, some at a time, until one fails.
func together(parallel int, jobs []func() error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	for range max(parallel, 1) {
		wg.Go(func() {
			for {
				mu.Lock()
				if next == len(jobs) || first != nil {
					mu.Unlock()
					return
				}
				job := jobs[next]
				next++
				mu.Unlock()
				if err := job(); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

func (st *statistics) add(r *result) {
	st.schedules++
	st.acts += r.acts
	st.commands += r.commands
	if len(r.violations) > 0 {
		st.violations++
	}
	for _, b := range r.blows {
		if !b.fired {
			st.missed++
			continue
		}
		st.blows[b.kindText()]++
		if b.what == killPoint {
			st.points[b.where]++
		} else if b.mode == atStep {
			st.steps[b.where]++
		} else if b.mode != "" {
			st.requests[b.where+", "+string(b.mode)]++
		}
	}
	for _, l := range r.leftover {
		st.leftover[l]++
	}
}

func (st *statistics) print(w io.Writer, seed uint64, took time.Duration) {
	fmt.Fprintf(w, "%d schedules from seed %d, %d acts, %d commands, in %s\n", st.schedules, seed, st.acts, st.commands, took.Round(time.Second))
	table := func(title string, counts map[string]int) {
		if len(counts) == 0 {
			return
		}
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, k := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(w, "%7d  %s\n", counts[k], k)
		}
	}
	table("what struck", st.blows)
	fmt.Fprintf(w, "%7d  not reached: the command ended before\n", st.missed)
	table("steps at which the client was killed", st.points)
	table("requests that were struck", st.requests)
	table("steps of the client at which the server was struck", st.steps)
	table("left behind, harmless", st.leftover)
	fmt.Fprintf(w, "\n%d violations\n", st.violations)
}

// template is what every schedule begins with: making keys takes a while.
type template struct {
	kind           serverKind
	client, server string
	ports          chan int
}

const sender = "101380"

func newTemplate(dir string, kind serverKind) (*template, error) {
	t := &template{kind: kind, client: filepath.Join(dir, "kit"), server: filepath.Join(dir, "server"), ports: make(chan int, lastPort-firstPort+1)}
	kit, err := sandbox.OpenKit(t.client, sender)
	if err != nil {
		return nil, err
	}
	s, err := sandbox.New(sandbox.Config{Dir: t.server, Sender: sender, User: kit.User, AcceptAnyKey: true})
	if err != nil {
		return nil, err
	}
	for p := firstPort; p <= lastPort; p++ {
		t.ports <- p
	}
	return t, s.Close()
}

// Ports of the servers. They lie below those that the system gives out, so
// that nobody takes one while its server is started again.
const firstPort, lastPort = 21_000, 29_999

// text is what is told about a schedule.
func (r *result) text(seed uint64) string {
	var b strings.Builder
	verdict := "as promised"
	if len(r.violations) > 0 {
		verdict = "VIOLATION"
	}
	fmt.Fprintf(&b, "schedule %s, seed %d: %s\n", r.name, seed, verdict)
	for _, v := range r.violations {
		fmt.Fprintf(&b, "  ! %s\n", v)
	}
	for _, l := range r.log {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimRight(l, "\n"), "\n", "\n      "))
	}
	return b.String()
}
