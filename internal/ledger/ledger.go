package ledger

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
)

// ErrClosed is given for a change after Close.
var ErrClosed = errors.New("ledger is closed")

// Ledger is an open ledger. It is safe for use by several goroutines; several
// processes may have the same file open.
type Ledger struct {
	path   string
	reads  *sql.DB
	writes *sql.DB
	now    func() time.Time
	onStep func(string)
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

// How a ledger is waited for that another process keeps busy; tests are in a
// hurry.
var (
	busyTimeout = 15 * time.Second // of every access, by SQLite
	// openPatience bounds for how long opening is tried again where SQLite does
	// not wait. A ledger that really is busy is waited for once, for longer.
	openPatience = 5 * time.Second
	openPause    = func() { time.Sleep(20 * time.Millisecond) }
)

// Open opens the ledger in a file, and makes it when it is not there. The
// directory is made too; both are readable by the owner only. The clock may be
// nil.
func Open(ctx context.Context, path string, now func() time.Time) (*Ledger, error) {
	if now == nil {
		now = time.Now
	}
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
	l := &Ledger{path: path, now: now, jobs: make(chan *job, maxGrouped), done: make(chan struct{})}
	if l.writes, err = sql.Open("sqlite", source(path, "immediate")); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	l.writes.SetMaxOpenConns(1)
	if l.reads, err = sql.Open("sqlite", source(path, "deferred")); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), l.writes.Close())
	}
	l.reads.SetMaxOpenConns(max(4, runtime.NumCPU()))
	// Two that turn a new file into a ledger at the same moment are told that it
	// is busy at once, without the wait that SQLite has for everything else.
	begin := time.Now()
	err = migrate(ctx, l.writes)
	for TroubleOf(err) == Busy && ctx.Err() == nil && time.Since(begin) < openPatience {
		openPause()
		err = migrate(ctx, l.writes)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), l.reads.Close(), l.writes.Close())
	}
	go l.write()
	return l, nil
}

// ErrOlder is given for a ledger that an older program wrote: Open brings it up to
// date.
var ErrOlder = errors.New("the ledger is that of an older version of socbatch")

// OpenForReading opens a ledger that is there and changes nothing in it. Of its
// methods only those that read may be called.
func OpenForReading(ctx context.Context, path string) (*Ledger, error) {
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
		err = ErrOlder
	case version > len(migrations):
		err = newer(version)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), reads.Close())
	}
	l := &Ledger{path: path, now: time.Now, reads: reads, jobs: make(chan *job), done: make(chan struct{}), closed: true}
	return l, nil
}

func source(path, lock string) string {
	q := url.Values{"_txlock": {lock}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
}

// OnStep has f called before and after every transaction is committed, with
// "commit" and "committed": tests let the program die there. It is to be
// called before the first change.
func (l *Ledger) OnStep(f func(step string)) { l.onStep = f }

func (l *Ledger) step(name string) {
	if l.onStep != nil {
		l.onStep(name)
	}
}

// Path is the ledger's file.
func (l *Ledger) Path() string { return l.path }

// Close ends the ledger after the changes that are under way.
func (l *Ledger) Close() error {
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
func (l *Ledger) change(do func(*sql.Tx) error) error {
	j := &job{do: do, result: make(chan error, 1)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.jobs <- j
	l.mu.Unlock()
	if err := <-j.result; err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// write carries out changes, as many at a time as are waiting.
func (l *Ledger) write() {
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

func (l *Ledger) commit(batch []*job) {
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

func (l *Ledger) stamp() string { return timeText(l.now()) }

// Moment writes a time as filters want it.
func Moment(t time.Time) string { return timeText(t) }

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
