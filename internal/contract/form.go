package contract

import (
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
)

// MaxShown is how many forms, and anomalies of a form, are told at once.
const MaxShown = 100

// Form is one form of a reply. What may be a person's is left out.
type Form struct {
	Number         int      `json:"number"` // from 1
	Identification string   `json:"identification,omitempty"`
	Outcome        string   `json:"outcome,omitempty"`
	Set            string   `json:"set,omitempty"` // that it answers
	SetPart        int      `json:"set_part,omitempty"`
	SetForm        int      `json:"set_form,omitempty"`
	MatchedBy      string   `json:"matched_by,omitempty"`
	File           string   `json:"file,omitempty"` // as the reply writes it
	Tickets        []string `json:"tickets,omitempty"`
	References     []string `json:"references,omitempty"` // the sender's own
	Date           string   `json:"date,omitempty"`       // of the reply's form
	Hour           string   `json:"hour,omitempty"`
	DeclaredDate   string   `json:"declared_date,omitempty"` // of the form that is answered
	DeclaredHour   string   `json:"declared_hour,omitempty"`
	ReceivedDate   string   `json:"received_date,omitempty"`
	ReceivedHour   string   `json:"received_hour,omitempty"`
	Quarter        string   `json:"quarter,omitempty"`

	Errors     []Anomaly `json:"errors,omitempty"`
	MoreErrors int       `json:"more_errors,omitempty"`
	Dimona     *Dimona   `json:"dimona,omitempty"`
	Daily      *Daily    `json:"daily_registration,omitempty"`
	Works      []Works   `json:"works,omitempty"`
	Contact    bool      `json:"contact,omitempty"` // somebody to turn to stands in the reply
}

// Anomaly is one thing that the office found in a form.
type Anomaly struct {
	ErrorID    string `json:"error_id"`
	Class      string `json:"class,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Location   string `json:"location,omitempty"`
	Correction string `json:"correction,omitempty"` // RC or UC: the office changed it by itself
}

// Dimona is what became of a period of work.
type Dimona struct {
	PeriodID string  `json:"period_id"`
	Before   *Period `json:"before,omitempty"`
	After    *Period `json:"after,omitempty"`
}

// Daily is what became of a daily registration.
type Daily struct {
	RegistrationID string  `json:"registration_id"`
	PeriodID       string  `json:"period_id,omitempty"`
	Before         *Period `json:"before,omitempty"`
	After          *Period `json:"after,omitempty"`
}

// Works are identifiers that a declaration of works was given.
type Works struct {
	Block      string `json:"block,omitempty"`
	WorksID    string `json:"works_id,omitempty"`
	ContractID string `json:"contract_id,omitempty"`
}

// Period is a stretch of days, and hours where the office gives them.
type Period struct {
	StartDate string `json:"start_date,omitempty"`
	StartHour string `json:"start_hour,omitempty"`
	EndDate   string `json:"end_date,omitempty"`
	EndHour   string `json:"end_hour,omitempty"`
}

// NewForm is one form of a reply, and what it was tied to.
func NewForm(f *reply.Form, tie ledger.ReplyAnswer) Form {
	out := Form{
		Number: f.Index, Identification: f.Identification, Outcome: tie.Outcome, Set: tie.Set, SetPart: tie.Part, SetForm: tie.Form,
		MatchedBy: tie.MatchedBy, Tickets: f.Tickets(), References: f.OwnReferences(), Date: f.CreationDate, Hour: f.CreationHour,
		Quarter: f.Quarter, Contact: f.Contact != nil,
	}
	if out.Outcome == "" {
		if a, ok := answers.AnswerOf(f); ok {
			out.Outcome = a.Outcome
		}
	}
	if f.File != nil {
		out.File = f.File.Name
	}
	if f.Handled != nil {
		out.DeclaredDate, out.DeclaredHour = f.Handled.CreationDate, f.Handled.CreationHour
	}
	if f.Reception != nil {
		out.ReceivedDate, out.ReceivedHour = f.Reception.Date, f.Reception.Hour
	}
	for _, id := range f.ErrorIDs {
		out.Errors = append(out.Errors, Anomaly{ErrorID: id})
	}
	for i := range f.Anomalies {
		x := &f.Anomalies[i]
		e := Anomaly{ErrorID: x.ErrorID, Class: x.Class, Tag: x.TagName, Location: answers.Place(x)}
		if x.Correction != nil {
			e.Correction = x.Correction.Type
		}
		out.Errors = append(out.Errors, e)
	}
	if len(out.Errors) > MaxShown {
		out.Errors = out.Errors[:MaxShown]
	}
	out.MoreErrors = max(f.AnomalyCount, len(f.ErrorIDs), len(out.Errors)) - len(out.Errors)
	if d := f.Dimona; d != nil {
		out.Dimona = &Dimona{d.PeriodID, newPeriod(d.Before), newPeriod(d.After)}
	}
	if d := f.Daily; d != nil {
		out.Daily = &Daily{d.RegistrationID, d.PeriodID, newPeriod(d.Before), newPeriod(d.After)}
	}
	for _, w := range f.Works {
		out.Works = append(out.Works, Works{w.Block, w.WorksID, w.ContractID})
	}
	return out
}

func newPeriod(p *reply.Period) *Period {
	if p == nil {
		return nil
	}
	return &Period{p.StartDate, p.StartHour, p.EndDate, p.EndHour}
}
