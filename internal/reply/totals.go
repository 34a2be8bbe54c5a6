package reply

import "github.com/socbatch/socbatch/internal/xmlstream"

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
