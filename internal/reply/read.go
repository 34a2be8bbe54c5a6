package reply

import (
	"errors"
	"fmt"
	"io"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

// Limits bound what is kept of a reply. A zero field stands for its default.
type Limits struct {
	XML xmlstream.Limits
	// MaxField is how many bytes of a value are kept. What is beyond them is
	// left out, and the form marked as Truncated. Default 4096.
	MaxField int
	// MaxAnomalies is how many anomalies of one form are kept. Default 10000.
	MaxAnomalies int
	// MaxForm is about how many bytes of one form are kept. Default 8 MiB. What
	// is beyond it is read and left out, and the form marked as Truncated.
	MaxForm int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.MaxField, 4096)
	def(&l.MaxAnomalies, 10_000)
	def(&l.MaxForm, 8<<20)
	return l
}

// Handler is called with each form, in order. An error ends the reading and is
// returned by Read, wrapped.
type Handler func(*Form) error

// Read reads a reply with the default limits. See Limits.Read.
func Read(r io.Reader, h Handler) (Summary, error) { return Limits{}.Read(r, h) }

// Read reads one reply from r to its end and calls h, which may be nil, for each
// form as soon as it is complete. Memory does not grow with the number of forms.
// With an error, the Summary holds what was read until then; forms that were
// handed over before it may be of a file that is broken further on.
func (l Limits) Read(r io.Reader, h Handler) (Summary, error) {
	p := &parser{d: xmlstream.New(r, l.XML), lim: l.withDefaults()}
	err := p.document(h)
	p.sum.Encoding = p.d.Encoding()
	switch {
	case err == nil:
		return p.sum, nil
	case errors.Is(err, xmlstream.ErrEmpty), errors.Is(err, xmlstream.ErrNotXML):
		return p.sum, fmt.Errorf("%w: %w", ErrNotReply, err)
	}
	return p.sum, fmt.Errorf("read reply: %w", err)
}

// ReadAll reads a reply with the default limits and gives all of its forms. It
// is for replies that are known to be small; an error is as that of Read.
func ReadAll(r io.Reader) ([]*Form, Summary, error) {
	var forms []*Form
	sum, err := Read(r, func(f *Form) error { forms = append(forms, f); return nil })
	return forms, sum, err
}

func (p *parser) document(h Handler) error {
	root, err := p.d.Next()
	if err != nil {
		return err
	}
	p.sum.Root = xmlstream.SafeName(root.Name)
	p.sum.Kind = KindOf(root.Name)
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch {
		case t.Kind == xmlstream.End:
			// What follows the root has to be looked at, too.
			if _, err := p.d.Next(); err != io.EOF {
				return err
			}
			return nil
		case t.Kind == xmlstream.Text:
		case t.Name != "Form":
			p.sum.OtherBlocks++
			if err := p.d.Skip(); err != nil {
				return err
			}
		default:
			if err := p.readForm(t.Line); err != nil {
				return err
			}
			if h == nil {
				continue
			}
			if err := h(p.form); err != nil {
				return fmt.Errorf("form %d: %w", p.form.Index, err)
			}
		}
	}
}

func (p *parser) readForm(line int) error {
	f := &Form{Kind: p.sum.Kind, Index: p.sum.Forms + 1, Line: line}
	p.form, p.kept, p.said = f, 0, false
	err := p.children(func(name string) error {
		if ok, err := p.head(name, &f.FormHead); ok {
			return err
		}
		switch name {
		case "FileReference":
			f.File = new(FileReference)
			return p.fileReference(f.File)
		case "Reference":
			return p.reference(&f.References)
		case "HandledReference":
			return p.reference(&f.HandledReferences)
		case "ReceptionResult":
			return p.children(func(name string) error {
				switch name {
				case "ResultCode":
					return p.text(&f.ResultCode)
				case "ErrorID":
					p.said = true
					return p.appendText(&f.ErrorIDs)
				}
				return p.d.Skip()
			})
		}
		switch f.Kind {
		case Notification:
			return p.notification(name, f)
		case UpdateNotification:
			return p.update(name, f)
		case IdentityFlux:
			return p.identityFlux(name, f)
		}
		return p.d.Skip()
	})
	if err != nil {
		return err
	}
	f.Outcome = outcomeOf(f.Kind, f.ResultCode, p.said)
	p.sum.Forms++
	p.sum.Totals.add(f.Outcome)
	p.sum.Outcome = max(p.sum.Outcome, f.Outcome)
	if f.Index == 1 {
		p.sum.First = f.FormHead
	}
	return nil
}

func (p *parser) notification(name string, f *Form) error {
	switch name {
	case "FileReceptionInformation":
		f.Reception = new(Reception)
		return p.fields(func(name string) *string {
			switch name {
			case "ReceptionDate":
				return &f.Reception.Date
			case "ReceptionHour":
				return &f.Reception.Hour
			case "Channel":
				return &f.Reception.Channel
			}
			return nil
		})
	case "HandledOriginalFile":
		return p.fields(func(name string) *string {
			if name == "SenderId" {
				return &f.SenderID
			}
			return nil
		})
	case "HandledOriginalForm":
		f.Handled = new(FormHead)
		return p.children(func(name string) error {
			if ok, err := p.head(name, f.Handled); ok {
				return err
			}
			return p.d.Skip()
		})
	case "EmployerId":
		return p.employer(f)
	case "ConcernedQuarter":
		return p.fields(func(name string) *string {
			if name == "Quarter" {
				return &f.Quarter
			}
			return nil
		})
	case "CBSSInformation":
		return p.children(func(name string) error {
			if name != "HandledCBSSInformation" {
				return p.d.Skip()
			}
			f.CBSS = new(CBSSResult)
			return p.cbss(f.CBSS)
		})
	case "CoordinatesContactPerson":
		f.Contact = new(Contact)
		return p.contact(f.Contact)
	case "HandlingResult":
		return p.children(func(name string) error {
			switch name {
			case "ResultCode":
				return p.text(&f.ResultCode)
			case "Diagnosis":
				return p.appendText(&f.Diagnoses)
			case "AnomalyReport":
				return p.anomaly(f)
			case "ImpactReport":
				return p.impact(f)
			}
			return p.d.Skip()
		})
	}
	return p.d.Skip()
}
