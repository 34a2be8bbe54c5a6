// Package xmlstream reads XML that comes from elsewhere, token by token, in
// constant memory.
//
// It is encoding/xml with what that package leaves to its caller: the encodings
// that social-security files are written in, a limit on everything a document
// can make large, no document type declarations and so no entities of the
// document's own, and the rules of well-formedness that RawToken does not check
// (nesting, one root, attributes given once). Nothing is ever fetched.
package xmlstream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
)

// Limits bound what a document may make the decoder hold. A zero field stands
// for its default.
type Limits struct {
	MaxDepth int // levels of elements, the root being 1; default 64
	MaxToken int // bytes of one tag, text, comment or instruction, in UTF-8; default 1 MiB
	MaxName  int // bytes of an element or attribute name; default 256
	MaxAttrs int // attributes of one element; default 64
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.MaxDepth, 64)
	def(&l.MaxToken, 1<<20)
	def(&l.MaxName, 256)
	def(&l.MaxAttrs, 64)
	return l
}

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens. Comments and processing instructions are not reported.
const (
	Start Kind = iota + 1
	End
	Text
)

// Token is one piece of the document.
type Token struct {
	Kind   Kind
	Prefix string     // namespace prefix of a Start or End, as written
	Name   string     // local name of a Start or End
	Attr   []xml.Attr // of a Start; Name.Space is the prefix, as written
	Text   []byte     // of a Text; valid until the next call of Next
	Line   int        // 1-based line on which the token starts
}

// Decoder reads one document. It is not safe for concurrent use.
type Decoder struct {
	lim      Limits
	src      io.Reader
	prefixes bool

	guard *guard
	xml   *xml.Decoder
	enc   Encoding
	stack []xml.Name
	scope []binding
	root  bool // the root element has been seen
	seen  bool // anything but white space has been seen
	err   error
}

type binding struct {
	prefix, uri string
	depth       int
}

// New returns a decoder of the document in r, which is read with the first call
// of Next and not before.
func New(r io.Reader, l Limits) *Decoder {
	return &Decoder{lim: l.withDefaults(), src: r}
}

// RequirePrefixes makes the use of an undeclared namespace prefix an error, as
// it is for a parser that knows namespaces.
func (d *Decoder) RequirePrefixes() { d.prefixes = true }

// Encoding tells how the document is read. It is known after the first call of
// Next, also if that returned an error.
func (d *Decoder) Encoding() Encoding { return d.enc }

// Depth is the number of elements that are open after the last token.
func (d *Decoder) Depth() int { return len(d.stack) }

// Line is the 1-based line that the decoder has reached.
func (d *Decoder) Line() int {
	if d.xml == nil {
		return 1
	}
	line, _ := d.xml.InputPos()
	return line
}

// Lookup returns the namespace that prefix stands for at this place.
func (d *Decoder) Lookup(prefix string) (uri string, ok bool) {
	if prefix == "xml" {
		return "http://www.w3.org/XML/1998/namespace", true
	}
	for i := len(d.scope) - 1; i >= 0; i-- {
		if d.scope[i].prefix == prefix {
			return d.scope[i].uri, true
		}
	}
	return "", false
}

// Next returns the next token. After the end of the root element, when nothing
// but white space and comments follow, it returns io.EOF. Every other error is
// an *Error, or one of the underlying reader, unchanged. An error is final.
func (d *Decoder) Next() (Token, error) {
	if d.err != nil {
		return Token{}, d.err
	}
	t, err := d.next()
	if err != nil {
		d.err = err
	}
	return t, err
}

func (d *Decoder) start() error {
	r, enc, ok, err := toUTF8(d.src)
	d.enc = enc
	if err != nil {
		return err
	}
	if !ok {
		return &Error{Err: ErrEncoding, Problem: ProblemEncodingName, Line: 1, Column: 1}
	}
	d.guard = &guard{r: r, max: d.lim.MaxToken, buf: make([]byte, 32<<10)}
	d.xml = xml.NewDecoder(d.guard)
	d.xml.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }

	first, err := d.guard.firstByte()
	switch {
	case err == io.EOF:
		return &Error{Err: ErrEmpty}
	case err != nil:
		return err
	case first != 0 && first != '<':
		return &Error{Err: ErrNotXML}
	}
	return nil
}

func (d *Decoder) next() (Token, error) {
	if d.xml == nil {
		if err := d.start(); err != nil {
			return Token{}, err
		}
	}
	for {
		line, _ := d.xml.InputPos()
		offset := d.xml.InputOffset()
		d.guard.used = 0
		raw, err := d.xml.RawToken()
		if err != nil {
			return Token{}, d.fail(err)
		}
		if _, ok := raw.(xml.CharData); !ok {
			d.seen = true
		}
		switch t := raw.(type) {
		case xml.StartElement:
			if err := d.open(t); err != nil {
				return Token{}, err
			}
			return Token{Kind: Start, Prefix: t.Name.Space, Name: t.Name.Local, Attr: t.Attr, Line: line}, nil
		case xml.EndElement:
			if err := d.close(t); err != nil {
				return Token{}, err
			}
			return Token{Kind: End, Prefix: t.Name.Space, Name: t.Name.Local, Line: line}, nil
		case xml.CharData:
			if len(d.stack) > 0 {
				return Token{Kind: Text, Text: t, Line: line}, nil
			}
			if len(bytes.TrimLeft(t, " \t\r\n")) > 0 {
				if !d.root {
					return Token{}, &Error{Err: ErrNotXML}
				}
				return Token{}, d.fault(ErrMalformed, ProblemOutside, "")
			}
		case xml.ProcInst:
			if t.Target == "xml" && offset != 0 {
				return Token{}, d.fault(ErrMalformed, ProblemDeclaration, "")
			}
		case xml.Directive:
			return Token{}, d.fault(ErrEntity, ProblemDoctype, "")
		}
	}
}

func (d *Decoder) open(t xml.StartElement) error {
	switch {
	case len(d.stack) == 0 && d.root:
		return d.fault(ErrMalformed, ProblemSecondRoot, t.Name.Local)
	case len(d.stack) >= d.lim.MaxDepth:
		return d.fault(ErrTooDeep, ProblemDepth, t.Name.Local)
	case len(t.Name.Local)+len(t.Name.Space) > d.lim.MaxName:
		return d.fault(ErrTooLarge, ProblemName, "")
	case len(t.Attr) > d.lim.MaxAttrs:
		return d.fault(ErrTooLarge, ProblemAttributes, t.Name.Local)
	}
	d.root = true
	d.stack = append(d.stack, t.Name)
	for i, a := range t.Attr {
		if len(a.Name.Local)+len(a.Name.Space) > d.lim.MaxName {
			return d.fault(ErrTooLarge, ProblemName, t.Name.Local)
		}
		if slices.ContainsFunc(t.Attr[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
			return d.fault(ErrMalformed, ProblemDuplicate, t.Name.Local)
		}
		switch {
		case a.Name.Space == "xmlns":
			d.scope = append(d.scope, binding{a.Name.Local, a.Value, len(d.stack)})
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			d.scope = append(d.scope, binding{"", a.Value, len(d.stack)})
		}
	}
	if !d.prefixes {
		return nil
	}
	if err := d.declared(t.Name.Space, t.Name.Local); err != nil {
		return err
	}
	for _, a := range t.Attr {
		if err := d.declared(a.Name.Space, t.Name.Local); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) declared(prefix, element string) error {
	if prefix == "" || prefix == "xmlns" {
		return nil
	}
	if _, ok := d.Lookup(prefix); !ok {
		return d.fault(ErrMalformed, ProblemPrefix, element)
	}
	return nil
}

func (d *Decoder) close(t xml.EndElement) error {
	n := len(d.stack)
	if n == 0 {
		return d.fault(ErrMalformed, ProblemStrayEnd, t.Name.Local)
	}
	if d.stack[n-1] != t.Name {
		return d.fault(ErrMalformed, ProblemNesting, d.stack[n-1].Local)
	}
	for k := len(d.scope); k > 0 && d.scope[k-1].depth == n; k-- {
		d.scope = d.scope[:k-1]
	}
	d.stack = d.stack[:n-1]
	return nil
}

// Children calls f at the start of each element directly below the current one,
// which f reads to its end, and returns behind the end of the current one.
func (d *Decoder) Children(f func(Token) error) error {
	for {
		t, err := d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case Start:
			if err := f(t); err != nil {
				return err
			}
		case End:
			return nil
		}
	}
}

// Skip reads on to the end of the element whose Start was the last token.
func (d *Decoder) Skip() error {
	for depth := d.Depth(); d.Depth() >= depth; {
		if _, err := d.Next(); err != nil {
			return err
		}
	}
	return nil
}

// fail gives an error of encoding/xml its meaning here.
func (d *Decoder) fail(err error) error {
	if gerr := d.guard.err; gerr != nil && gerr != io.EOF {
		if errors.Is(gerr, ErrTooLarge) {
			return d.fault(ErrTooLarge, ProblemToken, d.current())
		}
		return gerr
	}
	if err == io.EOF {
		switch {
		case len(d.stack) > 0:
			return d.fault(ErrMalformed, ProblemUnfinished, d.current())
		case !d.seen:
			return &Error{Err: ErrEmpty}
		case !d.root:
			return d.fault(ErrMalformed, ProblemUnfinished, "")
		}
		return io.EOF
	}
	msg := err.Error()
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		msg = s.Msg
	}
	return d.fault(ErrMalformed, syntaxProblem(msg), d.current())
}

func (d *Decoder) current() string {
	if n := len(d.stack); n > 0 {
		return d.stack[n-1].Local
	}
	return ""
}

func (d *Decoder) fault(err error, p Problem, element string) *Error {
	e := &Error{Err: err, Problem: p}
	e.Line, e.Column = d.xml.InputPos()
	if element != "" {
		e.Element = SafeName(element)
	}
	return e
}

// guard feeds encoding/xml byte by byte and stops one token from growing without
// end: that package holds a whole token in memory before it returns it. The
// decoder sets used back to zero before each token.
type guard struct {
	r         io.Reader
	buf       []byte
	pos, n    int
	used, max int
	err       error
}

// ReadByte is what encoding/xml calls; see xml.NewDecoder.
func (g *guard) ReadByte() (byte, error) {
	if g.pos == g.n {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	// A text is known to end only by the byte that follows it.
	if g.used > g.max {
		g.err = ErrTooLarge
		return 0, g.err
	}
	g.used++
	c := g.buf[g.pos]
	g.pos++
	return c, nil
}

// Read makes guard an io.Reader, as xml.NewDecoder asks. It is not called.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := g.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

func (g *guard) fill() error {
	if g.err != nil {
		return g.err
	}
	g.pos, g.n = 0, 0
	for range 100 {
		n, err := g.r.Read(g.buf)
		g.n, g.err = n, err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	g.err = io.ErrNoProgress
	return g.err
}

// firstByte returns the first byte that is not white space without consuming
// anything; 0 if there is none in the first buffer but more may follow.
func (g *guard) firstByte() (byte, error) {
	if err := g.fill(); err != nil {
		return 0, err
	}
	if rest := bytes.TrimLeft(g.buf[:g.n], " \t\r\n"); len(rest) > 0 {
		return rest[0], nil
	}
	return 0, nil
}
