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
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
	"github.com/socbatch/socbatch/naming"
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

type inspector struct {
	o      Options
	d      *xmlstream.Decoder
	info   Info
	others map[string]int // element name → its fault
	// namespace is that of the root element; empty: none.
	namespace string
	future    struct{ forms, line int }
	buf       []byte
}

func (p *inspector) fault(id string, line int, format string, args ...any) {
	if len(p.info.Faults) < maxFaults {
		p.info.Faults = append(p.info.Faults, Fault{ID: id, Line: line, Message: problem.New(format, args...)})
	}
}

// warn is about the first line, where the encoding is declared.
func (p *inspector) warn(id, format string, args ...any) {
	p.info.Faults = append(p.info.Faults, Fault{ID: id, Warning: true, Line: 1, Message: problem.New(format, args...)})
}

func (p *inspector) document() error {
	root, err := p.d.Next()
	if err != nil {
		return err
	}
	p.info.Root = xmlstream.SafeName(root.Name)
	p.schema(root)
	for {
		t, err := p.d.Next()
		switch {
		case err != nil:
			return err
		case t.Kind == xmlstream.End:
			if _, err := p.d.Next(); err != io.EOF {
				return err
			}
			if p.info.Forms == 0 {
				p.fault(NoDeclaration, 0, "the file holds no declaration: put at least one Form element into %s", p.info.Root)
			}
			return nil
		case t.Kind == xmlstream.Text:
			continue
		case t.Name == "Form":
			err = p.form(t)
		default:
			p.other(t)
			err = p.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

// schema looks at the schema that the root element names, in either attribute.
func (p *inspector) schema(root xmlstream.Token) {
	p.namespace, _ = p.d.Lookup(root.Prefix)
	plain, hasPlain := p.attribute(root, "noNamespaceSchemaLocation")
	pairs, hasPairs := p.attribute(root, "schemaLocation")
	if !hasPlain && !hasPairs {
		p.noSchema(root)
		return
	}
	own, ok := p.plainSchema(root, strings.Fields(plain))
	other, ok2 := p.pairedSchema(root, strings.Fields(pairs), own != "")
	switch {
	case !ok || !ok2: // which was said
	case own != "" && other != "" && !sameSchema(own, other):
		p.fault(SeveralVersions, root.Line, "line %d: %s names one schema in xsi:noNamespaceSchemaLocation and another in xsi:schemaLocation: leave one of the two out", root.Line, p.info.Root)
	case own+other == "" && hasPlain:
		p.fault(NoSchema, root.Line, "line %d: xsi:noNamespaceSchemaLocation of %s names no schema: write the file name of the schema, such as %s_20231.xsd", root.Line, p.info.Root, p.info.Root)
	case own+other == "":
		p.fault(NoSchema, root.Line, "line %d: xsi:schemaLocation of %s names no schema: write the namespace of %s, a space, and the file name of its schema", root.Line, p.info.Root, p.info.Root)
	}
	// That of xsi:schemaLocation is the one for elements in a namespace.
	if p.info.Schema = own; other != "" && (own == "" || p.namespace != "") {
		p.info.Schema = other
	}
	p.info.SchemaVersion = version(p.info.Schema)
}

// plainSchema is the schema of xsi:noNamespaceSchemaLocation; empty where there
// is none. Only what looks like an address is kept; it is shown to people. It
// reports false where there are several.
func (p *inspector) plainSchema(root xmlstream.Token, words []string) (schema string, ok bool) {
	if len(words) > 1 {
		p.fault(SeveralVersions, root.Line, "line %d: xsi:noNamespaceSchemaLocation of %s names several schemas: name one", root.Line, p.info.Root)
		return "", false
	}
	if len(words) == 1 && len(words[0]) <= maxValue {
		return words[0], true
	}
	return "", true
}

// pairedSchema is the schema of xsi:schemaLocation, which has pairs of a
// namespace and a file: the one for the root element's namespace, else, where
// the other attribute names none, the only one; empty where there is none. It
// reports false where it cannot be told.
func (p *inspector) pairedSchema(root xmlstream.Token, words []string, named bool) (schema string, ok bool) {
	if len(words)%2 > 0 {
		f := Fault{ID: NoSchema, Warning: named, Line: root.Line, Message: problem.New(
			"line %d: xsi:schemaLocation of %s needs two words for each schema, the namespace and the file name, and has %d (a schema without a namespace is named in xsi:noNamespaceSchemaLocation)", root.Line, p.info.Root, len(words))}
		p.info.Faults = append(p.info.Faults, f)
		return "", false
	}
	mine, others := p.schemasOf(p.namespace, words)
	fits := len(mine) > 0
	if !fits && !named {
		mine = others
	}
	switch {
	case len(mine) == 0 || len(mine[0]) > maxValue:
		return "", true
	case len(mine) > 1 && fits:
		p.fault(SeveralVersions, root.Line, "line %d: xsi:schemaLocation names several schemas for the namespace of %s: name one", root.Line, p.info.Root)
		return "", false
	case len(mine) > 1:
		p.fault(NoSchema, root.Line, "line %d: none of the schemas in xsi:schemaLocation is for the namespace of %s: name the one that is", root.Line, p.info.Root)
		return "", false
	case !fits:
		p.info.Faults = append(p.info.Faults, Fault{ID: OtherNamespace, Warning: true, Line: root.Line, Message: problem.New(
			"line %d: %s is not in the namespace for which xsi:schemaLocation names a schema: write the same one in xmlns and there", root.Line, p.info.Root)})
	}
	return mine[0], true
}

// schemasOf takes the pairs of xsi:schemaLocation apart: the schemas for a
// namespace, and those for others, each once.
func (p *inspector) schemasOf(namespace string, words []string) (mine, others []string) {
	for i := 0; i+1 < len(words); i += 2 {
		to := &others
		if words[i] == namespace {
			to = &mine
		}
		if !slices.ContainsFunc(*to, func(s string) bool { return sameSchema(s, words[i+1]) }) {
			*to = append(*to, words[i+1])
		}
	}
	return mine, others
}

// noSchema says what to do where neither attribute is there.
func (p *inspector) noSchema(root xmlstream.Token) {
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "noNamespaceSchemaLocation":
			p.fault(NoSchema, root.Line, "line %d: noNamespaceSchemaLocation of %s is not in the XMLSchema-instance namespace: add xmlns:xsi=%q to %s and write xsi:noNamespaceSchemaLocation", root.Line, p.info.Root, xsiNamespace, p.info.Root)
			return
		case "schemaLocation":
			p.fault(NoSchema, root.Line, "line %d: schemaLocation of %s is not in the XMLSchema-instance namespace: add xmlns:xsi=%q to %s and write xsi:schemaLocation", root.Line, p.info.Root, xsiNamespace, p.info.Root)
			return
		}
	}
	if p.namespace != "" {
		p.fault(NoSchema, root.Line, "line %d: %s names no schema: add xsi:schemaLocation with its namespace, a space, and the file name of the schema", root.Line, p.info.Root)
		return
	}
	p.fault(NoSchema, root.Line, "line %d: %s names no schema: add xsi:noNamespaceSchemaLocation with the file name of the schema, such as %s_20231.xsd", root.Line, p.info.Root, p.info.Root)
}

// attribute is an attribute of the XMLSchema-instance namespace.
func (p *inspector) attribute(t xmlstream.Token, name string) (value string, ok bool) {
	for _, a := range t.Attr {
		if a.Name.Local != name || a.Name.Space == "" {
			continue
		}
		if uri, ok := p.d.Lookup(a.Name.Space); ok && uri == xsiNamespace {
			return a.Value, true
		}
	}
	return "", false
}

// version returns the digits at the end of a schema's name.
func version(schema string) string {
	base := strings.TrimSuffix(fileName(schema), ".xsd")
	return base[len(strings.TrimRight(base, "0123456789")):]
}

// sameSchema reports whether two names are of one schema: the same file, or the
// same version.
func sameSchema(a, b string) bool {
	return fileName(a) == fileName(b) || version(a) != "" && version(a) == version(b)
}

func fileName(schema string) string { return path.Base(strings.ReplaceAll(schema, `\`, "/")) }

// oneSchema looks whether an element below the root names another schema for the
// namespace of the root. A document inside a form may have its own.
func (p *inspector) oneSchema(t xmlstream.Token) {
	if p.info.Schema == "" {
		return
	}
	var named []string
	if v, ok := p.attribute(t, "noNamespaceSchemaLocation"); ok && p.namespace == "" {
		named = append(named, strings.TrimSpace(v))
	}
	if v, ok := p.attribute(t, "schemaLocation"); ok && p.namespace != "" {
		named, _ = p.schemasOf(p.namespace, strings.Fields(v))
	}
	for _, v := range named {
		if !sameSchema(v, p.info.Schema) {
			p.fault(SeveralVersions, t.Line, "line %d: %s names another schema than %s: use one version in a file, and name it on %s only", t.Line, xmlstream.SafeName(t.Name), p.info.Root, p.info.Root)
			return
		}
	}
}

func (p *inspector) other(t xmlstream.Token) {
	p.info.OtherBlocks++
	name := xmlstream.SafeName(t.Name)
	if p.others == nil {
		p.others = make(map[string]int)
	}
	if _, ok := p.others[name]; ok || len(p.others) >= maxFaults {
		return
	}
	p.others[name] = t.Line
	p.fault(NotAForm, t.Line, "line %d: %s stands directly in %s, where only Form elements may be: put it into a Form or take it out", t.Line, name, p.info.Root)
}

// skip reads the element to its end and looks at its attributes only.
func (p *inspector) skip(t xmlstream.Token) error {
	for depth := p.d.Depth(); ; {
		if t.Kind == xmlstream.Start && len(t.Attr) > 0 {
			p.oneSchema(t)
		}
		var err error
		if t, err = p.d.Next(); err != nil {
			return err
		}
		if p.d.Depth() < depth {
			return nil
		}
	}
}

func (p *inspector) form(t xmlstream.Token) error {
	p.info.Forms++
	f := Form{Index: p.info.Forms, Line: t.Line}
	p.oneSchema(t)
	err := p.children(func(t xmlstream.Token) error {
		switch t.Name {
		case "Identification":
			return p.text(&f.Identification)
		case "FormCreationDate":
			return p.text(&f.CreationDate)
		case "FormCreationHour":
			return p.text(&f.CreationHour)
		case "TypeForm":
			return p.text(&f.TypeForm)
		case "Reference":
			return p.reference(&f)
		case "HandledOriginalFile", "HandledOriginalForm", "HandlingResult", "ReceptionResult":
			if p.info.Answers == 0 {
				p.info.Answers = f.Line
			}
		}
		return p.skip(t)
	})
	p.identified(f)
	if err != nil {
		return err
	}
	if f.Index == 1 {
		p.info.Identification = f.Identification
	}
	if len(p.info.First) < p.o.KeepForms {
		p.info.First = append(p.info.First, f)
	}
	if createdAfter(f, p.o.Now) {
		if p.future.forms++; p.future.forms == 1 {
			p.future.line = f.Line
		}
	}
	if p.o.OnForm != nil {
		if err := p.o.OnForm(f); err != nil {
			return fmt.Errorf("form %d: %w", f.Index, err)
		}
	}
	return nil
}

// codeRE is what values of Identification look like; the schemas allow seven
// characters. It lets no number of a person or a company through.
var codeRE = regexp.MustCompile(`^[A-Z]{2,8}[0-9]{0,3}$`)

// identified notes the Identification of a form, also of one that breaks off.
func (p *inspector) identified(f Form) {
	v := Identification{f.Identification, f.Line}
	switch {
	case v.Value == "":
		return
	case !codeRE.MatchString(v.Value):
		v.Value = "…"
	}
	if len(p.info.Identifications) < maxIdentifications && !slices.ContainsFunc(p.info.Identifications, func(i Identification) bool { return i.Value == v.Value }) {
		p.info.Identifications = append(p.info.Identifications, v)
	}
}

// createdAfter reports whether a form was created after now, in Brussels. A date
// or hour that is none is for the schema to find.
func createdAfter(f Form, now time.Time) bool {
	if now.IsZero() {
		return false
	}
	day, err := time.ParseInLocation(time.DateOnly, f.CreationDate, naming.Brussels())
	if err != nil {
		return false
	}
	if at, err := time.ParseInLocation(time.DateOnly+" 15:04:05", f.CreationDate+" "+f.CreationHour, naming.Brussels()); err == nil {
		day = at
	}
	return day.After(now.Add(clockSkew))
}

func (p *inspector) reference(f *Form) error {
	var r Reference
	var origin string
	err := p.children(func(t xmlstream.Token) error {
		switch t.Name {
		case "ReferenceType":
			return p.text(&r.Type)
		case "ReferenceOrigin":
			return p.text(&origin)
		case "ReferenceNbr":
			return p.text(&r.Number)
		}
		return p.skip(t)
	})
	if origin == "1" && r.Number != "" && len(f.References) < maxReferences {
		f.References = append(f.References, r)
	}
	return err
}

func (p *inspector) children(f func(xmlstream.Token) error) error {
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case xmlstream.Start:
			if err := f(t); err != nil {
				return err
			}
		case xmlstream.End:
			return nil
		}
	}
}

func (p *inspector) text(to *string) error {
	p.buf = p.buf[:0]
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case xmlstream.Text:
			if len(p.buf) <= maxValue {
				p.buf = append(p.buf, t.Text...)
			}
		case xmlstream.Start:
			if err := p.skip(t); err != nil {
				return err
			}
		case xmlstream.End:
			if s := bytes.TrimSpace(p.buf); len(s) <= maxValue {
				*to = string(s)
			}
			return nil
		}
	}
}

// judge turns what ended the reading into faults, and returns what is none.
func (p *inspector) judge(err error) error {
	p.judgeEncoding(err)
	e, ok := errors.AsType[*xmlstream.Error](err)
	if !ok {
		return err
	}
	switch {
	case errors.Is(err, xmlstream.ErrEncoding):
	case errors.Is(err, xmlstream.ErrEmpty):
		p.fault(Empty, 0, "the file is empty: write the declaration into it")
	case errors.Is(err, xmlstream.ErrNotXML):
		p.fault(NotWellFormed, 0, "the file is not XML: it does not start with <; give the declaration file itself, unpacked")
	case errors.Is(err, xmlstream.ErrEntity):
		p.fault(NotWellFormed, e.Line, "line %d: the file holds %s: take it out, and write the characters of its entities themselves", e.Line, problem.Word(e.Problem))
	case errors.Is(err, xmlstream.ErrMalformed):
		if e.Element == "" {
			p.fault(NotWellFormed, e.Line, "line %d: %s: %s", e.Line, problem.Word(e.Problem), adviceOn(e.Problem))
		} else {
			p.fault(NotWellFormed, e.Line, "line %d, at element %s: %s: %s", e.Line, e.Element, problem.Word(e.Problem), adviceOn(e.Problem))
		}
	default:
		return err
	}
	return nil
}

func (p *inspector) judgeEncoding(err error) {
	enc := p.info.Encoding
	switch {
	case errors.Is(err, xmlstream.ErrEncoding) && enc.Declared == "":
		p.fault(BadEncoding, 1, "the file is in an encoding that is not supported: save it as UTF-8")
	case errors.Is(err, xmlstream.ErrEncoding):
		p.fault(BadEncoding, 1, "line 1: the encoding %s is not supported: save the file as UTF-8 and write encoding=\"UTF-8\"", enc.Declared)
	case enc.Mismatch && (enc.Actual == "UTF-8" && !enc.BOM || strings.HasPrefix(enc.Actual, "UTF-16")):
		p.fault(BadEncoding, 1, "line 1: the XML declaration says %s, but the file is in %s: make both UTF-8", enc.Declared, enc.Actual)
	case enc.Mismatch:
		// Parsers differ in which of the two they believe.
		p.warn(BadEncoding, "line 1: the XML declaration says %s, but the file starts with the mark of %s: make both UTF-8", enc.Declared, enc.Actual)
	case strings.EqualFold(enc.Declared, "UTF8"):
		p.warn(BadEncoding, "line 1: the name of the encoding is UTF-8, with a hyphen: write encoding=\"UTF-8\"")
	}
}

// advice says what to do about a problem of the XML.
var advice = map[xmlstream.Problem]problem.Word{
	xmlstream.ProblemEntity:      "write & as &amp;",
	xmlstream.ProblemAngle:       "write < in text as &lt;",
	xmlstream.ProblemBytes:       "save the file in the encoding that its first line names, best UTF-8",
	xmlstream.ProblemChar:        "take the character out",
	xmlstream.ProblemUnfinished:  "close every element; the file may have been cut off, so make it again",
	xmlstream.ProblemNesting:     "close elements in the reverse order of opening them",
	xmlstream.ProblemStrayEnd:    "take the end tag out, or open the element before it",
	xmlstream.ProblemAttribute:   "write the attribute with = and quotes",
	xmlstream.ProblemDuplicate:   "give each attribute once",
	xmlstream.ProblemSecondRoot:  "put all Form elements into one root element",
	xmlstream.ProblemOutside:     "take out what follows the last end tag",
	xmlstream.ProblemDeclaration: "begin the file with <?xml, nothing before it, and write it once",
	xmlstream.ProblemVersion:     "write version=\"1.0\"",
	xmlstream.ProblemPrefix:      "declare the prefix with xmlns:, or take it out",
	xmlstream.ProblemComment:     "write comments as <!-- … -->, without -- inside",
	xmlstream.ProblemCDATAEnd:    "write ]]> in text as ]]&gt;",
}

func adviceOn(p xmlstream.Problem) problem.Word {
	if a, ok := advice[p]; ok {
		return a
	}
	return generalAdvice
}

const generalAdvice problem.Word = "open the file in an XML editor at this line"
