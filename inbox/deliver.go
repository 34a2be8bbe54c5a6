package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/inflight"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// DefaultParallel is how many files are in flight over one connection.
const DefaultParallel = 64

// MaxParallel is the largest number of files in flight.
const MaxParallel = 512

// Deliverer sends sets over one session. Its methods may be called by several
// goroutines at once; the files in flight are bounded over all of them.
type Deliverer struct {
	session Session
	ledger  Ledger
	spool   *Spool
	flight  *inflight.Limit
	pause   time.Duration
	observe func(Event)
}

// Event tells an observer what happened to a set.
type Event struct {
	Set  naming.Set
	Kind EventKind
	File string // the file, for FileSent
	Size int64  // bytes, for FileSent
}

// EventKind is the kind of an Event.
type EventKind string

// What is observed.
const (
	FileSent EventKind = "file-sent" // an FI or FS is on the server
	GoSent   EventKind = "go-sent"   // the server took the GO
)

// Options of a Deliverer; the zero value is usable.
type Options struct {
	// Parallel bounds the files in flight; 0 means DefaultParallel.
	Parallel int
	// Pause is the time between the two looks at the folder after which a GO
	// that is nowhere to be seen is sent again; 0 means 10 seconds.
	Pause time.Duration
	// Observe is called for every event, by several goroutines.
	Observe func(Event)
}

// NewDeliverer makes a Deliverer.
func NewDeliverer(s Session, l Ledger, spool *Spool, o Options) *Deliverer {
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Pause == 0 {
		o.Pause = 10 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	return &Deliverer{
		session: s, ledger: l, spool: spool, pause: o.Pause, observe: o.Observe,
		flight: inflight.New(min(o.Parallel, MaxParallel)),
	}
}

// UnknownError says that the GO of a set left and no answer came: the set may
// be processed, or may not.
type UnknownError struct {
	Set naming.Set
	Err error
	// Taken is true when the server did answer that it took the GO, and only the
	// ledger could not be told.
	Taken bool
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s: outcome unknown after GO: %v", e.Set, e.Err)
}

func (e *UnknownError) Unwrap() error { return e.Err }

// Deliver sends a set whose state is BeforeGO: its FI and FS files together,
// then GO. It returns nil when the set is Sent. After another error than
// *UnknownError the GO was not asked for and Deliver may be called again.
//
// When ctx ends, Deliver stops before GO; a GO that has begun runs to its end.
func (d *Deliverer) Deliver(ctx context.Context, s *Submission) error {
	if !s.State.BeforeGO() {
		return &StateError{Name: s.Set.String(), Now: s.State, To: Uploading}
	}
	if s.State != Uploading {
		if err := d.move(ctx, s, Uploading, ""); err != nil {
			return err
		}
	}
	if err := d.upload(ctx, s); err != nil {
		return d.uploadFailed(ctx, s, err)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, d.move(context.WithoutCancel(ctx), s, Uploaded, "stopped before GO"))
	}
	return d.goAhead(ctx, s)
}

func (d *Deliverer) move(ctx context.Context, s *Submission, to State, note string) error {
	if err := d.ledger.Move(ctx, s.ID, to, note); err != nil {
		return err
	}
	s.State, s.Note = to, note
	return nil
}

// upload sends every FI and FS. All of them are sent again after a failure: a
// file that broke off may have its full length and garbage inside.
func (d *Deliverer) upload(ctx context.Context, s *Submission) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, 2*len(s.Parts))
	put := func(i int, name, file string, size int64, hash Hash) {
		wg.Go(func() {
			if errs[i] = d.putFile(ctx, s, name, file, size, hash); errs[i] != nil {
				cancel()
			}
		})
	}
	for i, p := range s.Parts {
		put(2*i, s.Set.FI(p.Number).String(), d.spool.FI(s.Spool, p.Number), p.Size, p.Hash)
		if p.SignSize > 0 {
			put(2*i+1, s.Set.FS(p.Number).String(), d.spool.FS(s.Spool, p.Number), p.SignSize, p.Signature)
		}
	}
	wg.Wait()
	// The first real failure explains more than the cancellations it caused.
	var cancelled error
	for _, err := range errs {
		switch {
		case err == nil:
		case transport.ClassOf(err) == transport.Cancelled:
			cancelled = err
		default:
			return err
		}
	}
	return cancelled
}

// putFile uploads one frozen file. What is read is hashed on the way: bytes
// that are not the ones that were signed never become part of a set.
func (d *Deliverer) putFile(ctx context.Context, s *Submission, name, file string, size int64, hash Hash) error {
	err := d.flight.Do(ctx, func() error {
		f, err := os.Open(file)
		if err != nil {
			return &SpoolError{Set: s.Set, Path: file, Err: err}
		}
		defer f.Close() //nolint:errcheck // only read
		if info, err := f.Stat(); err != nil || info.Size() != size {
			return &SpoolError{Set: s.Set, Path: file, Err: errors.Join(err, errSpoolChanged)}
		}
		r := newHashReader(f)
		if err := d.session.Put(ctx, path.Join(s.Set.Inbox(), name), r, size); err != nil {
			return err
		}
		if r.sum() != hash {
			return &SpoolError{Set: s.Set, Path: file, Err: errSpoolChanged}
		}
		return nil
	})
	if err == nil {
		d.observe(Event{Set: s.Set, Kind: FileSent, File: name, Size: size})
	}
	return err
}

// uploadFailed records why a set did not get as far as GO.
func (d *Deliverer) uploadFailed(ctx context.Context, s *Submission, err error) error {
	keep := context.WithoutCancel(ctx) // what happened is recorded also when the person has had enough
	var spool *SpoolError
	to := Uploading
	if transport.ClassOf(err) == transport.Permanent || errors.As(err, &spool) {
		to = Failed
	}
	var lerr error
	if to == Failed {
		lerr = d.move(keep, s, Failed, err.Error())
	} else if transport.ClassOf(err) != transport.Cancelled {
		lerr = d.ledger.Note(keep, s.ID, err.Error())
	}
	return errors.Join(err, lerr)
}

// goAhead sends the GO of a set whose files are all on the server. The attempt
// is recorded before its request leaves, since opening the file may already
// start the processing.
func (d *Deliverer) goAhead(ctx context.Context, s *Submission) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the point of no return
	if err := d.move(ctx, s, Unknown, NoteAsked); err != nil {
		return err
	}
	err := d.flight.Once(ctx, func() error { return d.putEmpty(ctx, s.Set, s.Set.GO()) })
	if err != nil {
		lerr := d.ledger.Note(ctx, s.ID, "no answer to GO: "+err.Error())
		return &UnknownError{Set: s.Set, Err: errors.Join(err, lerr)}
	}
	if err := d.sent(ctx, s, ""); err != nil {
		return &UnknownError{Set: s.Set, Err: err, Taken: true}
	}
	d.observe(Event{Set: s.Set, Kind: GoSent, File: s.Set.GO().String()})
	return nil
}

// putEmpty puts a file whose name says everything. That the server gave its handle
// to another file as well does no harm to it: it is there.
func (d *Deliverer) putEmpty(ctx context.Context, set naming.Set, name naming.Name) error {
	err := d.session.Put(ctx, path.Join(set.Inbox(), name.String()), bytes.NewReader(nil), 0)
	if errors.Is(err, transport.ErrSharedHandle) {
		return nil
	}
	return err
}

// sent records that the server took the set. Another process may have fetched
// an answer to it in the meantime, which says the same and more.
func (d *Deliverer) sent(ctx context.Context, s *Submission, note string) error {
	return answered(s, d.move(ctx, s, Sent, note))
}

func answered(s *Submission, err error) error {
	var state *StateError
	if errors.As(err, &state) && state.Now.Answered() {
		s.State, s.Note = state.Now, ""
		return nil
	}
	return err
}
