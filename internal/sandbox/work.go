package sandbox

import (
	"context"
	"path/filepath"
	"slices"
	"time"
)

func (s *Server) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run deals with sets and answers when their time has come.
func (s *Server) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		s.work.Lock()
		s.step(ctx, time.Now(), false)
		s.work.Unlock()
		next := s.nextTime()
		if s.cfg.Watch > 0 {
			next = time.Now().Add(s.cfg.Watch)
		}
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), time.Millisecond))
		}
	}
}

// step deals with everything whose time has come, with all regardless of time.
// The work lock is held.
func (s *Server) step(ctx context.Context, now time.Time, all bool) {
	if s.cfg.Watch > 0 {
		if err := s.look(); err != nil {
			s.failed("look into the folders", err)
		}
	}
	s.takeSets(ctx, now, all)
	for ctx.Err() == nil {
		d := s.nextAnswer(now, all)
		if d == nil {
			return
		}
		if err := s.give(d); err != nil {
			s.failed("answer "+d.For, err)
			s.mu.Lock()
			if err := s.state.note(record{Done: d.ID}); err != nil {
				s.state.apply(record{Done: d.ID}) // never try the same for ever
			}
			s.mu.Unlock()
		}
	}
}

func (s *Server) takeSets(ctx context.Context, now time.Time, all bool) {
	for ctx.Err() == nil {
		w, ok := s.nextSet(now, all)
		if !ok {
			return
		}
		if err := s.takeSet(w); err != nil {
			s.failed("check "+w.name, err)
		}
	}
}

// nextTime is when the next set or answer is due; zero: none is waiting.
func (s *Server) nextTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	for _, w := range s.queue {
		if !w.manual && (next.IsZero() || w.at.Before(next)) {
			next = w.at
		}
	}
	for _, d := range s.state.due {
		if next.IsZero() || d.At.Before(next) {
			next = d.At
		}
	}
	return next
}

// Process checks every set whose GO is there now, whatever the scenario says
// about its time. Answers keep their delays.
func (s *Server) Process() {
	s.work.Lock()
	s.takeSets(context.Background(), time.Now(), true)
	s.work.Unlock()
	s.wakeUp()
}

// Flush does Process, and gives every answer without waiting for its delay.
// When it returns, they are in the folders and in the journal.
func (s *Server) Flush() {
	s.work.Lock()
	defer s.work.Unlock()
	s.step(context.Background(), time.Now(), true)
}

// Processed lists the sets that were checked, in their order; those of earlier
// servers on the same Dir first.
func (s *Server) Processed() []ProcessedSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := slices.Clone(s.state.processed)
	for i := range found {
		found[i].Dir = filepath.Join(s.dir, filepath.FromSlash(found[i].path()))
	}
	return found
}
