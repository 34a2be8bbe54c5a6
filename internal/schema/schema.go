// Package schema validates declarations against schema files (XSD) that a
// person has, with the program xmllint of libxml2.
//
// Only files below the person's directory are ever read as schemas, and nothing
// comes over a network: xmllint works on private copies of the files that the
// schema is made of, in a directory of its own, and gets the document on its
// standard input.
//
// Declarations are full of national numbers, and xmllint quotes what it finds
// wrong. Its messages are not passed on: what is said is said anew, with names
// and limits that stand in the schema files and nothing else.
package schema

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

// ErrNoProgram says that xmllint is not installed.
var ErrNoProgram = errors.New("xmllint was not found: it is needed to validate against schema files")

// MissingError says that the directory has no schema of a name.
type MissingError struct{ Dir, Name string }

func (e *MissingError) Error() string { return e.problem().Error() }

// Said gives the format of Error and what is filled in.
func (e *MissingError) Said() (format string, args []any) { return e.problem().Said() }

func (e *MissingError) problem() *problem.Error {
	return problem.New("%s has no schema %s", e.Dir, e.Name)
}

// FileError says that a schema file cannot be used.
type FileError struct {
	File string // below the directory, with /
	Err  error
}

func (e *FileError) Error() string { return e.problem().Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Said gives the format of Error and what is filled in.
func (e *FileError) Said() (format string, args []any) { return e.problem().Said() }

func (e *FileError) problem() *problem.Error { return problem.New("schema file %s: %s", e.File, e.Err) }

const (
	maxFile  = 32 << 20 // bytes of a schema file
	maxFiles = 200      // that one schema is made of
	// patience ends a validation; a gigabyte takes about ten seconds.
	patience  = 15 * time.Minute
	namespace = "http://www.w3.org/2001/XMLSchema"
)

// Dir is a directory of schema files. It is safe for use by several goroutines.
type Dir struct {
	path    string
	program string
	slots   chan struct{}

	mu    sync.Mutex
	ready map[string]*prepared // by the name of the schema
}

// prepared is a schema whose files were copied.
type prepared struct {
	once sync.Once
	err  error
	dir  string // the copies; empty before
	main string
	say  vocabulary
}

// Open uses the schema files in a directory. It fails with ErrNoProgram where
// xmllint is not installed. The caller ends with Close.
func Open(dir string) (*Dir, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = problem.New("%s is not a directory", dir)
	}
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath("xmllint")
	if err != nil {
		return nil, ErrNoProgram
	}
	return &Dir{path: dir, program: program, slots: make(chan struct{}, runtime.NumCPU()), ready: map[string]*prepared{}}, nil
}

// Close removes the copies.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for _, p := range d.ready {
		if p.dir != "" {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
	}
	d.ready = map[string]*prepared{}
	return err
}

// Name is the file name of the schema that a document names: the last element
// of an address or path.
func Name(location string) string {
	return path.Base(strings.ReplaceAll(location, `\`, "/"))
}

// Validate compares a document with the schema that it names. What is wrong with
// the document is in the faults and is no error. It fails with *MissingError
// where the directory has no such schema, and with *FileError where it has one
// that cannot be used. The document is to be well-formed.
func (d *Dir) Validate(ctx context.Context, location string, doc io.Reader) ([]declaration.Fault, error) {
	p, err := d.prepare(Name(location))
	if err != nil {
		return nil, err
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.validate(ctx, d.program, doc)
}

func (d *Dir) prepare(name string) (*prepared, error) {
	d.mu.Lock()
	p := d.ready[name]
	if p == nil {
		p = &prepared{main: name}
		d.ready[name] = p
	}
	d.mu.Unlock()
	p.once.Do(func() { p.err = p.copyFrom(d.path) })
	return p, p.err
}

// copyFrom copies the schema and everything that it includes.
func (p *prepared) copyFrom(dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only read
	if !filepath.IsLocal(p.main) {
		return &MissingError{dir, p.main}
	}
	if info, err := root.Stat(p.main); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return &MissingError{dir, p.main}
	}
	if p.dir, err = os.MkdirTemp("", "socbatch-schema-"); err != nil {
		return err
	}
	p.say = vocabulary{}
	seen := map[string]bool{p.main: true}
	for left := []string{p.main}; len(left) > 0; left = left[1:] {
		more, err := p.copyFile(root, left[0])
		if err != nil {
			return &FileError{left[0], err}
		}
		for _, m := range more {
			if !seen[m] {
				seen[m] = true
				left = append(left, m)
			}
		}
		if len(seen) > maxFiles {
			return &FileError{p.main, problem.New("it is made of more than %d files", maxFiles)}
		}
	}
	return nil
}

func (p *prepared) copyFile(root *os.Root, name string) (includes []string, err error) {
	in, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, rootCause(err)
	}
	defer in.Close() //nolint:errcheck // only read
	info, err := in.Stat()
	switch {
	case err != nil:
		return nil, rootCause(err)
	case !info.Mode().IsRegular():
		return nil, problem.New("it is not a file")
	case info.Size() > maxFile:
		return nil, problem.New("it is larger than %d bytes", maxFile)
	}
	to := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	includes, err = p.say.read(io.TeeReader(io.LimitReader(in, maxFile), out), name)
	return includes, errors.Join(err, out.Close())
}

// rootCause leaves out the path of an error: the caller says it.
func rootCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// vocabulary is what may be said: names, types and limits of the schema files.
type vocabulary map[string]bool

// read reads a schema file to its end and gives the files that it includes.
func (v vocabulary) read(r io.Reader, name string) (includes []string, err error) {
	d := xmlstream.New(r, xmlstream.Limits{})
	for {
		t, err := d.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, r)
			return includes, err
		}
		if err != nil {
			return nil, err
		}
		if t.Kind != xmlstream.Start {
			continue
		}
		uri, _ := d.Lookup(t.Prefix)
		for _, a := range t.Attr {
			if a.Name.Space != "" || uri != namespace {
				continue
			}
			switch a.Name.Local {
			case "name", "value", "fixed":
				v[a.Value] = true
			case "ref", "type", "base":
				v[a.Value[strings.LastIndexByte(a.Value, ':')+1:]] = true
			case "schemaLocation":
				file, err := below(path.Dir(name), a.Value)
				if err != nil {
					return nil, err
				}
				includes = append(includes, file)
			}
		}
	}
}

// below gives the file that an include names, and refuses what lies outside.
func below(dir, location string) (string, error) {
	location = strings.TrimSpace(location)
	file := path.Join(dir, location)
	if strings.Contains(location, ":") || path.IsAbs(location) || !filepath.IsLocal(filepath.FromSlash(file)) || strings.Contains(location, `\`) {
		return "", problem.New("it includes %q, which is not below the directory of the schemas: put a copy there, and let the schema name that", location)
	}
	return file, nil
}
