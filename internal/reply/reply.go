// Package reply reads what the social-security server sends back: receipts
// (ACRF), notifications (NOTI) and, as far as their head goes, every other reply
// made of Form blocks.
//
// Replies are read form by form in constant memory: a notification file can hold
// a million forms. Structures and names follow the official schemas ACRF_20231,
// NOTIFICATION_20223 and IDFLUX_20231. Elements that the schemas do not know are
// passed over, and so are values out of range: a reply is never refused for being
// newer than this program.
//
// Replies hold personal data. What may be a person's is of type Private and does
// not print; errors of this package name elements and places, never values.
package reply

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

// Errors of Read, for errors.Is. The error returned also tells the line and the
// column. Errors of the reader itself are passed on wrapped.
var (
	// ErrNotReply means that the content is empty or no XML: a PDF, a CSV, a ZIP.
	ErrNotReply = errors.New("not an XML reply")
	// ErrMalformed means XML that breaks off or is not well-formed.
	ErrMalformed = xmlstream.ErrMalformed
	// ErrTooDeep and ErrTooLarge mean that a limit was passed.
	ErrTooDeep  = xmlstream.ErrTooDeep
	ErrTooLarge = xmlstream.ErrTooLarge
	// ErrEntity means a document type declaration, which replies do not have.
	ErrEntity = xmlstream.ErrEntity
	// ErrEncoding means a character encoding that cannot be read.
	ErrEncoding = xmlstream.ErrEncoding
)

// Kind is what a reply is, by its root element.
type Kind uint8

// The kinds of replies. Other is well-formed XML with any other root element.
const (
	Other              Kind = iota
	Receipt                 // ACRF
	Notification            // NOTIFICATION
	IdentityFlux            // IDFLUX
	UpdateNotification      // DmfAUpdateNotification
	PersonIDs               // DmfAPID, the technical keys of a DmfA
	ConsultationAnswer      // DmfAConsultationAnswer, PersonnelFileConsultationAnswer …
)

func (k Kind) String() string {
	switch k {
	case Receipt:
		return "receipt"
	case Notification:
		return "notification"
	case IdentityFlux:
		return "identity flux"
	case UpdateNotification:
		return "DmfA update notification"
	case PersonIDs:
		return "DmfA technical keys"
	case ConsultationAnswer:
		return "consultation answer"
	}
	return "other"
}

// MarshalText gives the String form.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// KindOf tells the kind by the root element. It accepts a version suffix, as declarations have them (WECH001).
func KindOf(root string) Kind {
	name := strings.ToLower(strings.TrimRight(root, "0123456789_"))
	switch name {
	case "acrf":
		return Receipt
	case "notification":
		return Notification
	case "idflux":
		return IdentityFlux
	case "dmfaupdatenotification":
		return UpdateNotification
	case "dmfapid":
		return PersonIDs
	}
	if strings.HasSuffix(name, "consultationanswer") {
		return ConsultationAnswer
	}
	return Other
}

// Outcome is the answer that a form gives.
type Outcome uint8

// The outcomes. They are ordered: of several, the largest is the one to look at
// first.
const (
	// NoOutcome: the form is of a kind that answers nothing.
	NoOutcome Outcome = iota
	// Accepted: result code 1 and nothing else. For a receipt that means only
	// that the file can be processed.
	Accepted
	// AcceptedWithRemarks: result code 1, with anomalies or error ids.
	AcceptedWithRemarks
	// ToValidate: result code 2, a notification that awaits a decision.
	ToValidate
	// UnknownOutcome: no result code where there should be one, or another one.
	UnknownOutcome
	// Refused: result code 0.
	Refused
)

func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case AcceptedWithRemarks:
		return "accepted with remarks"
	case ToValidate:
		return "to validate"
	case UnknownOutcome:
		return "unknown"
	case Refused:
		return "refused"
	}
	return "none"
}

// MarshalText gives the String form.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func outcomeOf(k Kind, code string, remarks bool) Outcome {
	switch integer(code) {
	case "":
		if k != Receipt && k != Notification {
			return NoOutcome
		}
	case "0":
		return Refused
	case "1":
		if remarks {
			return AcceptedWithRemarks
		}
		return Accepted
	case "2":
		if k != Receipt { // which knows 0 and 1 only
			return ToValidate
		}
	}
	return UnknownOutcome
}

// integer gives the usual form of an xs:integer: 1 may be written as +1 or 01.
func integer(s string) string {
	digits := strings.TrimLeft(strings.TrimPrefix(s, "+"), "0")
	if digits == "" && s != "" {
		return "0"
	}
	return digits
}

// Private is text that may identify a person, such as a national number. It
// prints, formats and marshals as a placeholder, so that it reaches no terminal,
// log or JSON by accident; Reveal is the one way to the text and marks the place
// where somebody decided to show it. The zero value is the absent text.
type Private struct {
	// A pointer, because fmt does not call methods of what it finds behind the
	// pointers of a value printed with an unfit verb; there it prints the address.
	text *string
}

// NewPrivate returns s as a Private; the zero value for an empty s.
func NewPrivate(s string) Private {
	if s == "" {
		return Private{}
	}
	return Private{&s}
}

// Reveal returns the text itself.
func (p Private) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

// IsZero tells whether there is no text.
func (p Private) IsZero() bool { return p.text == nil }

func (p Private) String() string {
	if p.text == nil {
		return ""
	}
	return "[withheld]"
}

// Format prints String with every verb, %q, %x and %#v among them.
func (p Private) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText gives the placeholder; JSON uses it, too.
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Origins of a Reference that matter here; the schemas allow 1 to 7.
const (
	OriginSender = "1" // the sender's own number
	OriginNSSO   = "2" // a ticket given by the social security
)

// Reference is one reference number, as written in the reply.
type Reference struct {
	Type   string `json:"type,omitempty"` // one digit
	Origin string `json:"origin,omitempty"`
	Number string `json:"number,omitempty"` // at most 64 characters by the schema
}

// FileReference names the file that the form is about.
type FileReference struct {
	Name   string `json:"name"` // usually of the GO, sometimes of the FI
	Origin string `json:"origin,omitempty"`
	Number string `json:"number,omitempty"` // the ticket, if the origin is 2
}

// FormHead is the head that every form has. Dates are YYYY-MM-DD, hours
// hh:mm:ss.mmm in Brussels; both are kept as written, because they are compared
// with what was sent, and may be empty or malformed.
type FormHead struct {
	Identification    string `json:"identification,omitempty"`
	CreationDate      string `json:"creationDate,omitempty"`
	CreationHour      string `json:"creationHour,omitempty"`
	AttestationStatus string `json:"attestationStatus,omitempty"`
	TypeForm          string `json:"typeForm,omitempty"`
}

// Form is one Form block. It is not used again after it was handed over.
type Form struct {
	Kind  Kind `json:"kind"`  // of the reply
	Index int  `json:"index"` // 1 for the first form
	Line  int  `json:"line"`  // line on which the form starts
	FormHead

	File *FileReference `json:"file,omitempty"`
	// References are those of the form; in a notification, of the declaration.
	References []Reference `json:"references,omitempty"`
	// HandledReferences is the notification's own number for the declaration: by
	// the schema exactly one, with origin 2.
	HandledReferences []Reference `json:"handledReferences,omitempty"`

	Outcome    Outcome `json:"outcome"`
	ResultCode string  `json:"resultCode,omitempty"` // as written
	// ErrorIDs are a receipt's, in order, such as ACRF-102.
	ErrorIDs []string `json:"errorIds,omitempty"`

	// The rest is of notifications; employer, quarter and anomalies also of
	// DmfA update notifications, and the employer of an identity flux.

	Handled   *FormHead   `json:"handledForm,omitempty"` // the head of the declaration
	SenderID  string      `json:"senderId,omitempty"`
	Reception *Reception  `json:"reception,omitempty"`
	Employer  *EmployerID `json:"employer,omitempty"`
	Quarter   string      `json:"quarter,omitempty"` // YYYYQ
	Contact   *Contact    `json:"contact,omitempty"`
	Anomalies []Anomaly   `json:"anomalies,omitempty"`
	// AnomalyCount counts all of them, also those beyond the limits.
	AnomalyCount int           `json:"anomalyCount,omitempty"`
	Diagnoses    []string      `json:"diagnoses,omitempty"`
	Dimona       *DimonaImpact `json:"dimonaImpact,omitempty"`
	Daily        *DailyImpact  `json:"dailyRegistrationImpact,omitempty"`
	Works        []WorksImpact `json:"worksImpact,omitempty"`
	// Capelo and CBSS are what was answered besides, for the pension file and
	// by the Crossroads Bank. They do not decide the Outcome.
	Capelo *CapeloImpact `json:"capeloImpact,omitempty"`
	CBSS   *CBSSResult   `json:"cbss,omitempty"`

	// Truncated is true if lists or values of the form were cut at the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// FileTicket is the ticket that the server gave to the file, or "".
func (f *Form) FileTicket() string {
	if f.File == nil || integer(f.File.Origin) != OriginNSSO && f.File.Origin != "" {
		return ""
	}
	return f.File.Number
}

// Tickets are all numbers of the form given by the social security, the file's
// first, each once.
func (f *Form) Tickets() []string {
	var out []string
	if t := f.FileTicket(); t != "" {
		out = append(out, t)
	}
	return f.numbers(out, OriginNSSO)
}

// OwnReferences are the numbers that the sender gave, each once.
func (f *Form) OwnReferences() []string { return f.numbers(nil, OriginSender) }

func (f *Form) numbers(out []string, origin string) []string {
	for _, list := range [][]Reference{f.HandledReferences, f.References} {
		for _, r := range list {
			if integer(r.Origin) == origin && r.Number != "" && !contains(out, r.Number) {
				out = append(out, r.Number)
			}
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Reception is when and how the declaration came in.
type Reception struct {
	Date    string `json:"date,omitempty"`
	Hour    string `json:"hour,omitempty"`
	Channel string `json:"channel,omitempty"` // 0 to 17
}

// EmployerID identifies the employer. One of the first three is given.
type EmployerID struct {
	NOSS        string `json:"nossRegistrationNbr,omitempty"`
	NOSSLPA     string `json:"nossLpaRegistrationNbr,omitempty"`
	Provisional string `json:"provisionalNssoNbr,omitempty"`
	CompanyID   string `json:"companyId,omitempty"`
}

// Contact is the person to turn to, where the reply names one.
type Contact struct {
	Name      Private `json:"name,omitzero"`
	FirstName Private `json:"firstName,omitzero"`
	Phone     Private `json:"phone,omitzero"`
	GSM       Private `json:"gsm,omitzero"`
	Fax       Private `json:"fax,omitzero"`
	Email     Private `json:"email,omitzero"`
}

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

// Features are those of a Dimona period.
type Features struct {
	JointCommission string `json:"jointCommission,omitempty"`
	WorkerType      string `json:"workerType,omitempty"`
	SubEntity       string `json:"subEntity,omitempty"`
	UserCompanyID   string `json:"userCompanyId,omitempty"` // of the employer where a temporary worker works
}

// ControlCards are the numbers of the C3.2A cards of construction workers.
type ControlCards struct {
	FirstMonth string `json:"firstMonthCard,omitempty"`
	NextMonth  string `json:"nextMonthCard,omitempty"`
}

// DimonaImpact is what a Dimona declaration changed.
type DimonaImpact struct {
	PeriodID string `json:"periodId"` // at most 12 digits; to keep, for later updates
	Locked   string `json:"locked,omitempty"`
	Features
	ControlCards
	Before *Period `json:"before,omitempty"` // nil for a new period
	After  *Period `json:"after,omitempty"`  // nil for a cancelled one
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

// Totals counts forms by outcome.
type Totals struct {
	Accepted            int `json:"accepted"`
	AcceptedWithRemarks int `json:"acceptedWithRemarks"`
	Refused             int `json:"refused"`
	ToValidate          int `json:"toValidate"`
	Unknown             int `json:"unknown"`
	None                int `json:"none"` // forms that answer nothing
}

func (t *Totals) add(o Outcome) {
	switch o {
	case Accepted:
		t.Accepted++
	case AcceptedWithRemarks:
		t.AcceptedWithRemarks++
	case Refused:
		t.Refused++
	case ToValidate:
		t.ToValidate++
	case UnknownOutcome:
		t.Unknown++
	default:
		t.None++
	}
}

// Summary is the whole of a reply.
type Summary struct {
	Kind     Kind               `json:"kind"`
	Root     string             `json:"root"` // local name of the root element, or "…" if it is no plain name
	Encoding xmlstream.Encoding `json:"-"`
	Forms    int                `json:"forms"`
	// OtherBlocks counts the elements below the root that are not Form.
	OtherBlocks int    `json:"otherBlocks,omitempty"`
	Totals      Totals `json:"totals"`
	// First is the head of the first form.
	First FormHead `json:"first"`
	// Outcome is the worst of all forms, see Outcome for the order.
	Outcome Outcome `json:"outcome"`
}
