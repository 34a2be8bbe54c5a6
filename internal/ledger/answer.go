package ledger

import "time"

// Kinds of answers.
const (
	KindReceipt      = "receipt"
	KindNotification = "notification"
)

// Outcomes of an answer.
const (
	OutcomeAccepted   = "accepted"
	OutcomeRemarks    = "accepted-with-remarks"
	OutcomeRefused    = "refused"
	OutcomeToValidate = "to-validate"
	OutcomeUnknown    = "unknown"
)

// How an answer found its set, in the order in which they are tried.
const (
	ByFileName  = "file-name"
	ByTicket    = "ticket"
	ByReference = "own-reference"
	ByMoment    = "form-date-and-hour"
	Ambiguous   = "ambiguous" // several sets fit, so none was chosen
)

// Answer is what one form of a receipt or notification says. The first group
// of fields is found by the ledger.
type Answer struct {
	ID           int64
	SubmissionID int64 // 0: matches nothing of ours
	Part, Form   int   // which form of the set is answered; 0: not known
	MatchedBy    string
	// Elsewhere is the key of the name that the answer is to, where somebody else
	// delivered under it: this ledger does not have the name, or has it for other
	// contents.
	Elsewhere string

	Position   int // of the form in the reply, from 1
	Kind       string
	Outcome    string
	FileName   string    // of the file that is answered, as the reply writes it
	Sender     string    // whose declaration is answered; empty where the reply does not say
	MadeAt     time.Time // when the office made the answer; zero where it does not say
	Tickets    []string  // numbers that the office gave, the file's first
	References []string  // numbers that the sender gave
	Date, Hour string    // of the form that is answered
	Anomalies  []Anomaly
}

// Anomaly is an error id with where it applies. It has no values: those may be
// personal.
type Anomaly struct {
	ErrorID  string `json:"error_id"`
	Class    string `json:"class,omitempty"`
	Tag      string `json:"tag,omitempty"`
	Location string `json:"location,omitempty"`
}

// ReplyAnswer is an answer and the set that it is tied to.
type ReplyAnswer struct {
	Answer
	Set string // name; empty where none matches
}

// StoredAnswer is an answer and the reply that it stands in.
type StoredAnswer struct {
	Answer
	Reply     string // name of the FO or CO
	Path      string // in the archive
	Signature string
}
