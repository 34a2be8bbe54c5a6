package inbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/readers"
	"github.com/socbatch/socbatch/sign"
)

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
	n, err := io.CopyBuffer(all, readers.WithContext(ctx, io.LimitReader(in, before.Size()+1)), make([]byte, 64<<10))
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

func formOf(f declaration.Form) Form {
	form := Form{Date: f.CreationDate, Hour: f.CreationHour}
	for _, r := range f.References {
		form.References = append(form.References, Reference{Type: r.Type, Number: r.Number})
	}
	return form
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
