package reply

import "strings"

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
