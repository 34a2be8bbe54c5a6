package declaration

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/xmlstream"
	"github.com/socbatch/socbatch/naming"
)

func (p *inspector) form(t xmlstream.Token) error {
	p.info.Forms++
	f := Form{Index: p.info.Forms, Line: t.Line}
	p.oneSchema(t)
	err := p.d.Children(func(t xmlstream.Token) error {
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
	err := p.d.Children(func(t xmlstream.Token) error {
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
