package reply

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

type parser struct {
	d    *xmlstream.Decoder
	lim  Limits
	sum  Summary
	form *Form
	kept int    // bytes kept of the form, about
	said bool   // the form has an error id or an anomaly, kept or not
	buf  []byte // of text
}

// child is called at the start of an element and reads it to its end.
type child func(name string) error

// children calls f for each element directly below the current one, up to and
// including its end.
func (p *parser) children(f child) error {
	return p.d.Children(func(t xmlstream.Token) error { return f(t.Name) })
}

// fields reads the children named in the map and passes over the others.
func (p *parser) fields(to func(name string) *string) error {
	return p.children(func(name string) error {
		if s := to(name); s != nil {
			return p.text(s)
		}
		return p.d.Skip()
	})
}

func (p *parser) step(name string, list *[]Step) error {
	s := Step{Name: xmlstream.SafeName(name)}
	err := p.private(&s.Value)
	add(p, list, s)
	return err
}

func (p *parser) period(to *Period) error {
	return p.fields(func(name string) *string { return periodField(name, to) })
}

func periodField(name string, to *Period) *string {
	switch name {
	case "StartingDate":
		return &to.StartDate
	case "StartingHour":
		return &to.StartHour
	case "EndingDate":
		return &to.EndDate
	case "EndingHour":
		return &to.EndHour
	case "ServiceType":
		return &to.ServiceType
	case "PlannedHoursNbr":
		return &to.PlannedHours
	case "PlannedDaysNbr":
		return &to.PlannedDays
	}
	return nil
}

// itemCost is what an element of a list weighs against Limits.MaxForm beside its
// text, so that a million empty ones do not pass as nothing.
const itemCost = 128

func (p *parser) full() bool { return p.kept >= p.lim.MaxForm }

// add appends v unless the form has reached its limit.
func add[T any](p *parser, list *[]T, v T) {
	if p.full() {
		p.form.Truncated = true
		return
	}
	p.kept += itemCost
	*list = append(*list, v)
}

func (p *parser) appendText(list *[]string) error {
	var s string
	err := p.text(&s)
	add(p, list, s)
	return err
}

func (p *parser) private(to *Private) error {
	var s string
	err := p.text(&s)
	*to = NewPrivate(s)
	return err
}

// text reads the current element to its end and stores its text without the
// white space around it, cut at the limit. Elements inside are passed over.
func (p *parser) text(to *string) error {
	p.buf = p.buf[:0]
	cut := false
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case xmlstream.Text:
			text := t.Text
			if len(p.buf) == 0 {
				text = bytes.TrimLeftFunc(text, unicode.IsSpace)
			}
			if room := p.lim.MaxField - len(p.buf); len(text) > room {
				cut = cut || len(bytes.TrimSpace(text[room:])) > 0
				text = text[:room]
			}
			p.buf = append(p.buf, text...)
		case xmlstream.Start:
			if err := p.d.Skip(); err != nil {
				return err
			}
		case xmlstream.End:
			s := strings.TrimSpace(string(p.buf))
			if cut {
				s = strings.ToValidUTF8(s, "") // without half a character at its end
				p.form.Truncated = true
			}
			*to = s
			p.kept += len(s)
			return nil
		}
	}
}
