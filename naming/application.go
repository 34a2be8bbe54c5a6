package naming

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hbollon/go-edlib"
)

// Direction says who sends the files of an application.
type Direction string

// Directions of an application, seen from the sender of declarations.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Application describes one value of the second field of a name.
type Application struct {
	Code      string // four capitals
	Meaning   string
	Direction Direction
	// Roots are the root elements of its files; empty where none is known.
	Roots []string
	// Environments in which it exists.
	Environments []Environment
}

var (
	everywhere = []Environment{Production, Test, DeclarationTest}
	notS       = []Environment{Production, Test}
)

// applications is the table of known codes. The list of the office grows, so
// a code that is missing here is unusual, not wrong.
var applications = []Application{
	{"DIMN", "Dimona: start and end of an employment", Sent, []string{"Dimona"}, notS},
	{"DMFA", "DmfA: quarterly declaration, original", Sent, []string{"DmfAOriginal"}, everywhere},
	{"DMWA", "DmfA: modification of an earlier declaration", Sent, []string{"DmfAUpdate"}, everywhere},
	{"DMRQ", "DmfA: consultation request", Sent, []string{"DmfAConsultationRequest"}, everywhere},
	{"WECH", "ASR: social risks, unemployment", Sent, numbered("WECH", 11), notS},
	{"AOAT", "ASR: social risks, accident at work", Sent, numbered("AOAT", 3), notS},
	{"ZIMA", "ASR: social risks, health care allowances", Sent, numbered("ZIMA", 6), notS},
	{"TWCT", "temporary unemployment", Sent, []string{"TWCT001"}, notS},
	{"VBLV", "validation book of temporary unemployment", Sent, []string{"VBLV001"}, notS},
	{"DUCN", "unique declaration of a building site", Sent, []string{"AVWDDT"}, notS},
	{"DDTN", "unique declaration of works", Sent, []string{"AVWDDT"}, notS},
	{"PFRQ", "personnel file: consultation request", Sent, []string{"PersonnelFileConsultationRequest"}, notS},
	{"PUBL", "Publiato: documents to the office", Sent, nil, notS},
	{"ECRQ", "consultation request", Sent, nil, notS},
	{"ECOR", "consultation request", Sent, nil, notS},
	{"RECO", "consultation request", Sent, nil, notS},
	{"CDHG", "declaration", Sent, nil, notS},
	{"LOIC", "declaration", Sent, nil, notS},
	{"ATDO", "declaration", Sent, nil, notS},
	{"FLEX", "declaration", Sent, nil, notS},

	{"ACRF", "receipt", Received, []string{"ACRF"}, everywhere},
	{"NOTI", "notification", Received, []string{"NOTIFICATION"}, everywhere},
	{"DMNO", "DmfA: notice of a modification", Received, []string{"DmfAUpdateNotification"}, everywhere},
	{"DMPI", "DmfA: technical keys", Received, []string{"DmfAPID"}, everywhere},
	{"DMDB", "DmfA: answer to a consultation", Received, []string{"DmfAConsultationAnswer"}, everywhere},
	{"IDFL", "change of a worker's identity", Received, []string{"IDFLUX"}, everywhere},
	{"PFAN", "personnel file: answer to a consultation", Received, nil, everywhere},
	{"ECAN", "answer to a consultation", Received, nil, everywhere},
	{"ECOA", "answer to a consultation", Received, nil, everywhere},
	{"REAN", "answer to a consultation", Received, nil, everywhere},
	{"BEWA", "message from the office", Received, nil, everywhere},
	{"BEWL", "message from the office", Received, nil, everywhere},
	{"DEFI", "message from the office", Received, nil, everywhere},
	{"FINO", "message from the office", Received, nil, everywhere},
	{"FISI", "message from the office", Received, nil, everywhere},
	{"LIRE", "message from the office", Received, nil, everywhere},
	{"PROA", "message from the office", Received, nil, everywhere},
	{"SIGN", "message from the office", Received, nil, everywhere},
}

func numbered(prefix string, n int) []string {
	roots := make([]string, n)
	for i := range roots {
		d := strconv.Itoa(i + 1)
		roots[i] = prefix + strings.Repeat("0", 3-len(d)) + d
	}
	return roots
}

// Applications returns the table of known applications, those that are sent
// first.
func Applications() []Application { return slices.Clone(applications) }

// LookupApplication finds a known application by its code.
func LookupApplication(code string) (Application, bool) {
	for _, a := range applications {
		if a.Code == code {
			return a, true
		}
	}
	return Application{}, false
}

// ApplicationsForRoot finds the applications whose files have this root
// element. More than one is possible: AVWDDT belongs to DUCN and DDTN.
func ApplicationsForRoot(root string) []Application {
	var found []Application
	for _, a := range applications {
		if slices.Contains(a.Roots, root) {
			found = append(found, a)
		}
	}
	return found
}

// NearestApplication suggests the known code that is closest to a mistyped
// one; it reports false when none is close.
func NearestApplication(code string) (Application, bool) {
	best, bestDistance := Application{}, 3
	if len(code) > 12 {
		return best, false
	}
	upper := strings.ToUpper(code)
	for _, a := range applications {
		if d := edlib.OSADamerauLevenshteinDistance(upper, a.Code); d < bestDistance {
			best, bestDistance = a, d
		}
	}
	return best, bestDistance < 3
}

func applicationForm(code string) bool {
	if len(code) != 4 {
		return false
	}
	for i := range 4 {
		if code[i] < 'A' || code[i] > 'Z' {
			return false
		}
	}
	return true
}
