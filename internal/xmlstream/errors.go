package xmlstream

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons for which a document is not read further. Test for them with
// errors.Is; an error that is none of these comes from the underlying reader.
var (
	ErrEmpty     = errors.New("empty document")
	ErrNotXML    = errors.New("not an XML document")
	ErrMalformed = errors.New("not well-formed XML")
	ErrTooDeep   = errors.New("elements nested too deeply")
	ErrTooLarge  = errors.New("part of the document too large")
	ErrEntity    = errors.New("document type declaration not allowed")
	ErrEncoding  = errors.New("character encoding not supported")
)

// Problem says in one phrase what is wrong, without any of the document's text.
type Problem string

// The problems a document can have. The list is closed, so that a caller can
// give advice for each.
const (
	ProblemEntity       Problem = "an & that starts no known entity"
	ProblemAngle        Problem = "a < that starts no element"
	ProblemBytes        Problem = "bytes that do not fit the encoding"
	ProblemChar         Problem = "a control character that XML does not allow"
	ProblemUnfinished   Problem = "the document ends too early"
	ProblemNesting      Problem = "an element closed by the end tag of another"
	ProblemStrayEnd     Problem = "an end tag without a start tag"
	ProblemAttribute    Problem = "an attribute not written as name=\"value\""
	ProblemDuplicate    Problem = "an attribute given twice in one element"
	ProblemSecondRoot   Problem = "a second root element"
	ProblemOutside      Problem = "text outside the root element"
	ProblemDeclaration  Problem = "an XML declaration that is not at the very start"
	ProblemVersion      Problem = "an XML version other than 1.0"
	ProblemPrefix       Problem = "a namespace prefix that is not declared"
	ProblemComment      Problem = "a malformed comment"
	ProblemCDATAEnd     Problem = "]]> outside a CDATA section"
	ProblemSyntax       Problem = "a syntax error"
	ProblemToken        Problem = "one text, tag or comment over the size limit"
	ProblemName         Problem = "an element or attribute name over the size limit"
	ProblemAttributes   Problem = "an element with too many attributes"
	ProblemDepth        Problem = "more levels of elements than the limit"
	ProblemDoctype      Problem = "a <!DOCTYPE> or another <! declaration"
	ProblemEncodingName Problem = "an encoding that cannot be read"
)

// Error is a fault of the document, with its place. Its text holds element
// names at most, never element text or attribute values: declarations and
// replies are full of national numbers, and errors end up in logs.
type Error struct {
	Err     error   // one of the Err values of this package
	Problem Problem // may be empty for ErrEmpty and ErrNotXML
	Element string  // SafeName of the element concerned, or empty
	Line    int     // 1-based line of the decoded text
	Column  int     // 1-based, in bytes of the UTF-8 text
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	b.WriteString(e.Err.Error())
	if e.Problem != "" {
		b.WriteString(": ")
		b.WriteString(string(e.Problem))
	}
	if e.Element != "" {
		b.WriteString(" (element ")
		b.WriteString(e.Element)
		b.WriteString(")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// SafeName returns an element name that may be shown, or "…" for one that does
// not look like a name of the social-security schemas: longer than 64 bytes, not
// ASCII, or with six digits or more, as when a missing > made text part of a tag.
func SafeName(s string) string {
	if s == "" || len(s) > 64 {
		return "…"
	}
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '.':
		default:
			return "…"
		}
	}
	if digits > 5 {
		return "…"
	}
	return s
}

// syntaxProblem classifies a message of encoding/xml. The message itself is not
// passed on, because some of them quote the document.
func syntaxProblem(msg string) Problem {
	for _, m := range [...]struct {
		prefix string
		p      Problem
	}{
		{"invalid character entity", ProblemEntity},
		{"unescaped < inside", ProblemAngle},
		{"expected element name after <", ProblemAngle},
		{"invalid UTF-8", ProblemBytes},
		{"illegal character code", ProblemChar},
		{"unexpected EOF", ProblemUnfinished},
		{"attribute name without", ProblemAttribute},
		{"expected attribute name", ProblemAttribute},
		{"unquoted or missing attribute", ProblemAttribute},
		{"invalid sequence \"--\"", ProblemComment},
		{"invalid sequence <!-", ProblemComment},
		{"unescaped ]]>", ProblemCDATAEnd},
		{"invalid XML name", ProblemAngle},
		{"xml: unsupported version", ProblemVersion},
	} {
		if strings.HasPrefix(msg, m.prefix) {
			return m.p
		}
	}
	return ProblemSyntax
}
