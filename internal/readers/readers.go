// Package readers has what the standard library lacks around an io.Reader.
package readers

import (
	"context"
	"io"
)

// WithContext reads from r until ctx ends; then it fails with the error of ctx.
// A Read that is under way is not interrupted.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return withContext{ctx, r} }

type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// KeepError reads from R and keeps its last error, to tell it from those of
// whatever else takes part in a copy. The end of R is none.
type KeepError struct {
	R   io.Reader
	Err error
}

func (r *KeepError) Read(p []byte) (int, error) {
	n, err := r.R.Read(p)
	if err != nil && err != io.EOF {
		r.Err = err
	}
	return n, err
}
