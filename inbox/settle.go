package inbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// look is what a folder showed of one set.
type look struct {
	sizes  map[string]int64 // of the FI and FS, by name
	goFile bool
}

// Settle finds out what became of sets whose state is Unknown, by looking into
// the folder they were sent to. All sets are of one environment.
//
// GO still there, or an FI gone: the set was taken, it becomes Sent. Every FI
// there and no GO, seen twice with a pause between: GO never arrived, and is
// sent now. Where the folder may not be listed nothing can be said and the
// sets stay Unknown; the error then wraps transport.ErrPermission or
// transport.ErrUnsupported.
//
// The sets are updated in place. The error joins what went wrong; sets it does
// not concern are settled all the same.
func (d *Deliverer) Settle(ctx context.Context, sets []*Submission) error {
	if len(sets) == 0 {
		return nil
	}
	folder := sets[0].Set.Inbox()
	first, err := d.lookAt(ctx, folder, sets)
	if err != nil {
		return fmt.Errorf("look what became of %d sets: %w", len(sets), err)
	}
	var errs []error
	var waiting []*Submission
	for _, s := range sets {
		switch {
		case s.State != Unknown:
			errs = append(errs, &StateError{Name: s.Set.String(), Now: s.State, To: Sent})
		case first[s.Set.Key()].waits(s):
			waiting = append(waiting, s)
		default:
			errs = append(errs, d.foundSent(ctx, s, first[s.Set.Key()]))
		}
	}
	if len(waiting) == 0 {
		return errors.Join(errs...)
	}
	// A GO that was on its way when its connection broke may still arrive.
	select {
	case <-time.After(d.pause):
	case <-ctx.Done():
		return errors.Join(append(errs, ctx.Err())...)
	}
	second, err := d.lookAt(ctx, folder, waiting)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("look a second time: %w", err))...)
	}
	for _, s := range waiting {
		if !second[s.Set.Key()].waits(s) {
			errs = append(errs, d.foundSent(ctx, s, second[s.Set.Key()]))
			continue
		}
		if err := d.move(ctx, s, Uploaded, NoteNoGO); err != nil {
			errs = append(errs, answered(s, err))
			continue
		}
		if second[s.Set.Key()].intact(s) {
			errs = append(errs, d.goAhead(ctx, s))
		} else {
			errs = append(errs, d.Deliver(ctx, s))
		}
	}
	return errors.Join(errs...)
}

// waits reports whether the folder showed the set complete but for its GO.
func (l look) waits(s *Submission) bool {
	if l.goFile {
		return false
	}
	for _, p := range s.Parts {
		if _, there := l.sizes[s.Set.FI(p.Number).String()]; !there {
			return false
		}
	}
	return true
}

// intact reports whether every file of the set has the size that was sent.
func (l look) intact(s *Submission) bool {
	for _, p := range s.Parts {
		if l.sizes[s.Set.FI(p.Number).String()] != p.Size {
			return false
		}
		if p.SignSize > 0 && l.sizes[s.Set.FS(p.Number).String()] != p.SignSize {
			return false
		}
	}
	return true
}

func (d *Deliverer) foundSent(ctx context.Context, s *Submission, l look) error {
	note := NoteTaken
	if l.goFile {
		note = NoteWaiting
	}
	return d.sent(ctx, s, note)
}

// maxLooked bounds the entries of a folder that are looked at: the listing of a
// broken server may have no end.
const maxLooked = 1_000_000

// lookAt lists a folder and says what it shows of the sets.
func (d *Deliverer) lookAt(ctx context.Context, folder string, sets []*Submission) (map[string]look, error) {
	seen := map[string]look{}
	for _, s := range sets {
		seen[s.Set.Key()] = look{sizes: map[string]int64{}}
	}
	entries := 0
	err := d.session.List(ctx, folder, func(e transport.Entry) error {
		if entries++; entries > maxLooked {
			return &transport.Error{Op: "list", Path: folder, Kind: transport.ErrProtocol, Err: fmt.Errorf("more than %d entries", maxLooked)}
		}
		n, err := naming.Parse(e.Name)
		if err != nil {
			return nil // not ours to judge
		}
		l, asked := seen[n.SetKey()]
		if !asked {
			return nil
		}
		switch n.Kind {
		case naming.FI, naming.FS:
			l.sizes[e.Name] = e.Size
		case naming.GO:
			l.goFile = true
		}
		seen[n.SetKey()] = l
		return nil
	})
	return seen, err
}

// Cancel gives up a set whose GO was never asked for: files of it that may be
// on the server are removed, or, where that is not allowed, cancelled with a
// TD. The server may deal with a TD at any later time, so the set is given up
// before it is put: nothing is ever sent under that name again. When the TD
// then fails, with *LeftBehindError, the files stay on the server without a GO.
// A set that is Cancelled already is cleaned up again.
func (d *Deliverer) Cancel(ctx context.Context, s *Submission, reason string) error {
	if s.State == Cancelled {
		return d.cleanUp(ctx, s)
	}
	if !s.State.BeforeGO() {
		return &StateError{Name: s.Set.String(), Now: s.State, To: Cancelled}
	}
	refused := false
	if s.State != Prepared {
		var err error
		if refused, err = d.clear(ctx, s); err != nil {
			return err
		}
	}
	if err := d.move(ctx, s, Cancelled, reason); err != nil || !refused {
		return err
	}
	return d.putTD(ctx, s)
}

// Abandon gives up a set whose state is Unknown because a person knows that its
// GO did not arrive. It does what Cancel does, so that nothing is left that
// could still be processed; but first of all the set is Cancelled, since a look
// at the folder would take an FI that is gone for a set that was taken.
func (d *Deliverer) Abandon(ctx context.Context, s *Submission, reason string) error {
	if s.State != Unknown {
		return &StateError{Name: s.Set.String(), Now: s.State, To: Cancelled}
	}
	if err := d.move(ctx, s, Cancelled, reason); err != nil {
		return err
	}
	return d.cleanUp(ctx, s)
}

// LeftBehindError says that a set is given up and that files of it stay on the
// server, without a GO. Cancel may be called again to clean up.
type LeftBehindError struct {
	Set naming.Set
	Err error
}

func (e *LeftBehindError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *LeftBehindError) Said() (format string, args []any) { return e.problem().Said() }

func (e *LeftBehindError) problem() *problem.Error {
	return problem.New("%s is given up, and files of it stay on the server without a GO: %s", e.Set, e.Err)
}

func (e *LeftBehindError) Unwrap() error { return e.Err }

// cleanUp takes what may be on the server of a set that is given up.
func (d *Deliverer) cleanUp(ctx context.Context, s *Submission) error {
	refused, err := d.clear(ctx, s)
	if err != nil {
		return &LeftBehindError{s.Set, err}
	}
	if refused {
		return d.putTD(ctx, s)
	}
	return nil
}

func (d *Deliverer) putTD(ctx context.Context, s *Submission) error {
	if err := d.putEmpty(ctx, s.Set, s.Set.TD()); err != nil {
		return &LeftBehindError{s.Set, err}
	}
	return nil
}

// clear takes the files of a set off the server, and reports whether that is
// not allowed.
func (d *Deliverer) clear(ctx context.Context, s *Submission) (refused bool, err error) {
	for _, p := range s.Parts {
		names := []naming.Name{s.Set.FI(p.Number)}
		if p.SignSize > 0 {
			names = append(names, s.Set.FS(p.Number))
		}
		for _, n := range names {
			err := d.session.Remove(ctx, path.Join(s.Set.Inbox(), n.String()))
			switch {
			case err == nil, errors.Is(err, transport.ErrNotFound):
			case transport.ClassOf(err) == transport.Permanent:
				refused = true
			default:
				return refused, err
			}
		}
	}
	return refused, nil
}

// UnsettledError is a set whose outcome could not be found out now.
type UnsettledError struct {
	Set naming.Set
	Err error
}

func (e *UnsettledError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *UnsettledError) Said() (format string, args []any) { return e.problem().Said() }

// Unwrap gives why.
func (e *UnsettledError) Unwrap() error { return e.Err }

func (e *UnsettledError) problem() *problem.Error {
	return problem.New("%s: what became of it could not be found out: %s", e.Set, e.Err)
}
