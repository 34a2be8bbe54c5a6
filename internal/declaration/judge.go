package declaration

import (
	"errors"
	"strings"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

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
