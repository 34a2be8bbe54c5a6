// Package transport says what the upper layers may ask of a partner's file
// server, whatever the protocol: list, put, get, stat and remove, with errors
// that are classed once, here, so that a retry policy needs no knowledge of
// SSH or of SFTP status codes.
//
// The package never prints and never retries.
package transport

import (
	"context"
	"io"
	"time"
)

// EntryType tells files from directories; everything else (links, devices,
// sockets, and entries for which the server sent no type) is TypeOther.
type EntryType uint8

// The types of a directory entry.
const (
	TypeOther EntryType = iota
	TypeFile
	TypeDir
)

// String returns "file", "dir" or "other".
func (t EntryType) String() string {
	switch t {
	case TypeFile:
		return "file"
	case TypeDir:
		return "dir"
	default:
		return "other"
	}
}

// Entry is one entry of a remote directory, as the server sent it.
//
// Name is the server's data, unaltered: it may hold path separators, control
// characters or invalid UTF-8. Check it with [SafeName] before any local use.
type Entry struct {
	Name    string
	Size    int64     // bytes; -1 where the server did not send a size
	ModTime time.Time // UTC, whole seconds; zero where the server did not send it
	Type    EntryType
}

// Session is one authenticated connection to a file server. It may be used by
// many goroutines at once; several hundred operations in flight are expected.
//
// Every method returns promptly once ctx is done, with an error of class
// Cancelled. Errors are *Error, except that an error of a caller's own reader,
// writer or yield function can always be found with errors.Is and errors.As.
type Session interface {
	// List streams the entries of dir in the order received, without "." and
	// "..". An error from yield stops it and is returned as is.
	List(ctx context.Context, dir string, yield func(Entry) error) error

	// Put creates or replaces path with exactly size bytes from r; size -1
	// means unknown. A reader that delivers less or more is an error (ErrSize).
	// After an error the file on the server may be missing, short or damaged:
	// a later Put rewrites it from the start.
	//
	// A nil error means that the server acknowledged every byte and the close,
	// and reported the right size where it was willing to report one.
	Put(ctx context.Context, path string, r io.Reader, size int64) error

	// Get writes the file to w, in order, and returns the bytes written. size
	// is the listed size, or -1; a different count is an error (ErrSize), and
	// what was written to w must then be thrown away, as after every error.
	Get(ctx context.Context, path string, w io.Writer, size int64) (int64, error)

	// Stat returns the entry at path, following links. Entry.Name is path's
	// last element.
	Stat(ctx context.Context, path string) (Entry, error)

	// Remove deletes the file at path; it does not delete directories.
	Remove(ctx context.Context, path string) error

	// Close ends the connection and waits for what the session started.
	// Operations still in flight end with an error.
	Close() error
}
