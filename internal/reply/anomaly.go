package reply

// Anomaly is one AnomalyReport of a notification.
type Anomaly struct {
	ErrorID string `json:"errorId"` // "zzzzz-nnn": five digits of the zone, three of the error
	TagName string `json:"tagName,omitempty"`
	// Value is the refused value. It may be a national number: never print it
	// unless the person asked for it.
	Value Private `json:"value,omitzero"`
	Class string  `json:"class,omitempty"` // B blocking, P percentage, NP not percentage, W warning …
	Label string  `json:"label,omitempty"` // text of the server, at most 500 characters by the schema

	// Place in the declaration. LineNbr and ColumnNbr are as written.
	LineNbr   string `json:"lineNbr,omitempty"`
	ColumnNbr string `json:"columnNbr,omitempty"`
	// Location is free text of the server, at most 200 characters by the schema.
	Location Private `json:"location,omitzero"`
	// Path leads to the record concerned, from the outside in.
	Path []Step `json:"path,omitempty"`

	Correction *Correction    `json:"correction,omitempty"`
	Declared   *DeclaredWork  `json:"declaredWork,omitempty"`
	Periods    []DimonaPeriod `json:"dimonaPeriods,omitempty"`
	Quotas     []Quota        `json:"quotas,omitempty"`
	Daily      *DailyPeriod   `json:"dailyRegistration,omitempty"`
}

// Blocking tells whether the anomaly is of class B.
func (a *Anomaly) Blocking() bool { return a.Class == "B" }

// Step is one element of a Path, such as WorkerCode with its value.
type Step struct {
	Name  string  `json:"name"`
	Value Private `json:"value,omitzero"`
}

// Show returns the value if the element is one that identifies no person: an
// employer, a code, a sequence number, a date.
func (s Step) Show() (value string, ok bool) {
	v := s.Value.Reveal()
	if len(v) > 20 {
		return "", false
	}
	switch s.Name {
	case "Quarter", "NOSSRegistrationNbr", "NOSSLPARegistrationNbr", "Trusteeship", "CompanyID",
		"UnrelatedEmployerClass", "UnrelatedWorkerCode", "NaturalPersonSequenceNbr",
		"EmployerClass", "WorkerCode", "OccupationSequenceNbr", "ReorganisationMeasure",
		"ServiceSequenceNbr", "ServiceCode", "RemunSequenceNbr", "RemunCode",
		"BonusPaymentFrequency", "DeductionCode", "DeductionDetailSequenceNbr",
		"JointCommissionNbr", "ActivityCode", "ContributionWorkerCode", "ContributionType",
		"ContributionSequenceNbr", "CompanyVehicleSequenceNbr", "EmployerSequenceNbr",
		"CareerElementSequenceNbr", "CalendarYear", "StartingDate", "PercentagePaid", "EarlyRetirementCode", "IndemnityNature",
		"ComplIndemnityAgreementNotion", "ComplIndemnityAmountAdjustNotion", "HalfTimeCareerInterruptionNotion",
		"ServiceExemptionNotion", "ReplacementAccordanceWCCNotion", "OccupationPSDStartDate",
		"PublicSectorInstitutionType", "PublicSectorPersonnelCategory", "AssignmentType", "FunctionNature",
		"ScaleSalarySequenceNbr", "ScaleSalaryStartDate", "PecuniarySeniorityStartDate", "SalaryScaleReference",
		"AdditionalScaleSalarySequenceNbr", "AdditionalScaleSalaryReference", "AdditionalScaleSalaryStartDate",
		"NonSituableAbsenceCode":
		return v, true
	}
	return "", false
}

// Correction is a SystemCorrection: what the server changed by itself.
type Correction struct {
	Type   string        `json:"type,omitempty"` // RC or UC
	Blocks []BlockAction `json:"blocks,omitempty"`
}

// BlockAction is a change of one block of the declaration.
type BlockAction struct {
	Action string  `json:"action,omitempty"` // 0, 1, 2 or 9
	Block  string  `json:"block,omitempty"`
	Path   []Step  `json:"path,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is a changed field.
type Field struct {
	Name     string  `json:"name"`
	NewValue Private `json:"newValue,omitzero"`
}

// Features are those of a Dimona period.
type Features struct {
	JointCommission string `json:"jointCommission,omitempty"`
	WorkerType      string `json:"workerType,omitempty"`
	SubEntity       string `json:"subEntity,omitempty"`
	UserCompanyID   string `json:"userCompanyId,omitempty"` // of the employer where a temporary worker works
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
