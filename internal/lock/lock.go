// Package lock lets one process at a time do what two must not do together. A
// lock is a file that is never removed: removing it after use would let two
// processes hold what each believes to be the lock.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
)

// Holder says who has a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// HeldError says that another process has the lock.
type HeldError struct {
	Path   string
	Holder Holder // zero where it is not known
}

func (e *HeldError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *HeldError) Said() (format string, args []any) { return e.problem().Said() }

func (e *HeldError) problem() *problem.Error {
	if e.Holder.PID == 0 {
		return problem.New("another process is at work (lock %s)", e.Path)
	}
	return problem.New("%q is at work since %s (process %d on %s, lock %s)", e.Holder.Command,
		e.Holder.Since.Local().Format(time.DateTime), e.Holder.PID, e.Holder.Host, e.Path)
}

// Lock is a lock that is held.
type Lock struct{ f *flock.Flock }

// Acquire takes the lock of that name in dir, waiting at most wait for it. It
// fails with *HeldError when another process keeps it.
func Acquire(ctx context.Context, dir, name, command string, wait time.Duration) (*Lock, error) {
	if err := new(durable.Disk).MkdirAll(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+".lock")
	f := flock.New(path, flock.SetPermissions(0o600))
	got, err := f.TryLock()
	if err == nil && !got && wait > 0 {
		limited, cancel := context.WithTimeout(ctx, wait)
		got, err = f.TryLockContext(limited, 100*time.Millisecond)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			got, err = false, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("take lock %s: %w", path, err)
	}
	if !got {
		return nil, &HeldError{Path: path, Holder: readHolder(path)}
	}
	// Who holds it is a courtesy for the next one who comes: it stands beside
	// the lock, since Windows lets nobody read a locked file.
	host, _ := os.Hostname()
	if b, err := json.Marshal(Holder{os.Getpid(), host, command, time.Now().UTC().Truncate(time.Second)}); err == nil {
		_ = os.WriteFile(path+".holder", b, 0o600)
	}
	return &Lock{f}, nil
}

func readHolder(path string) (h Holder) {
	if b, err := os.ReadFile(path + ".holder"); err == nil && json.Unmarshal(b, &h) != nil {
		return Holder{}
	}
	return h
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.f.Unlock() }
