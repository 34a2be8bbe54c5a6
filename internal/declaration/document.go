package declaration

import (
	"bytes"
	"io"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

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
