package app

import (
	"context"
	"errors"
	"io"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/schema"
)

// OpenSchemas opens a directory of schema files; nil where none is named.
func OpenSchemas(dir string) (*schema.Dir, error) {
	if dir == "" {
		return nil, nil
	}
	d, err := schema.Open(dir)
	if errors.Is(err, schema.ErrNoProgram) {
		return nil, &failure.UsageError{Err: err}
	}
	if err != nil {
		return nil, usagef("schema files: %s; nothing was done", err)
	}
	return d, nil
}

// CompareWithSchema compares a file with its schema, if that is found. Where the
// directory does not have it, that is a fault where it must, else a warning.
func CompareWithSchema(ctx context.Context, d *schema.Dir, location string, doc io.Reader, must bool) (faults []declaration.Fault, found bool, err error) {
	faults, err = d.Validate(ctx, location, doc)
	var missing *schema.MissingError
	if errors.As(err, &missing) {
		return []declaration.Fault{{Warning: !must, Message: problem.New("it was not compared with its schema: %s", missing)}}, false, nil
	}
	return faults, err == nil, err
}
