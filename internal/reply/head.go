package reply

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
