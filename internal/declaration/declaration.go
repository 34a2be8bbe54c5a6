// Package declaration looks into a declaration file before it is sent, and finds
// what the server is known to refuse at the door.
//
// It does not validate against the official schemas. It answers the questions
// whose wrong answer costs a whole round trip: is this XML, is a schema named,
// are there forms and nothing else. It also collects what a reply will be matched
// by: the date and hour of each form and the sender's own references.
//
// Declarations are full of national numbers. Nothing that this package says
// holds text of a declaration: only element names, line numbers, and values of
// Identification that are plain codes. What it returns as data is in Info and
// Form.
package declaration

import (
	"fmt"
	"io"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

// Error ids of the server's receipt, as in its list ErrorCodes2022-1_30.
const (
	NotWellFormed   = "ACRF-102"
	Empty           = "ACRF-134"
	NoSchema        = "ACRF-136"
	BadEncoding     = "ACRF-138"
	OtherNamespace  = "ACRF-139"
	NoDeclaration   = "ACRF-157"
	NotAForm        = "ACRF-205"
	SeveralVersions = "ACRF-302"
	NotValid        = "ACRF-312" // as the schema says; see package schema
)

// Fault is something to change before the file is sent.
type Fault struct {
	// ID is the error id with which the server would refuse the file; empty where
	// none is known.
	ID string
	// Warning is true if it is not known whether the server minds.
	Warning bool
	// Line is the 1-based line, or 0 where no line is at fault.
	Line int
	// Message is a plain sentence that says what is wrong and what to change. It
	// holds element names and line numbers, and no content.
	Message *problem.Error
}

// Said gives Message for those who say it in another language.
func (f Fault) Said() (format string, args []any) { return f.Message.Said() }

func (f Fault) String() string { return f.Message.Error() }

// Reference is one of the sender's own references (ReferenceOrigin 1).
type Reference struct {
	Type   string // ReferenceType, one digit
	Number string // ReferenceNbr, as written; at most 64 characters by the schemas
}

// Form is the head of one Form block. Values are as written, without the white
// space around them; a value that is absent or too long for its element is empty.
type Form struct {
	Index          int // 1 for the first form
	Line           int // line on which it starts
	Identification string
	CreationDate   string // YYYY-MM-DD
	CreationHour   string // hh:mm:ss.mmm, Brussels
	TypeForm       string
	References     []Reference // at most maxReferences
}

// Identification is a value of Identification that forms of a file have.
type Identification struct {
	Value string // "…" if it is no plain code
	Line  int    // of the first form that has it
}

// Info is what was found.
type Info struct {
	Root     string // local name of the root element, with its version suffix (WECH001); "…" if it is no plain name
	Encoding xmlstream.Encoding
	// Schema is what the root element names in xsi:noNamespaceSchemaLocation, or
	// in xsi:schemaLocation for its namespace, and SchemaVersion the digits at
	// its end: 20231 for "…/Dimona_20231.xsd".
	Schema        string
	SchemaVersion string
	Forms         int // number of Form blocks below the root
	OtherBlocks   int // number of other elements below the root
	// Identification is that of the first form.
	Identification string
	// Identifications are those of all forms, each once, at most
	// maxIdentifications; a form without one adds nothing.
	Identifications []Identification
	// Answers is the line of the first form that says what it answers
	// (HandledOriginalForm and the like), as only replies do; 0: none does.
	Answers int
	// First holds the first Options.KeepForms forms.
	First  []Form
	Bytes  int64 // size of the file
	Faults []Fault
}

// OK tells whether the file has no fault beyond warnings.
func (i *Info) OK() bool {
	for _, f := range i.Faults {
		if !f.Warning {
			return false
		}
	}
	return true
}

// Readable tells whether the file is XML that was read to its end.
func (i *Info) Readable() bool {
	for _, f := range i.Faults {
		if !f.Warning && (f.ID == NotWellFormed || f.ID == Empty || f.ID == BadEncoding) {
			return false
		}
	}
	return i.Root != ""
}

// Codes are the values of Identification in the file, each once.
func (i *Info) Codes() []string {
	var codes []string
	for _, v := range i.Identifications {
		codes = append(codes, v.Value)
	}
	return codes
}

// Options of Inspect. The zero value is ready to use.
type Options struct {
	Limits xmlstream.Limits
	// KeepForms is how many forms are kept in Info.First. Default 1000; negative
	// for none.
	KeepForms int
	// Now is what the creation of the forms is compared with; zero: nothing.
	Now time.Time
	// OnForm, if not nil, is called for every form, in order. An error stops the
	// inspection and is returned. With an Inspector it runs on another goroutine
	// than Write.
	OnForm func(Form) error
}

const (
	maxReferences = 16  // of a form; the schemas allow 4
	maxValue      = 256 // bytes of a value kept
	maxFaults     = 20
	// maxIdentifications of a file; the office's list has 68 in all.
	maxIdentifications = 100
	// clockSkew is how far a form may be ahead of this machine.
	clockSkew    = time.Hour
	xsiNamespace = "http://www.w3.org/2001/XMLSchema-instance"
)

// Inspect reads a declaration file from r in one pass and constant memory. It
// always reads r to its end, also behind a fault, so that r may be an
// io.TeeReader that makes a copy.
//
// What is wrong with the file is in Info.Faults and is no error. An error means
// that the file could not be inspected: r failed, OnForm did, or the file passes
// a limit (xmlstream.ErrTooDeep, ErrTooLarge), which no real declaration does.
func Inspect(r io.Reader, o Options) (Info, error) {
	if o.KeepForms == 0 {
		o.KeepForms = 1000
	}
	src := &counter{r: r}
	p := &inspector{o: o, d: xmlstream.New(src, o.Limits)}
	p.d.RequirePrefixes()
	err := p.document()
	p.info.Encoding = p.d.Encoding()
	err = p.judge(err)
	if n := p.future.forms; n > 0 {
		// The list of error ids has none for this.
		p.info.Faults = append(p.info.Faults, Fault{Warning: true, Line: p.future.line, Message: problem.New(
			"line %d: FormCreationDate and FormCreationHour are later than now in Brussels (forms: %d): check the clock of the machine that made the file", p.future.line, n)})
	}
	if src.err == nil {
		if _, derr := io.Copy(io.Discard, src); derr != nil && err == nil {
			err = derr
		}
	}
	p.info.Bytes = src.n
	if err != nil {
		return p.info, fmt.Errorf("inspect declaration: %w", err)
	}
	return p.info, nil
}

type counter struct {
	r   io.Reader
	n   int64
	err error // of r, io.EOF too
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.err = err
	return n, err
}
