package naming

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Name is the name of one file on the channel, taken apart.
type Name struct {
	Kind        Kind
	Application string
	Sender      string // six digits; 999999 is the office itself
	Date        Date
	Sequence    Sequence
	Environment Environment
	Parts       int // number of parts of the set, 1-9; 0 in the six-field form
	Part        int // which part this file is, 1-Parts; 0 in the six- and seven-field forms
}

// UnknownError says why a text is not a name of the channel. It is a finding
// about one file, never a reason to stop a run.
type UnknownError struct {
	Text   string
	Reason error
}

func (e *UnknownError) Error() string {
	format, args := e.Said()
	return fmt.Sprintf(format, args...)
}

// Said gives the English format and its arguments, for other languages.
func (e *UnknownError) Said() (format string, args []any) {
	return "%q is not a name of the channel: %s", []any{e.Text, e.Reason}
}

func (e *UnknownError) Unwrap() error { return e.Reason }

// maxNameLength bounds what is looked at: the longest form has 36 characters.
const maxNameLength = 64

// Parse takes a name apart. It accepts every form in use: eight and seven
// fields, and the six fields of most replies and of the old ASR names. Any
// other text gives an [*UnknownError] with the reason. For a name that was
// parsed, [Name.String] gives the same text again.
func Parse(text string) (Name, error) {
	unknown := func(format string, args ...any) (Name, error) {
		shown := text
		if len(shown) > maxNameLength {
			shown = shown[:maxNameLength]
		}
		return Name{}, &UnknownError{shown, problemf(format, args...)}
	}
	if len(text) > maxNameLength {
		return unknown("it is %d characters long", len(text))
	}
	f := strings.Split(text, ".")
	n := Name{Kind: Kind(f[0])}
	if !n.Kind.Valid() {
		return unknown("it does not start with FI, FS, GO, TD, FO or CO and a dot")
	}
	if !slices.Contains(n.Kind.fieldCounts(), len(f)) {
		return unknown("it has %d fields, a name of kind %s has %s", len(f), n.Kind, countsText(n.Kind.fieldCounts()))
	}
	if !applicationForm(f[1]) {
		return unknown("application %q is not four capital letters", f[1])
	}
	n.Application = f[1]
	if !digits(f[2], 6) {
		return unknown("sender %q is not six digits", f[2])
	}
	n.Sender = f[2]
	var err error
	if n.Date, err = ParseDate(f[3]); err != nil {
		return unknown("%v", err)
	}
	if len(f[4]) != 5 || !sequenceCharacters(f[4]) {
		return unknown("sequence %q is not five characters of 0-9 and A-Z", f[4])
	}
	n.Sequence = Sequence(f[4])
	n.Environment = Environment(f[5])
	if !n.Environment.Valid() {
		return unknown("environment %q is not R, T or S", f[5])
	}
	if len(f) > 6 {
		if n.Parts = partDigit(f[6]); n.Parts == 0 {
			return unknown("number of parts %q is not one digit from 1 to 9", f[6])
		}
	}
	if len(f) > 7 {
		if n.Part = partDigit(f[7]); n.Part == 0 || n.Part > n.Parts {
			return unknown("part %q is not a number from 1 to %d", f[7], n.Parts)
		}
	}
	return n, nil
}

// String builds the text of the name, with as many fields as are set.
func (n Name) String() string {
	var b strings.Builder
	b.Grow(40)
	for i, s := range []string{
		string(n.Kind), n.Application, n.Sender, string(n.Date), string(n.Sequence), string(n.Environment),
	} {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s)
	}
	if n.Parts > 0 {
		b.WriteByte('.')
		b.WriteString(strconv.Itoa(n.Parts))
		if n.Part > 0 {
			b.WriteByte('.')
			b.WriteString(strconv.Itoa(n.Part))
		}
	}
	return b.String()
}

// SetKey identifies the set that the file belongs to: the name without its
// kind and its part fields. Files of one set have equal keys whatever their
// form; two sets never do.
func (n Name) SetKey() string {
	return strings.Join([]string{n.Application, n.Sender, string(n.Date), string(n.Sequence), string(n.Environment)}, ".")
}

// Set gives the set that the file belongs to. In the six-field form the
// number of parts is not known and counts as one.
func (n Name) Set() Set {
	return Set{
		Application: n.Application, Sender: n.Sender, Date: n.Date,
		Sequence: n.Sequence, Environment: n.Environment, Parts: max(n.Parts, 1),
	}
}

// WithKind gives the name of the same tail with another kind: the FS of an FO,
// for example.
func (n Name) WithKind(k Kind) Name {
	n.Kind = k
	return n
}

// ReplyName reports whether a file is named as the office names what it sends,
// and gives the application: FO and CO, and an FS or GO of the office beside
// them. Small letters, other fields and what follows the date do not matter: a
// copy has "….T.xml" or "….T (1)", an answer to PUBL an application at its end.
func ReplyName(name string) (application string, ok bool) {
	f := strings.SplitN(strings.ToUpper(name), ".", 5)
	if len(f) < 5 || !applicationForm(f[1]) || !digits(f[2], 6) || !digits(f[3], 8) {
		return "", false
	}
	switch Kind(f[0]) {
	case FO, CO:
	case FS, GO:
		if f[2] != OfficeSender {
			return "", false
		}
	default:
		return "", false
	}
	return f[1], true
}

func partDigit(s string) int {
	if len(s) == 1 && s[0] >= '1' && s[0] <= '9' {
		return int(s[0] - '0')
	}
	return 0
}

func countsText(counts []int) *problem {
	switch len(counts) {
	case 2:
		return problemf("%d or %d", counts[0], counts[1])
	default:
		return problemf("%d, %d or %d", counts[0], counts[1], counts[2])
	}
}
