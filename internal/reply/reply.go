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
