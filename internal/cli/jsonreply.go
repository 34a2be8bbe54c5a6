package cli

import (
	"time"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
)

// jsonStoredReply is a reply of the archive.
type jsonStoredReply struct {
	Name        string         `json:"name"`
	Environment string         `json:"environment"`
	Application string         `json:"application"`
	Kind        string         `json:"kind"`
	Path        string         `json:"path"` // relative to the archive
	Size        int64          `json:"size"`
	SHA256      string         `json:"sha256"`
	Signature   string         `json:"signature"`
	Conflict    bool           `json:"conflict,omitempty"`
	FetchedAt   time.Time      `json:"fetched_at"`
	DeletedAt   *time.Time     `json:"deleted_at,omitempty"` // from the server
	ReadAt      *time.Time     `json:"read_at,omitempty"`
	SealedAt    *time.Time     `json:"sealed_at,omitempty"` // since when it lies encrypted
	PrunedAt    *time.Time     `json:"pruned_at,omitempty"` // when it was removed from the archive
	Count       int            `json:"forms"`
	Outcomes    map[string]int `json:"outcomes"`
	Answers     []string       `json:"answers"` // names of the sets that it answers
	MoreAnswers int            `json:"more_answers,omitempty"`
	Unmatched   int            `json:"unmatched,omitempty"`
	Ambiguous   int            `json:"ambiguous,omitempty"`
	Problem     string         `json:"problem,omitempty"`
}

func storedReplyJSON(r ledger.ListedReply) *jsonStoredReply {
	return &jsonStoredReply{
		Name: r.Name, Environment: string(r.Environment), Application: r.Application, Kind: reply.KindOf(r.Root).String(),
		Path: r.Path, Size: r.Size, SHA256: r.SHA256, Signature: r.Signature, Conflict: r.Conflict, FetchedAt: r.FetchedAt,
		DeletedAt: timeOrNil(r.DeletedAt), ReadAt: timeOrNil(r.ReadAt), SealedAt: timeOrNil(r.SealedAt), PrunedAt: timeOrNil(r.PrunedAt), Count: r.Forms, Outcomes: r.Outcomes,
		Answers: append([]string{}, r.Sets...), MoreAnswers: r.MoreSets, Unmatched: r.Unmatched, Ambiguous: r.Ambiguous, Problem: r.Problem,
	}
}

// jsonShownReply is a reply with its forms, at most maxShown of them.
type jsonShownReply struct {
	*jsonStoredReply
	Forms []jsonForm `json:"form_list"`
}

// jsonForm is one form of a reply. What may be a person's is left out.
type jsonForm struct {
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

	Errors     []jsonAnomaly `json:"errors,omitempty"`
	MoreErrors int           `json:"more_errors,omitempty"`
	Dimona     *jsonDimona   `json:"dimona,omitempty"`
	Daily      *jsonDaily    `json:"daily_registration,omitempty"`
	Works      []jsonWorks   `json:"works,omitempty"`
	Contact    bool          `json:"contact,omitempty"` // somebody to turn to stands in the reply
}

type jsonAnomaly struct {
	ErrorID    string `json:"error_id"`
	Class      string `json:"class,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Location   string `json:"location,omitempty"`
	Correction string `json:"correction,omitempty"` // RC or UC: the office changed it by itself
}

type jsonDimona struct {
	PeriodID string      `json:"period_id"`
	Before   *jsonPeriod `json:"before,omitempty"`
	After    *jsonPeriod `json:"after,omitempty"`
}

type jsonDaily struct {
	RegistrationID string      `json:"registration_id"`
	PeriodID       string      `json:"period_id,omitempty"`
	Before         *jsonPeriod `json:"before,omitempty"`
	After          *jsonPeriod `json:"after,omitempty"`
}

type jsonWorks struct {
	Block      string `json:"block,omitempty"`
	WorksID    string `json:"works_id,omitempty"`
	ContractID string `json:"contract_id,omitempty"`
}

type jsonPeriod struct {
	StartDate string `json:"start_date,omitempty"`
	StartHour string `json:"start_hour,omitempty"`
	EndDate   string `json:"end_date,omitempty"`
	EndHour   string `json:"end_hour,omitempty"`
}

func formJSON(f *reply.Form, tie ledger.ReplyAnswer) jsonForm {
	out := jsonForm{
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
		out.Errors = append(out.Errors, jsonAnomaly{ErrorID: id})
	}
	for i := range f.Anomalies {
		x := &f.Anomalies[i]
		e := jsonAnomaly{ErrorID: x.ErrorID, Class: x.Class, Tag: x.TagName, Location: answers.Place(x)}
		if x.Correction != nil {
			e.Correction = x.Correction.Type
		}
		out.Errors = append(out.Errors, e)
	}
	if len(out.Errors) > maxShown {
		out.Errors = out.Errors[:maxShown]
	}
	out.MoreErrors = max(f.AnomalyCount, len(f.ErrorIDs), len(out.Errors)) - len(out.Errors)
	if d := f.Dimona; d != nil {
		out.Dimona = &jsonDimona{d.PeriodID, periodJSON(d.Before), periodJSON(d.After)}
	}
	if d := f.Daily; d != nil {
		out.Daily = &jsonDaily{d.RegistrationID, d.PeriodID, periodJSON(d.Before), periodJSON(d.After)}
	}
	for _, w := range f.Works {
		out.Works = append(out.Works, jsonWorks{w.Block, w.WorksID, w.ContractID})
	}
	return out
}

func periodJSON(p *reply.Period) *jsonPeriod {
	if p == nil {
		return nil
	}
	return &jsonPeriod{p.StartDate, p.StartHour, p.EndDate, p.EndHour}
}
