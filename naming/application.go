package naming

import (
	"slices"
	"strconv"
	"strings"
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
	// Several applications may have the same.
	Roots []string
	// Identifications are the values of Identification in its forms; empty where
	// none is known. No two applications have the same.
	Identifications []string
	// Environments in which it exists.
	Environments []Environment
}

var (
	everywhere = []Environment{Production, Test, DeclarationTest}
	notS       = []Environment{Production, Test}
)

// generic is the root element of messages of many kinds, sent and received: a
// head in each Form, and in it a document of any kind. Identification says which.
const generic = "GenericXmlDocument"

// applications is the table of known codes. The list of the office grows, so
// a code that is missing here is unusual, not wrong.
//
// Where it comes from: the codes, and the roots of DIMN to PFRQ and of ACRF to
// DMDB, from the manual [fact]; that ECRQ, ECOR, RECO, ATDO and FLEX have the
// generic root, and ATDO001, from senders [fact]. The values of Identification
// and their meaning are those of the office's list FormIdentifications_2020-1_11
// [fact], but for ATDO001 and FLXWAGE. To which application a value belongs the
// list does not say: it follows from the code in it (WECH001), from the same
// meaning, or from the name (REDCORQ is asked, REDCOAN answered) [inferred]. Of
// the other roots each was seen in a program that writes or reads such files:
// FLXWAGE, BewareNotification, BewareControlList, PersonnelFileConsultationAnswer,
// the two other answers, and the generic one for ECAN and FISI [seen].
var applications = []Application{
	{"DIMN", "Dimona: start and end of an employment", Sent, []string{"Dimona"}, []string{"DIMONA"}, notS},
	{"DMFA", "DmfA: quarterly declaration, original", Sent, []string{"DmfAOriginal"}, []string{"DMFA", "DMFAPPL"}, everywhere},
	{"DMWA", "DmfA: modification of an earlier declaration", Sent, []string{"DmfAUpdate"}, []string{"DMFAUPD", "PPLUPD"}, everywhere},
	{"DMRQ", "DmfA: consultation request", Sent, []string{"DmfAConsultationRequest"}, []string{"DMFAREQ"}, everywhere},
	{"WECH", "ASR: social risks, unemployment", Sent, numbered("WECH", 11), numbered("WECH", 11), notS},
	{"AOAT", "ASR: social risks, accident at work", Sent, numbered("AOAT", 3), numbered("AOAT", 3), notS},
	{"ZIMA", "ASR: social risks, health care allowances", Sent, numbered("ZIMA", 6), numbered("ZIMA", 6), notS},
	{"TWCT", "temporary unemployment", Sent, []string{"TWCT001"}, []string{"TWCT001"}, notS},
	{"VBLV", "validation book of temporary unemployment", Sent, []string{"VBLV001"}, []string{"VBLV001"}, notS},
	{"DUCN", "unique declaration of a building site", Sent, []string{"AVWDDT"}, []string{"UWDUC", "UWDUCUP"}, notS},
	{"DDTN", "unique declaration of works", Sent, []string{"AVWDDT"}, []string{"AVWDDT", "AVDDTUP"}, notS},
	{"PFRQ", "personnel file: consultation request", Sent, []string{"PersonnelFileConsultationRequest"}, []string{"PFREQ"}, notS},
	{"PUBL", "Publiato: documents to the office", Sent, nil, nil, notS},
	{"ECRQ", "ECARO data: consultation request", Sent, []string{generic}, []string{"ECARORQ"}, notS},
	{"ECOR", "days of economic unemployment: consultation request", Sent, []string{generic}, []string{"ECOUDRQ"}, notS},
	{"RECO", "deductions of a DmfA: consultation request", Sent, []string{generic}, []string{"REDCORQ"}, notS},
	{"CDHG", "career history: attestation", Sent, nil, []string{"CDHG001"}, notS},
	{"LOIC", "career break or time credit: request", Sent, nil, []string{"LOIC001"}, notS},
	{"ATDO", "declaration", Sent, []string{generic}, []string{"ATDO001"}, notS},
	{"FLEX", "flexi-jobs: declaration of wages", Sent, []string{generic, "FLXWAGE"}, []string{"FLXWAGE"}, notS},

	{"ACRF", "receipt", Received, []string{"ACRF"}, []string{"ACRF001"}, everywhere},
	{"NOTI", "notification", Received, []string{"NOTIFICATION"}, []string{"NOTI001"}, everywhere},
	{"DMNO", "DmfA: notice of a modification", Received, []string{"DmfAUpdateNotification"}, []string{"DMFANOT"}, everywhere},
	{"DMPI", "DmfA: technical keys", Received, []string{"DmfAPID"}, []string{"DMFAPID"}, everywhere},
	{"DMDB", "DmfA: answer to a consultation", Received, []string{"DmfAConsultationAnswer"}, []string{"DMFADB"}, everywhere},
	{"IDFL", "change of a worker's identity", Received, []string{"IDFLUX"}, []string{"IDFLUX"}, everywhere},
	{"PFAN", "personnel file: answer to a consultation", Received, []string{"PersonnelFileConsultationAnswer"}, []string{"PFANS"}, everywhere},
	{"ECAN", "ECARO data: answer to a consultation", Received, []string{generic}, []string{"ECAROAN"}, everywhere},
	{"ECOA", "days of economic unemployment: answer to a consultation", Received, []string{generic, "EcoUnemploymentDaysConsultAnswer"}, []string{"ECOUDAN"}, everywhere},
	{"REAN", "deductions of a DmfA: answer to a consultation", Received, []string{generic, "ReductionConsultationAnswer"}, []string{"REDCOAN"}, everywhere},
	{"BEWA", "message from the office", Received, []string{"BewareNotification"}, []string{"BEWARE"}, everywhere},
	{"BEWL", "message from the office", Received, []string{"BewareControlList"}, []string{"BEWLST"}, everywhere},
	{"DEFI", "message from the office", Received, nil, []string{"DEFI001"}, everywhere},
	{"FINO", "message from the office", Received, nil, []string{"FINO001", "FINO002", "FINO003", "FINO004", "FINO014"}, everywhere},
	{"FISI", "message from the office", Received, []string{generic}, []string{"FISI001", "FISI002", "FISI003"}, everywhere},
	{"LIRE", "message from the office", Received, nil, nil, everywhere},
	{"PROA", "message from the office", Received, nil, []string{"PROA001"}, everywhere},
	{"SIGN", "message from the office", Received, nil, nil, everywhere},
}

// answers are values of Identification of what the office sends whose
// application is not known: a calculation for a local authority, and the papers
// of the overseas social security [fact], which go from the office [inferred].
// Left out of the list, since nothing tells who sends them: AADD501, BZMP001
// (until 2011) and RORE001.
var answers = []string{"PPLCAL", "OSSA001", "OSSA002"}

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
// element. More than one is possible: AVWDDT belongs to DUCN and DDTN. See
// [ApplicationsFor] for what chooses among them.
func ApplicationsForRoot(root string) []Application {
	var found []Application
	for _, a := range applications {
		if slices.Contains(a.Roots, root) {
			found = append(found, a)
		}
	}
	return found
}

// ApplicationsFor finds the applications whose files have this root element
// and these values of Identification in their forms. A root element of a single
// application decides. Else each value that is known says of which application
// it is: values of several give several, and where none is known, or none
// of an application that may have the root element, all stay that have it.
func ApplicationsFor(root string, identifications []string) []Application {
	byRoot := ApplicationsForRoot(root)
	if len(byRoot) == 1 {
		return byRoot
	}
	var named []Application
	for _, a := range applications {
		if (slices.Contains(a.Roots, root) || len(a.Roots) == 0 && (root == generic || len(byRoot) == 0)) &&
			slices.ContainsFunc(identifications, func(v string) bool { return a.owns(v) }) {
			named = append(named, a)
		}
	}
	if len(named) == 0 {
		return byRoot
	}
	return named
}

// owns reports whether a value of Identification is one of the application:
// it is listed, or the code with three digits, as most of the list are.
func (a Application) owns(identification string) bool {
	number, ok := strings.CutPrefix(identification, a.Code)
	return slices.Contains(a.Identifications, identification) || ok && digits(number, 3)
}

// LookupIdentification says of which application a value of Identification is,
// and in which direction its files go. The code is empty where only the
// direction is known.
func LookupIdentification(identification string) (code string, d Direction, ok bool) {
	for _, a := range applications {
		if a.owns(identification) {
			return a.Code, a.Direction, true
		}
	}
	if slices.Contains(answers, identification) {
		return "", Received, true
	}
	return "", "", false
}

// HasRoot reports whether files of the application can have this root element.
// Where none is known, any can.
func (a Application) HasRoot(root string) bool {
	return len(a.Roots) == 0 || slices.Contains(a.Roots, root)
}

// Foreign finds the first of some values of Identification that is known not to
// be of the application; -1 where there is none.
func (a Application) Foreign(identifications []string) int {
	return slices.IndexFunc(identifications, func(v string) bool {
		_, _, known := LookupIdentification(v)
		return known && !a.owns(v)
	})
}

// RootDecides reports whether a root element is that of a single known
// application, so that Identification is not needed to tell it.
func RootDecides(root string) bool { return len(ApplicationsForRoot(root)) == 1 }

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
