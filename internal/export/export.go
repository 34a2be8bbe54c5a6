// Package export writes what the ledger, the archive and the spool hold into
// one ZIP, for somebody who checks it elsewhere and without this program.
package export

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/readers"
	"github.com/socbatch/socbatch/internal/seal"
)

// Names in the ZIP.
const (
	ReadmeName  = "README.txt"
	SummaryName = "export.json"
	SumsName    = "SHA256SUMS" // as sha256sum -c reads it; it has every file but itself
)

// Options say what is exported, and how.
type Options struct {
	Ledger  ledger.Ledger
	Archive *archive.Archive
	Period  ledger.Period
	// Identities read what lies encrypted; nil: it goes into the ZIP as it lies.
	Identities *seal.Identities
	// Readme says what is in the ZIP, for people.
	Readme func(Summary) string
	Now    time.Time
	// Program is what made the ZIP, with its version.
	Program string
}

// Summary is what is in the ZIP.
type Summary struct {
	Program     string         `json:"program"`
	MadeAt      time.Time      `json:"made_at"`
	Environment string         `json:"environment,omitempty"`
	Since       *time.Time     `json:"since,omitempty"`
	Until       *time.Time     `json:"until,omitempty"`
	Rows        map[string]int `json:"rows"`   // by table of the ledger
	Files       int            `json:"files"`  // of declarations and replies
	Bytes       int64          `json:"bytes"`  // of these
	Sealed      int            `json:"sealed"` // files that are encrypted in the ZIP too
	Pruned      int            `json:"pruned"` // files that were removed by prune before
	// Problems are files that are not here as the ledger knows them.
	Problems []Problem `json:"problems"`
}

// Problem is a file that is missing or is not what the ledger says.
type Problem struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Reasons of a Problem.
const (
	Missing = "missing" // it does not lie where the ledger says
	Changed = "changed" // its contents are not those that were stored or sent
	Damaged = "damaged" // it cannot be decrypted or read to its end
)

// Write writes the ZIP. Nothing is held in memory but a line for each file.
func Write(ctx context.Context, w io.Writer, o Options) (Summary, error) {
	x := &exporter{Options: o, zip: zip.NewWriter(w)}
	x.sum = Summary{
		Program: o.Program, MadeAt: o.Now.UTC().Truncate(time.Second), Environment: string(o.Period.Environment),
		Since: moment(o.Period.Since), Until: moment(o.Period.Until), Rows: map[string]int{}, Problems: []Problem{},
	}
	err := o.Ledger.Snapshot(ctx, o.Period, func(s ledger.Snapshot) error {
		for _, t := range s.Tables() {
			if err := x.table(ctx, s, t); err != nil {
				return err
			}
		}
		for _, kind := range []ledger.HoldingKind{ledger.HeldSet, ledger.HeldReply} {
			if err := s.Holdings(ctx, kind, func(h ledger.KeptHolding) error { return x.holding(ctx, h) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = x.end()
	}
	return x.sum, err
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type exporter struct {
	Options
	zip  *zip.Writer
	sum  Summary
	sums strings.Builder
}

// entry adds a file to the ZIP and to the list of hashes.
func (x *exporter) entry(name string, at time.Time, method uint16, write func(io.Writer) error) error {
	h := &zip.FileHeader{Name: name, Method: method, Modified: at.UTC()}
	h.SetMode(0o600)
	w, err := x.zip.CreateHeader(h)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := write(io.MultiWriter(w, sum)); err != nil {
		return err
	}
	fmt.Fprintf(&x.sums, "%x  %s\n", sum.Sum(nil), name)
	return nil
}

// table adds a table of the ledger twice: for spreadsheets and for programs.
func (x *exporter) table(ctx context.Context, s ledger.Snapshot, name string) error {
	err := x.entry("ledger/"+name+".csv", x.Now, zip.Deflate, func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := c.Write(s.Columns(name)); err != nil {
			return err
		}
		err := s.Rows(ctx, name, func(_ []string, values []any) error {
			x.sum.Rows[name]++
			return c.Write(record(values))
		})
		c.Flush()
		return errors.Join(err, c.Error())
	})
	if err != nil {
		return err
	}
	return x.entry("ledger/"+name+".jsonl", x.Now, zip.Deflate, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		err := s.Rows(ctx, name, func(columns []string, values []any) error { return object(b, columns, values) })
		return errors.Join(err, b.Flush())
	})
}

// record writes the values of a row for a spreadsheet. A text that a spreadsheet
// would take for a formula gets an apostrophe before it.
func record(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
		if s, ok := v.(string); ok && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
			out[i] = "'" + s
		}
	}
	return out
}

// object writes a row as one line of JSON, its fields in the order of the
// columns.
func object(w io.Writer, columns []string, values []any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	line := "{"
	for i, c := range columns {
		b.Reset()
		if err := e.Encode(values[i]); err != nil {
			return err
		}
		if i > 0 {
			line += ","
		}
		line += `"` + c + `":` + strings.TrimSuffix(b.String(), "\n")
	}
	_, err := io.WriteString(w, line+"}\n")
	return err
}

// holding adds the files of a set or of a reply.
func (x *exporter) holding(ctx context.Context, h ledger.KeptHolding) error {
	for _, f := range h.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := "replies/" + f.Path
		if h.Kind == ledger.HeldSet {
			name = path.Join("declarations", string(h.Environment), h.Name, f.Name)
		}
		if err := x.file(h, f, name); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) problem(name, reason string) {
	x.sum.Problems = append(x.sum.Problems, Problem{name, reason})
}

func (x *exporter) file(h ledger.KeptHolding, f ledger.HeldFile, name string) error {
	lies, err := x.Archive.Path(h.Holding, f)
	if err != nil || !fs.ValidPath(name) {
		x.problem(h.Name, Missing)
		return nil
	}
	plain, err := os.Open(lies)
	if err == nil {
		defer plain.Close() //nolint:errcheck // only read
		return x.copy(name, h.At, zip.Deflate, plain, f.SHA256)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch _, err := os.Lstat(lies + seal.Suffix); {
	case errors.Is(err, fs.ErrNotExist) && !h.Pruned.IsZero():
		x.sum.Pruned++
		return nil
	case errors.Is(err, fs.ErrNotExist):
		x.problem(name, Missing)
		return nil
	case err != nil:
		return err
	}
	if x.Identities != nil {
		return x.opened(h, f, name, lies)
	}
	sealed, err := os.Open(lies + seal.Suffix)
	if err != nil {
		return err
	}
	defer sealed.Close() //nolint:errcheck // only read
	x.sum.Sealed++
	return x.copy(name+seal.Suffix, h.At, zip.Store, sealed, "")
}

// opened adds in clear what lies encrypted. A file that was encrypted for
// somebody else ends the export: who gave an identity wants to read all.
func (x *exporter) opened(h ledger.KeptHolding, f ledger.HeldFile, name, lies string) error {
	sealed, err := x.Identities.Open(lies + seal.Suffix)
	var other *seal.OtherRecipientError
	var disk *fs.PathError
	switch {
	case errors.As(err, &other), errors.As(err, &disk):
		return err
	case err != nil:
		x.problem(name, Damaged)
		return nil
	}
	defer sealed.Close() //nolint:errcheck // only read
	return x.copy(name, h.At, zip.Deflate, sealed.Reader(), f.SHA256)
}

// copy adds a file, and compares its hash with that in the ledger unless that
// is empty. Of a file that breaks off the beginning is added.
func (x *exporter) copy(name string, at time.Time, method uint16, from io.Reader, want string) error {
	sum := sha256.New()
	source := &readers.KeepError{R: from}
	err := x.entry(name, at, method, func(w io.Writer) error {
		n, err := io.Copy(io.MultiWriter(w, sum), source)
		x.sum.Bytes += n
		if source.Err != nil {
			return nil // told below
		}
		return err
	})
	if err != nil {
		return err
	}
	x.sum.Files++
	switch {
	case source.Err != nil:
		x.problem(name, Damaged)
	case want != "" && hex.EncodeToString(sum.Sum(nil)) != want:
		x.problem(name, Changed)
	}
	return nil
}

// end adds what is said of the rest.
func (x *exporter) end() error {
	text := func(name, content string) error {
		return x.entry(name, x.Now, zip.Deflate, func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return err
		})
	}
	summary, err := json.MarshalIndent(x.sum, "", "  ")
	if err != nil {
		return err
	}
	if err := text(SummaryName, string(summary)+"\n"); err != nil {
		return err
	}
	if err := text(ReadmeName, x.Readme(x.sum)); err != nil {
		return err
	}
	if err := text(SumsName, x.sums.String()); err != nil {
		return err
	}
	return x.zip.Close()
}
