package inbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
)

// Reasons why a file cannot be frozen.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrEmpty      = errors.New("the file is empty")
	ErrTooLarge   = errors.New("the file is larger than the limit")
	ErrChanging   = errors.New("the file is still being written")
)

// SourceError is a file that cannot be taken in.
type SourceError struct {
	Path string
	Err  error
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

func (e *SourceError) Unwrap() error { return e.Err }

// CheckSource says whether a file can be taken in: a regular file, not empty,
// not above the limit (0: none). It does not open it: a device may do something
// when it is opened.
func CheckSource(file string, maxSize int64) (os.FileInfo, error) {
	info, err := os.Stat(file)
	return checkInfo(file, info, err, maxSize)
}

// openSource opens a file that can be taken in. Something else may have come in
// its place since CheckSource looked: that does not hold up the opening, as a
// FIFO would, and is found out.
func openSource(file string, maxSize int64) (*os.File, os.FileInfo, error) {
	if _, err := CheckSource(file, maxSize); err != nil {
		return nil, nil, err
	}
	return openNow(file, maxSize)
}

func openNow(file string, maxSize int64) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &SourceError{file, err}
	}
	info, err := f.Stat()
	if info, err = checkInfo(file, info, err, maxSize); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func checkInfo(file string, info os.FileInfo, err error, maxSize int64) (os.FileInfo, error) {
	switch {
	case err != nil:
		return nil, &SourceError{file, err}
	case !info.Mode().IsRegular():
		return nil, &SourceError{file, ErrNotRegular}
	case info.Size() == 0:
		return nil, &SourceError{file, ErrEmpty}
	case maxSize > 0 && info.Size() > maxSize:
		return nil, &SourceError{file, problem.New("%s: %d bytes, %d allowed", ErrTooLarge, info.Size(), maxSize)}
	}
	return info, nil
}

// Settled waits until no file was touched for the given time, looking at each
// one's size and time twice. A file that changes in between is being written:
// ErrChanging. Files that are older already cost no wait.
func Settled(ctx context.Context, files []string, quiet time.Duration) error {
	unsettled, err := Unsettled(ctx, files, quiet)
	for _, f := range files {
		if err == nil {
			err = unsettled[f]
		}
	}
	return err
}

// Unsettled is Settled for files that do not depend on each other: it gives the
// files that are not settled, each with its *SourceError. The error is that of
// ctx.
func Unsettled(ctx context.Context, files []string, quiet time.Duration) (map[string]error, error) {
	unsettled := map[string]error{}
	if quiet <= 0 {
		return unsettled, nil
	}
	type stamp struct {
		size int64
		time time.Time
	}
	seen := map[string]stamp{}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			unsettled[f] = &SourceError{f, err}
			continue
		}
		if age := time.Since(info.ModTime()); age < quiet && age > -quiet {
			seen[f] = stamp{info.Size(), info.ModTime()}
		}
	}
	if len(seen) == 0 {
		return unsettled, nil
	}
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return unsettled, ctx.Err()
	}
	for f, s := range seen {
		info, err := os.Stat(f)
		if err == nil && (info.Size() != s.size || !info.ModTime().Equal(s.time)) {
			err = ErrChanging
		}
		if err != nil {
			unsettled[f] = &SourceError{f, err}
		}
	}
	return unsettled, nil
}
