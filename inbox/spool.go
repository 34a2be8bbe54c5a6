package inbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// Spool keeps the frozen copies of what is sent: one directory per set with
// the bytes of every FI and FS exactly as they are uploaded. A file that
// changes after it was handed in changes nothing here.
type Spool struct {
	dir  string
	disk *durable.Disk
}

// NewSpool uses dir, which is made when it is first needed.
func NewSpool(dir string, disk *durable.Disk) *Spool { return &Spool{dir, disk} }

// FI is the path of the frozen copy of a part.
func (s *Spool) FI(set string, part int) string {
	return filepath.Join(s.dir, set, strconv.Itoa(part)+".FI")
}

// FS is the path of the signature of a part.
func (s *Spool) FS(set string, part int) string {
	return filepath.Join(s.dir, set, strconv.Itoa(part)+".FS")
}

// Dir is the directory of a set.
func (s *Spool) Dir(set string) string { return filepath.Join(s.dir, set) }

// SpoolError is a failure of the frozen copy of a set.
type SpoolError struct {
	Set  naming.Set
	Path string
	Err  error
}

func (e *SpoolError) Error() string { return fmt.Sprintf("frozen copy %s: %v", e.Path, e.Err) }
func (e *SpoolError) Unwrap() error { return e.Err }

var errSpoolChanged = errors.New("it was changed after it was frozen")

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

// Frozen is what Freeze learnt of one file.
type Frozen struct {
	Part
	Info     declaration.Info
	LineEnds sign.LineEnds
	Reply    *Reply // it is a reply of the office; nil: it is none
}

// FreezeOptions say how files are taken in.
type FreezeOptions struct {
	Identity *sign.Identity // nil: no FS
	Sign     sign.Options
	Text     sign.TextForm
	MaxSize  int64 // bytes of one file; 0: no limit
	// CRLF freezes each file with every line end as CR LF.
	CRLF bool
	// Now is what the creation of forms is compared with; zero: nothing.
	Now time.Time
	// Validate, if not nil, compares a well-formed file with the schema that it
	// names.
	Validate func(ctx context.Context, schema string, doc io.Reader) ([]declaration.Fault, error)

	countForms bool // Part.Forms stays empty
}

// Freeze copies the files that form one set, in the order of their parts,
// hashes and signs the copies, and looks into them. The result has no name
// yet. After an error nothing is left in the spool.
func (s *Spool) Freeze(ctx context.Context, files []string, o FreezeOptions) (set string, parts []Frozen, err error) {
	name, err := newSpoolName()
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil { // set is empty by now
			err = errors.Join(err, s.Drop(name))
		}
	}()
	if err := s.disk.MkdirAll(s.Dir(name)); err != nil {
		return "", nil, err
	}
	for i, f := range files {
		p, err := s.freezeFile(ctx, name, i+1, f, o)
		if err != nil {
			return "", nil, err
		}
		parts = append(parts, p)
	}
	return name, parts, nil
}

// Drop removes the frozen copies of a set that never got into the ledger.
func (s *Spool) Drop(set string) error {
	if set == "" { // this would be the frozen copies of all sets
		return errors.New("drop a frozen copy: no name is given")
	}
	return s.disk.RemoveAll(s.Dir(set))
}

// Abandoned gives the frozen copies that are older than a time and for which
// known, which is asked only when there are any so old, has no entry: a run
// that was killed left them before they had a name.
func (s *Spool) Abandoned(before time.Time, known func() (map[string]bool, error)) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		stamp, _, ours := strings.Cut(e.Name(), "-")
		t, err := time.Parse(spoolTime, stamp)
		return !ours || err != nil || !t.Before(before)
	})
	if len(old) == 0 {
		return nil, nil
	}
	keep, err := known()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range old {
		if !keep[e.Name()] {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

const spoolTime = "20060102T150405" // UTC

func newSpoolName() (string, error) {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return time.Now().UTC().Format(spoolTime) + "-" + hex.EncodeToString(b[:]), nil
}

func (s *Spool) freezeFile(ctx context.Context, set string, part int, file string, o FreezeOptions) (Frozen, error) {
	in, before, err := openSource(file, o.MaxSize)
	if err != nil {
		return Frozen{}, err
	}
	defer in.Close() //nolint:errcheck // only read

	out, err := s.disk.Create(s.Dir(set), ".fi-*")
	if err != nil {
		return Frozen{}, err
	}
	defer out.Discard() //nolint:errcheck // after Commit it does nothing

	f, digest, err := takeIn(ctx, in, before, file, out, o)
	if err != nil {
		return Frozen{}, err
	}
	f.Number = part
	if err := out.Commit(s.FI(set, part)); err != nil {
		return Frozen{}, err
	}
	if err := f.validate(ctx, s.FI(set, part), o); err != nil {
		return Frozen{}, err
	}
	if o.Identity == nil {
		return f, nil
	}
	der, err := digest.Sign(o.Sign)
	if err != nil {
		return Frozen{}, &SourceError{file, err}
	}
	text := sign.EncodeText(der, o.Text)
	f.SignSize, f.Signature = int64(len(text)), sha256.Sum256(text)
	err = s.disk.WriteFile(s.FS(set, part), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return f, err
}

// Look takes a file in as Freeze does, and keeps nothing of it. Its forms are
// only counted.
func Look(ctx context.Context, file string, o FreezeOptions) (Frozen, error) {
	in, before, err := openSource(file, o.MaxSize)
	if err != nil {
		return Frozen{}, err
	}
	defer in.Close() //nolint:errcheck // only read
	o.countForms = true
	f, _, err := takeIn(ctx, in, before, file, io.Discard, o)
	if err != nil {
		return Frozen{}, err
	}
	f.Number = 1
	return f, f.validate(ctx, file, o)
}

// takeIn copies an opened file to out, as it is to be sent, and learns on the
// way what there is to know of it.
func takeIn(ctx context.Context, in *os.File, before os.FileInfo, file string, out io.Writer, o FreezeOptions) (Frozen, *sign.Digest, error) {
	fail := func(err error) (Frozen, *sign.Digest, error) { return Frozen{}, nil, &SourceError{file, err} }
	wide, err := wide(in)
	if err == nil && wide && o.CRLF {
		err = errWide
	}
	if err != nil {
		return fail(err)
	}
	var forms []Form
	inspector := declaration.NewInspector(declaration.Options{KeepForms: -1, Now: o.Now, OnForm: func(f declaration.Form) error {
		if !o.countForms {
			forms = append(forms, formOf(f))
		}
		return nil
	}})
	digest, ends, original := sign.NewDigest(o.Identity), newLineEndHash(), sha256.New()
	copied := &writeError{w: out}
	var all io.Writer = struct{ io.Writer }{io.MultiWriter(copied, digest, ends, inspector)}
	if o.CRLF {
		all = struct{ io.Writer }{io.MultiWriter(original, &crlfWriter{w: all})}
	}
	n, err := io.CopyBuffer(all, contextReader{ctx, io.LimitReader(in, before.Size()+1)}, make([]byte, 64<<10))
	info, ierr := inspector.Result()
	if copied.err != nil { // the copy is at fault, not the source
		return Frozen{}, nil, copied.err
	}
	if err != nil {
		return fail(err)
	}
	if ierr != nil {
		return fail(ierr)
	}
	after, err := in.Stat()
	if err != nil {
		return fail(err)
	}
	if n != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fail(ErrChanging)
	}
	report := digest.Report()
	if o.MaxSize > 0 && report.Bytes > o.MaxSize { // with its new line ends
		return fail(problem.New("%s: %d bytes, %d allowed", ErrTooLarge, report.Bytes, o.MaxSize))
	}
	f := Frozen{Info: info, LineEnds: report.LineEnds, Reply: replyOf(info)}
	if info.Root == "" {
		f.Reply = insideOf(in, before.Size())
	}
	f.Part = Part{Source: file, Root: info.Root, Size: report.Bytes, Hash: report.SHA256, CRLF: ends.sum(), Forms: forms}
	if wide {
		f.CRLF = f.Hash
	}
	f.Original = f.Hash
	if o.CRLF {
		original.Sum(f.Original[:0])
	}
	return f, digest, nil
}

// validate adds what the schema says of a copy of the file at path.
func (f *Frozen) validate(ctx context.Context, path string, o FreezeOptions) error {
	if o.Validate == nil || f.Info.Schema == "" || !f.Info.Readable() {
		return nil
	}
	in, err := os.Open(path)
	if err != nil {
		return &SourceError{f.Source, err}
	}
	defer in.Close() //nolint:errcheck // only read
	faults, err := o.Validate(ctx, f.Info.Schema, in)
	if err != nil {
		return &SourceError{f.Source, err}
	}
	f.Info.Faults = append(f.Info.Faults, faults...)
	return nil
}

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

func formOf(f declaration.Form) Form {
	form := Form{Date: f.CreationDate, Hour: f.CreationHour}
	for _, r := range f.References {
		form.References = append(form.References, Reference{Type: r.Type, Number: r.Number})
	}
	return form
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// writeError keeps the error of a writer, to tell it from those of others.
type writeError struct {
	w   io.Writer
	err error
}

func (w *writeError) Write(p []byte) (n int, err error) {
	n, err = w.w.Write(p)
	w.err = err
	return n, err
}

// hashReader hashes what passes through it. It offers nothing but Read, so
// that no copy goes around it.
type hashReader struct {
	r io.Reader
	h hash.Hash
}

func newHashReader(r io.Reader) *hashReader { return &hashReader{r, sha256.New()} }

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.h.Write(p[:n])
	return n, err
}

func (h *hashReader) sum() (s Hash) {
	h.h.Sum(s[:0])
	return s
}
