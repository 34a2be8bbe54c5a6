package reply

import "strings"

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
