package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database driver

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
)

// store is an open ledger.
type store struct {
	reads  *sql.DB
	writes *sql.DB
	now    func() time.Time
	step   func(string)
	hooks  map[string]bool // see Tell

	mu     sync.Mutex
	closed bool
	jobs   chan *job
	done   chan struct{}
}

// job is one change that waits for its transaction.
type job struct {
	do     func(*sql.Tx) error
	result chan error
}

// maxGrouped bounds the changes in one transaction.
const maxGrouped = 512

// Options say how a ledger is opened. The zero value is what everybody wants.
type Options struct {
	Now func() time.Time // nil: time.Now
	// BusyTimeout is for how long a ledger is waited for that another process
	// keeps busy; 0: 15 seconds.
	BusyTimeout time.Duration
	// OnStep, where it is not nil, is called before and after every transaction is
	// committed, with "commit" and "committed": tests let the program die there.
	OnStep func(step string)

	pause func() // before opening is tried again
}

// Defaults of Options.
const (
	busyTimeout = 15 * time.Second
	openPause   = 20 * time.Millisecond
)

// maxOpenPatience bounds for how long opening is tried again where SQLite does
// not wait. A ledger that really is busy is waited for once, for longer.
const maxOpenPatience = 5 * time.Second

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = busyTimeout
	}
	if o.OnStep == nil {
		o.OnStep = func(string) {}
	}
	if o.pause == nil {
		o.pause = func() { time.Sleep(openPause) }
	}
	return o
}

// Open opens the ledger in a file, and makes it when it is not there. The
// directory is made too; both are readable by the owner only.
func Open(ctx context.Context, path string, o Options) (ledger.Ledger, error) {
	o = o.withDefaults()
	if err := new(durable.Disk).MkdirAll(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	// SQLite would make the file with the umask's permissions.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &store{now: o.Now, step: o.OnStep, jobs: make(chan *job, maxGrouped), done: make(chan struct{})}
	if l.writes, err = sql.Open("sqlite", source(path, "immediate", o.BusyTimeout)); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	l.writes.SetMaxOpenConns(1)
	if l.reads, err = sql.Open("sqlite", source(path, "deferred", o.BusyTimeout)); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), l.writes.Close())
	}
	l.reads.SetMaxOpenConns(max(4, runtime.NumCPU()))
	// Two that turn a new file into a ledger at the same moment are told that it
	// is busy at once, without the wait that SQLite has for everything else.
	begin := time.Now()
	patience := min(o.BusyTimeout, maxOpenPatience)
	err = classified(migrate(ctx, l.writes, migrations))
	for ledger.FailureOf(err) == ledger.Busy && ctx.Err() == nil && time.Since(begin) < patience {
		o.pause()
		err = classified(migrate(ctx, l.writes, migrations))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), l.reads.Close(), l.writes.Close())
	}
	go l.write()
	return l, nil
}

// OpenForReading opens a ledger that is there and changes nothing in it: of its
// methods only those that read may be called. It fails with ledger.ErrOlder where
// the ledger would first have to be brought up to date.
func OpenForReading(ctx context.Context, path string) (ledger.Ledger, error) {
	q := url.Values{"mode": {"rw"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(1)"}}
	reads, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	var version int
	err = reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM ledger_version`).Scan(&version)
	switch {
	case err != nil:
	case version < len(migrations):
		err = ledger.ErrOlder
	case version > len(migrations):
		err = newer(version)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, classified(err)), reads.Close())
	}
	return &store{now: time.Now, reads: reads, closed: true}, nil
}

func source(path, lock string, busyTimeout time.Duration) string {
	q := url.Values{"_txlock": {lock}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
}

// Close implements ledger.Ledger.
func (l *store) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		if l.writes == nil {
			return l.reads.Close()
		}
		return nil
	}
	l.closed = true
	close(l.jobs)
	l.mu.Unlock()
	<-l.done
	return errors.Join(l.reads.Close(), l.writes.Close())
}

// change runs do in a transaction that is on the disk when change returns nil.
// do may run in one transaction with the changes of others; when it fails,
// only its own effects are undone. It must not keep the transaction.
func (l *store) change(do func(*sql.Tx) error) error {
	j := &job{do: do, result: make(chan error, 1)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ledger.ErrClosed
	}
	l.jobs <- j
	l.mu.Unlock()
	if err := <-j.result; err != nil {
		return failed(err)
	}
	return nil
}

// write carries out changes, as many at a time as are waiting.
func (l *store) write() {
	defer close(l.done)
	for j := range l.jobs {
		batch := []*job{j}
	gather:
		for len(batch) < maxGrouped {
			select {
			case next, open := <-l.jobs:
				if !open {
					break gather
				}
				batch = append(batch, next)
			default:
				break gather
			}
		}
		l.commit(batch)
	}
}

func (l *store) commit(batch []*job) {
	results := make([]error, len(batch))
	err := func() error {
		tx, err := l.writes.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
		for i, j := range batch {
			if _, err := tx.Exec(`SAVEPOINT one`); err != nil {
				return err
			}
			if results[i] = j.do(tx); results[i] != nil {
				if _, err := tx.Exec(`ROLLBACK TO SAVEPOINT one`); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(`RELEASE SAVEPOINT one`); err != nil {
				return err
			}
		}
		l.step("commit")
		if err := tx.Commit(); err != nil {
			return err
		}
		l.step("committed")
		return nil
	}()
	for i, j := range batch {
		if err != nil && results[i] == nil {
			results[i] = err
		}
		j.result <- results[i]
	}
}

func (l *store) stamp() string { return timeText(l.now()) }

// timeText is how a time is stored: as it is given away, so that tables are
// exported as they are.
func timeText(t time.Time) string { return ledger.Moment(t) }

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
