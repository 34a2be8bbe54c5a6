package inbox

import (
	"context"
	"errors"
	"path"

	"github.com/socbatch/socbatch/transport"
)

// Rehearse tries out what sending needs of the server, and sends nothing: the
// files of a set that is Prepared are uploaded, and cancelled with a TD. The
// set is Cancelled before all that, so that no GO can ever follow under its
// name, whatever breaks off. look, where it is set, is called with the path of
// the first FI while that is there.
//
// What the server leaves lying after the TD is removed, where that is allowed;
// else the TD does it. The error holds a *LeftBehindError when files may be left.
func (d *Deliverer) Rehearse(ctx context.Context, s *Submission, reason string, look func(ctx context.Context, path string)) error {
	if s.State != Prepared {
		return &StateError{Name: s.Set.String(), Now: s.State, To: Cancelled}
	}
	if err := d.move(ctx, s, Cancelled, reason); err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx) // what was begun is cleaned up also after Ctrl-C
	if err := d.upload(ctx, s); err != nil {
		return errors.Join(err, d.cleanUp(whole, s))
	}
	if look != nil {
		look(ctx, path.Join(s.Set.Inbox(), s.Set.FI(1).String()))
	}
	return d.withdraw(whole, s)
}

// withdraw cancels a set with a TD.
func (d *Deliverer) withdraw(ctx context.Context, s *Submission) error {
	if err := d.putTD(ctx, s); err != nil {
		if refused, cerr := d.clear(ctx, s); !refused && cerr == nil {
			return errors.Unwrap(err) // nothing is left
		}
		return err
	}
	// The TD goes first: a server that has not dealt with it so far then finds
	// nothing to do.
	err := d.session.Remove(ctx, path.Join(s.Set.Inbox(), s.Set.TD().String()))
	switch {
	case err == nil, errors.Is(err, transport.ErrNotFound):
	case transport.ClassOf(err) == transport.Permanent:
		return nil
	default:
		return &LeftBehindError{s.Set, err}
	}
	if _, err := d.clear(ctx, s); err != nil {
		return &LeftBehindError{s.Set, err}
	}
	return nil
}
