package inbox

import (
	"context"
	"io"

	"github.com/socbatch/socbatch/transport"
)

// Session is what inbox asks of a connection; transport.Session is one.
type Session interface {
	// List streams the entries of a directory.
	List(ctx context.Context, dir string, yield func(transport.Entry) error) error
	// Put creates or replaces a file with exactly size bytes, and returns nil
	// only when the server has confirmed them.
	Put(ctx context.Context, path string, r io.Reader, size int64) error
	// Remove deletes a file.
	Remove(ctx context.Context, path string) error
}
