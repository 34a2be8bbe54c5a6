package reply

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

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
	return true, p.text(to)
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

// update reads what a DmfA update notification says of anomalies; they stand
// with the worker or the contribution concerned.
func (p *parser) update(name string, f *Form) error {
	if name != "EmployerDeclarationUpdateNotif" {
		return p.d.Skip()
	}
	f.Employer = new(EmployerID)
	return p.children(func(name string) error {
		switch name {
		case "Quarter":
			return p.text(&f.Quarter)
		case "NaturalPersonUpdateNotif", "CUNPUpdateNotif":
			return p.children(func(name string) error {
				if name == "AnomalyReport" {
					return p.anomaly(f)
				}
				return p.d.Skip()
			})
		}
		if to := f.Employer.field(name); to != nil {
			return p.text(to)
		}
		return p.d.Skip()
	})
}

func (p *parser) identityFlux(name string, f *Form) error {
	if name != "IdfluxInformation" {
		return p.d.Skip()
	}
	return p.children(func(name string) error {
		if name == "EmployerId" {
			return p.employer(f)
		}
		return p.d.Skip()
	})
}

func (p *parser) employer(f *Form) error {
	f.Employer = new(EmployerID)
	return p.fields(f.Employer.field)
}

func (e *EmployerID) field(name string) *string {
	switch name {
	case "NOSSRegistrationNbr":
		return &e.NOSS
	case "NOSSLPARegistrationNbr":
		return &e.NOSSLPA
	case "ProvisionalNSSONbr":
		return &e.Provisional
	case "CompanyID":
		return &e.CompanyID
	}
	return nil
}

func (p *parser) cbss(r *CBSSResult) error {
	return p.children(func(name string) error {
		switch name {
		case "ResultCode":
			return p.text(&r.ResultCode)
		case "DetailReturnCode":
			return p.cbssDetail(&r.Details)
		}
		return p.d.Skip()
	})
}

func (p *parser) cbssDetail(list *[]CBSSDetail) error {
	var d CBSSDetail
	err := p.children(func(name string) error {
		switch name {
		case "AnomalyClass":
			return p.text(&d.Class)
		case "ReasonCodeCBSS":
			return p.text(&d.ReasonCode)
		case "Justification":
			return p.private(&d.Justification)
		case "FieldInformation":
			return p.children(func(name string) error {
				if name == "FieldName" {
					return p.appendText(&d.Fields)
				}
				return p.d.Skip()
			})
		}
		return p.d.Skip()
	})
	add(p, list, d)
	return err
}

func (p *parser) contact(c *Contact) error {
	return p.children(func(name string) error {
		switch name {
		case "Name":
			return p.private(&c.Name)
		case "FirstName":
			return p.private(&c.FirstName)
		case "Communication":
			return p.children(func(name string) error {
				switch name {
				case "PhoneNbr":
					return p.private(&c.Phone)
				case "GSMNbr":
					return p.private(&c.GSM)
				case "FaxNbr":
					return p.private(&c.Fax)
				case "EmailAddress":
					return p.private(&c.Email)
				}
				return p.d.Skip()
			})
		}
		return p.d.Skip()
	})
}

func (p *parser) anomaly(f *Form) error {
	p.said = true
	f.AnomalyCount++
	if f.AnomalyCount > p.lim.MaxAnomalies || p.full() {
		f.Truncated = true
		return p.d.Skip()
	}
	var a Anomaly
	err := p.children(func(name string) error {
		switch name {
		case "ErrorID":
			return p.text(&a.ErrorID)
		case "TagName":
			return p.text(&a.TagName)
		case "Value":
			return p.private(&a.Value)
		case "AnomalyClass":
			return p.text(&a.Class)
		case "AnomalyLabel":
			return p.text(&a.Label)
		case "AnomalyLocation":
			return p.children(func(name string) error {
				switch name {
				case "LineNbr":
					return p.text(&a.LineNbr)
				case "ColumnNbr":
					return p.text(&a.ColumnNbr)
				case "Location":
					return p.private(&a.Location)
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
					return p.text(&a.Correction.Type)
				case "BlockAction":
					return p.blockAction(&a.Correction.Blocks)
				}
				return p.d.Skip()
			})
		case "AnomalyComplInformation":
			return p.complement(&a)
		}
		return p.d.Skip()
	})
	add(p, &f.Anomalies, a)
	return err
}

// complement reads what is told of an anomaly besides.
func (p *parser) complement(a *Anomaly) error {
	return p.children(func(name string) error {
		switch name {
		case "DmfADimonaConfrontation":
			a.Declared = new(DeclaredWork)
			return p.fields(func(name string) *string {
				switch name {
				case "StudentNbrDays":
					return &a.Declared.StudentDays
				case "StudentHoursNbr":
					return &a.Declared.StudentHours
				case "PlannedDaysNbr":
					return &a.Declared.PlannedDays
				case "InQuotaPlannedHoursNbr":
					return &a.Declared.QuotaHours
				}
				return nil
			})
		case "DimonaPeriod":
			return p.dimonaPeriod(&a.Periods)
		case "QuotaFeatures":
			return p.quota(&a.Quotas)
		case "DailyRegistration":
			a.Daily = new(DailyPeriod)
			return p.dailyPeriod(a.Daily)
		}
		return p.d.Skip()
	})
}

func (p *parser) dailyPeriod(d *DailyPeriod) error {
	return p.fields(func(name string) *string {
		switch name {
		case "DailyRegistrationId":
			return &d.RegistrationID
		case "DimonaPeriodId":
			return &d.PeriodID
		case "IsCancelled":
			return &d.Cancelled
		case "LastUpdateDate":
			return &d.UpdateDate
		case "LastUpdateHour":
			return &d.UpdateHour
		}
		return periodField(name, &d.Period)
	})
}

// features reads what a Dimona period has beside its dates, if the element is
// part of that.
func (p *parser) features(name string, f *Features, c *ControlCards) (bool, error) {
	switch name {
	case "DimonaFeatures":
		return true, p.children(func(name string) error {
			switch name {
			case "JointCommissionNbr":
				return p.text(&f.JointCommission)
			case "WorkerType":
				return p.text(&f.WorkerType)
			case "SubEntityNbr":
				return p.text(&f.SubEntity)
			case "UsingEmployer":
				return p.fields(func(name string) *string {
					if name == "UsingEmployerCompanyID" {
						return &f.UserCompanyID
					}
					return nil
				})
			}
			return p.d.Skip()
		})
	case "ConstructionControlCards":
		return true, p.fields(func(name string) *string {
			switch name {
			case "FirstMonthC32ANbr":
				return &c.FirstMonth
			case "NextMonthC32ANbr":
				return &c.NextMonth
			}
			return nil
		})
	}
	return false, nil
}

func (p *parser) step(name string, list *[]Step) error {
	s := Step{Name: xmlstream.SafeName(name)}
	err := p.private(&s.Value)
	add(p, list, s)
	return err
}

func (p *parser) blockAction(list *[]BlockAction) error {
	var b BlockAction
	err := p.children(func(name string) error {
		switch name {
		case "Action":
			return p.text(&b.Action)
		case "BlockName":
			return p.text(&b.Block)
		case "DataValue":
			var v Field
			err := p.children(func(name string) error {
				switch name {
				case "FieldName":
					return p.text(&v.Name)
				case "NewValue":
					return p.private(&v.NewValue)
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
			return p.text(s)
		}
		if ok, err := p.features(name, &d.Features, &d.ControlCards); ok {
			return err
		}
		switch name {
		case "DimonaPeriodId":
			return p.text(&d.ID)
		case "IsLocked":
			return p.text(&d.Locked)
		case "IsCancelled":
			return p.text(&d.Cancelled)
		case "IsLate":
			return p.text(&d.Late)
		case "LastUpdateDate":
			return p.text(&d.UpdateDate)
		case "LastUpdateHour":
			return p.text(&d.UpdateHour)
		case "ErrorID":
			return p.appendText(&d.ErrorIDs)
		case "AnomalyClass":
			return p.text(&d.Class)
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
				case "VATNbr":
					return &w.VAT
				case "ForeignCompanyID":
					return &w.ForeignCompanyID
				}
				return nil
			})
			add(p, &f.Works, w)
			return err
		case "CapeloImpactReport":
			f.Capelo = new(CapeloImpact)
			return p.fields(func(name string) *string {
				switch name {
				case "ResultCode":
					return &f.Capelo.ResultCode
				case "Diagnosis":
					return &f.Capelo.Diagnosis
				}
				return nil
			})
		}
		return p.d.Skip()
	})
}

func (p *parser) dimonaImpact(d *DimonaImpact) error {
	return p.children(func(name string) error {
		if ok, err := p.features(name, &d.Features, &d.ControlCards); ok {
			return err
		}
		switch name {
		case "DimonaPeriodId":
			return p.text(&d.PeriodID)
		case "IsLocked":
			return p.text(&d.Locked)
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
			return p.text(&d.RegistrationID)
		case "AttestationStatus":
			return p.text(&d.AttestationStatus)
		case "DimonaPeriodId":
			return p.text(&d.PeriodID)
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
