package reply

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

// Limits bound what is kept of a reply. A zero field stands for its default.
type Limits struct {
	XML xmlstream.Limits
	// MaxField is the length in bytes of a value that is kept; a longer one is
	// ErrTooLarge. Default 4096.
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

// FieldError is ErrTooLarge for a value over Limits.MaxField.
type FieldError struct {
	Element string // name of the element, safe to show
	Line    int    // 1-based
	Max     int    // bytes
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("line %d: element %s: %v: value over %d bytes", e.Line, e.Element, ErrTooLarge, e.Max)
}

func (e *FieldError) Unwrap() error { return ErrTooLarge }

type parser struct {
	d    *xmlstream.Decoder
	lim  Limits
	sum  Summary
	form *Form
	kept int    // bytes kept of the form, about
	buf  []byte // of text
}

// child is called at the start of an element and reads it to its end.
type child func(name string) error

// children calls f for each element directly below the current one, up to and
// including its end.
func (p *parser) children(f child) error {
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case xmlstream.Start:
			if err := f(t.Name); err != nil {
				return err
			}
		case xmlstream.End:
			return nil
		}
	}
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
	p.form, p.kept = f, 0
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
					return p.text(name, &f.ResultCode)
				case "ErrorID":
					return p.appendText(name, &f.ErrorIDs)
				}
				return p.d.Skip()
			})
		}
		if f.Kind == Notification {
			return p.notification(name, f)
		}
		return p.d.Skip()
	})
	if err != nil {
		return err
	}
	f.Outcome = outcomeOf(f.Kind, f.ResultCode, f.AnomalyCount > 0 || len(f.ErrorIDs) > 0)
	p.sum.Forms++
	p.sum.Totals.add(f.Outcome)
	p.sum.Outcome = max(p.sum.Outcome, f.Outcome)
	if f.Index == 1 {
		p.sum.First = f.FormHead
	}
	return nil
}

// head reads the element if it belongs to the head of a form.
func (p *parser) head(name string, h *FormHead) (bool, error) {
	var to *string
	switch name {
	case "Identification":
		to = &h.Identification
	case "FormCreationDate":
		to = &h.CreationDate
	case "FormCreationHour":
		to = &h.CreationHour
	case "AttestationStatus":
		to = &h.AttestationStatus
	case "TypeForm":
		to = &h.TypeForm
	default:
		return false, nil
	}
	return true, p.text(name, to)
}

// fields reads the children named in the map and passes over the others.
func (p *parser) fields(to func(name string) *string) error {
	return p.children(func(name string) error {
		if s := to(name); s != nil {
			return p.text(name, s)
		}
		return p.d.Skip()
	})
}

func (p *parser) fileReference(f *FileReference) error {
	return p.fields(func(name string) *string {
		switch name {
		case "FileName":
			return &f.Name
		case "ReferenceOrigin":
			return &f.Origin
		case "ReferenceNbr":
			return &f.Number
		}
		return nil
	})
}

func (p *parser) reference(list *[]Reference) error {
	var r Reference
	err := p.fields(func(name string) *string {
		switch name {
		case "ReferenceType":
			return &r.Type
		case "ReferenceOrigin":
			return &r.Origin
		case "ReferenceNbr":
			return &r.Number
		}
		return nil
	})
	add(p, list, r)
	return err
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
		f.Employer = new(EmployerID)
		return p.fields(func(name string) *string {
			switch name {
			case "NOSSRegistrationNbr":
				return &f.Employer.NOSS
			case "NOSSLPARegistrationNbr":
				return &f.Employer.NOSSLPA
			case "ProvisionalNSSONbr":
				return &f.Employer.Provisional
			case "CompanyID":
				return &f.Employer.CompanyID
			}
			return nil
		})
	case "ConcernedQuarter":
		return p.fields(func(name string) *string {
			if name == "Quarter" {
				return &f.Quarter
			}
			return nil
		})
	case "CoordinatesContactPerson":
		f.Contact = new(Contact)
		return p.contact(f.Contact)
	case "HandlingResult":
		return p.children(func(name string) error {
			switch name {
			case "ResultCode":
				return p.text(name, &f.ResultCode)
			case "Diagnosis":
				return p.appendText(name, &f.Diagnoses)
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

func (p *parser) contact(c *Contact) error {
	return p.children(func(name string) error {
		switch name {
		case "Name":
			return p.private(name, &c.Name)
		case "FirstName":
			return p.private(name, &c.FirstName)
		case "Communication":
			return p.children(func(name string) error {
				switch name {
				case "PhoneNbr":
					return p.private(name, &c.Phone)
				case "GSMNbr":
					return p.private(name, &c.GSM)
				case "FaxNbr":
					return p.private(name, &c.Fax)
				case "EmailAddress":
					return p.private(name, &c.Email)
				}
				return p.d.Skip()
			})
		}
		return p.d.Skip()
	})
}

func (p *parser) anomaly(f *Form) error {
	f.AnomalyCount++
	if f.AnomalyCount > p.lim.MaxAnomalies || p.full() {
		f.Truncated = true
		return p.d.Skip()
	}
	var a Anomaly
	err := p.children(func(name string) error {
		switch name {
		case "ErrorID":
			return p.text(name, &a.ErrorID)
		case "TagName":
			return p.text(name, &a.TagName)
		case "Value":
			return p.private(name, &a.Value)
		case "AnomalyClass":
			return p.text(name, &a.Class)
		case "AnomalyLabel":
			return p.text(name, &a.Label)
		case "AnomalyLocation":
			return p.children(func(name string) error {
				switch name {
				case "LineNbr":
					return p.text(name, &a.LineNbr)
				case "ColumnNbr":
					return p.text(name, &a.ColumnNbr)
				case "Location":
					return p.private(name, &a.Location)
				}
				return p.d.Skip()
			})
		case "Path":
			return p.children(func(name string) error { return p.step(name, &a.Path) })
		case "SystemCorrection":
			a.Correction = new(Correction)
			return p.children(func(name string) error {
				switch name {
				case "CorrectionType":
					return p.text(name, &a.Correction.Type)
				case "BlockAction":
					return p.blockAction(&a.Correction.Blocks)
				}
				return p.d.Skip()
			})
		case "AnomalyComplInformation":
			return p.children(func(name string) error {
				switch name {
				case "DimonaPeriod":
					return p.dimonaPeriod(&a.Periods)
				case "QuotaFeatures":
					return p.quota(&a.Quotas)
				}
				return p.d.Skip()
			})
		}
		return p.d.Skip()
	})
	add(p, &f.Anomalies, a)
	return err
}

func (p *parser) step(name string, list *[]Step) error {
	s := Step{Name: xmlstream.SafeName(name)}
	err := p.private(name, &s.Value)
	add(p, list, s)
	return err
}

func (p *parser) blockAction(list *[]BlockAction) error {
	var b BlockAction
	err := p.children(func(name string) error {
		switch name {
		case "Action":
			return p.text(name, &b.Action)
		case "BlockName":
			return p.text(name, &b.Block)
		case "DataValue":
			var v Field
			err := p.children(func(name string) error {
				switch name {
				case "FieldName":
					return p.text(name, &v.Name)
				case "NewValue":
					return p.private(name, &v.NewValue)
				}
				return p.d.Skip()
			})
			add(p, &b.Fields, v)
			return err
		}
		return p.step(name, &b.Path)
	})
	add(p, list, b)
	return err
}

func (p *parser) quota(list *[]Quota) error {
	var q Quota
	err := p.fields(func(name string) *string {
		switch name {
		case "QuotaType":
			return &q.Type
		case "ExceedingHoursNbr":
			return &q.ExceedingHours
		case "ExceedingDaysNbr":
			return &q.ExceedingDays
		}
		return nil
	})
	add(p, list, q)
	return err
}

func (p *parser) dimonaPeriod(list *[]DimonaPeriod) error {
	var d DimonaPeriod
	err := p.children(func(name string) error {
		if s := periodField(name, &d.Period); s != nil {
			return p.text(name, s)
		}
		switch name {
		case "DimonaPeriodId":
			return p.text(name, &d.ID)
		case "IsLocked":
			return p.text(name, &d.Locked)
		case "IsCancelled":
			return p.text(name, &d.Cancelled)
		case "IsLate":
			return p.text(name, &d.Late)
		case "LastUpdateDate":
			return p.text(name, &d.UpdateDate)
		case "LastUpdateHour":
			return p.text(name, &d.UpdateHour)
		case "ErrorID":
			return p.appendText(name, &d.ErrorIDs)
		case "AnomalyClass":
			return p.text(name, &d.Class)
		}
		return p.d.Skip()
	})
	add(p, list, d)
	return err
}

func (p *parser) impact(f *Form) error {
	return p.children(func(name string) error {
		switch name {
		case "DimonaImpactReport":
			f.Dimona = new(DimonaImpact)
			return p.dimonaImpact(f.Dimona)
		case "DailyRegistrationDclImpactReport":
			f.Daily = new(DailyImpact)
			return p.dailyImpact(f.Daily)
		case "AVWDDTImpactReport":
			var w WorksImpact
			err := p.fields(func(name string) *string {
				switch name {
				case "BlockName":
					return &w.Block
				case "AVWDDTId":
					return &w.WorksID
				case "WorksContractId":
					return &w.ContractID
				case "CompanyID":
					return &w.CompanyID
				}
				return nil
			})
			add(p, &f.Works, w)
			return err
		}
		return p.d.Skip()
	})
}

func (p *parser) dimonaImpact(d *DimonaImpact) error {
	return p.children(func(name string) error {
		switch name {
		case "DimonaPeriodId":
			return p.text(name, &d.PeriodID)
		case "IsLocked":
			return p.text(name, &d.Locked)
		case "DimonaFeatures":
			return p.fields(func(name string) *string {
				switch name {
				case "JointCommissionNbr":
					return &d.JointCommission
				case "WorkerType":
					return &d.WorkerType
				case "SubEntityNbr":
					return &d.SubEntity
				}
				return nil
			})
		case "DimonaPeriodBefore":
			d.Before = new(Period)
			return p.period(d.Before)
		case "DimonaPeriodAfter":
			d.After = new(Period)
			return p.period(d.After)
		}
		return p.d.Skip()
	})
}

func (p *parser) dailyImpact(d *DailyImpact) error {
	return p.children(func(name string) error {
		switch name {
		case "DailyRegistrationId":
			return p.text(name, &d.RegistrationID)
		case "AttestationStatus":
			return p.text(name, &d.AttestationStatus)
		case "DimonaPeriodId":
			return p.text(name, &d.PeriodID)
		case "DailyRegistrationBefore":
			d.Before = new(Period)
			return p.period(d.Before)
		case "DailyRegistrationAfter":
			d.After = new(Period)
			return p.period(d.After)
		}
		return p.d.Skip()
	})
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

func (p *parser) appendText(name string, list *[]string) error {
	var s string
	err := p.text(name, &s)
	add(p, list, s)
	return err
}

func (p *parser) private(name string, to *Private) error {
	var s string
	err := p.text(name, &s)
	*to = NewPrivate(s)
	return err
}

// text reads the current element to its end and stores its text without the
// white space around it. Elements inside are passed over.
func (p *parser) text(name string, to *string) error {
	p.buf = p.buf[:0]
	for {
		t, err := p.d.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case xmlstream.Text:
			p.buf = append(p.buf, t.Text...)
			if len(p.buf) > p.lim.MaxField {
				return &FieldError{Element: xmlstream.SafeName(name), Line: p.d.Line(), Max: p.lim.MaxField}
			}
		case xmlstream.Start:
			if err := p.d.Skip(); err != nil {
				return err
			}
		case xmlstream.End:
			*to = strings.TrimSpace(string(p.buf))
			p.kept += len(*to)
			return nil
		}
	}
}
