package reply

// DimonaImpact is what a Dimona declaration changed.
type DimonaImpact struct {
	PeriodID string `json:"periodId"` // at most 12 digits; to keep, for later updates
	Locked   string `json:"locked,omitempty"`
	Features
	ControlCards
	Before *Period `json:"before,omitempty"` // nil for a new period
	After  *Period `json:"after,omitempty"`  // nil for a cancelled one
}

// DimonaPeriod is a period that an anomaly refers to.
type DimonaPeriod struct {
	ID        string `json:"id"`
	Locked    string `json:"locked,omitempty"`
	Cancelled string `json:"cancelled,omitempty"`
	Late      string `json:"late,omitempty"`
	Period
	UpdateDate string   `json:"updateDate,omitempty"`
	UpdateHour string   `json:"updateHour,omitempty"`
	ErrorIDs   []string `json:"errorIds,omitempty"`
	Class      string   `json:"class,omitempty"`
	Features
	ControlCards
}

// Quota tells by how much a quota was passed.
type Quota struct {
	Type           string `json:"type"`
	ExceedingHours string `json:"exceedingHours,omitempty"`
	ExceedingDays  string `json:"exceedingDays,omitempty"`
}

// Period is a stretch of work. Dates are YYYY-MM-DD, hours hhmm; each may be
// empty.
type Period struct {
	StartDate    string `json:"startDate,omitempty"`
	StartHour    string `json:"startHour,omitempty"`
	EndDate      string `json:"endDate,omitempty"`
	EndHour      string `json:"endHour,omitempty"`
	ServiceType  string `json:"serviceType,omitempty"`
	PlannedHours string `json:"plannedHours,omitempty"`
	PlannedDays  string `json:"plannedDays,omitempty"`
}

// DailyImpact is what a daily registration changed.
type DailyImpact struct {
	RegistrationID    string  `json:"registrationId"`
	AttestationStatus string  `json:"attestationStatus,omitempty"`
	PeriodID          string  `json:"periodId,omitempty"`
	Before            *Period `json:"before,omitempty"`
	After             *Period `json:"after,omitempty"`
}

// WorksImpact is one AVWDDTImpactReport of a declaration of works.
type WorksImpact struct {
	Block      string `json:"block,omitempty"`
	WorksID    string `json:"worksId,omitempty"` // AVWDDTId
	ContractID string `json:"contractId,omitempty"`
	// One of the three identifies the company.
	CompanyID        string `json:"companyId,omitempty"`
	VAT              string `json:"vatNbr,omitempty"`
	ForeignCompanyID string `json:"foreignCompanyId,omitempty"`
}

// DeclaredWork is what a DmfA says where it differs from Dimona: one of the
// four.
type DeclaredWork struct {
	StudentDays  string `json:"studentDays,omitempty"`
	StudentHours string `json:"studentHours,omitempty"`
	PlannedDays  string `json:"plannedDays,omitempty"`
	QuotaHours   string `json:"quotaHours,omitempty"` // planned within the quota
}

// DailyPeriod is a daily registration that an anomaly refers to.
type DailyPeriod struct {
	RegistrationID string `json:"registrationId"`
	PeriodID       string `json:"periodId,omitempty"`
	Period
	Cancelled  string `json:"cancelled,omitempty"`
	UpdateDate string `json:"updateDate,omitempty"`
	UpdateHour string `json:"updateHour,omitempty"`
}

// ControlCards are the numbers of the C3.2A cards of construction workers.
type ControlCards struct {
	FirstMonth string `json:"firstMonthCard,omitempty"`
	NextMonth  string `json:"nextMonthCard,omitempty"`
}

// CapeloImpact is what became of the pension data of a declaration. The code
// has the values of Form.ResultCode.
type CapeloImpact struct {
	ResultCode string `json:"resultCode"`
	Diagnosis  string `json:"diagnosis,omitempty"`
}

// CBSSResult is what the Crossroads Bank answered. The code has the values of
// Form.ResultCode.
type CBSSResult struct {
	ResultCode string       `json:"resultCode"`
	Details    []CBSSDetail `json:"details,omitempty"`
}

// CBSSDetail is one reason of a CBSSResult.
type CBSSDetail struct {
	Class         string   `json:"class,omitempty"`
	ReasonCode    string   `json:"reasonCode,omitempty"`
	Justification Private  `json:"justification,omitzero"`
	Fields        []string `json:"fields,omitempty"` // names
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
