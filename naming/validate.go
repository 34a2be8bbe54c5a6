package naming

import (
	"slices"
	"strings"
)

// Context is what a name is checked against. The zero value checks the name
// by itself.
type Context struct {
	Account  string // sender number of the account that sends; empty: any
	Today    Date   // the day in Brussels; empty: dates are not compared with it
	MaxAge   int    // days that a date may lie back; 0: no limit (the server's is not published)
	MaxParts int    // largest number of parts; 0: 9 (the server's is not published)
	Folder   string // folder in which the file lies, such as INTEST; empty: any

	// Nearest finds the known application that an unknown code may have meant.
	// nil: nothing is said of that.
	Nearest func(code string) (Application, bool)
}

// Fault is one thing that is wrong with a name.
type Fault struct {
	ID      string // what the server would answer, such as ACRF-112; empty where it has no answer
	Warning bool   // the server may well accept it
	Text    string // one sentence that says what to change

	said *problem
}

func newFault(id string, warning bool, text *problem) Fault {
	return Fault{ID: id, Warning: warning, Text: text.Error(), said: text}
}

func (f Fault) String() string { return f.Text }

// Said gives the format of Text and what is filled in, for those who say it in
// another language. Arguments may have a method Said themselves.
func (f Fault) Said() (format string, args []any) {
	if f.said == nil {
		return "%s", []any{f.Text}
	}
	return f.said.Said()
}

// Validate finds every fault of a name that is to be sent (FI, FS, GO or TD),
// in the order of its fields. A name without faults that are not warnings is
// one that the server takes.
func Validate(text string, c Context) []Fault {
	var faults []Fault
	add := func(id, format string, args ...any) {
		faults = append(faults, newFault(id, false, problemf(format, args...)))
	}
	warn := func(id, format string, args ...any) {
		faults = append(faults, newFault(id, true, problemf(format, args...)))
	}
	f := strings.Split(text, ".")
	kind := Kind(f[0])
	structure := kind.structureFault()
	switch {
	case !kind.Valid():
		add(structure, "start the name with FI, FS, GO or TD, in capitals, and a dot")
	case kind == FO || kind == CO:
		add(structure, "names that start with %s are replies of the office: a declaration starts with FI", kind)
	case !slices.Contains(kind.sentFieldCounts(), len(f)):
		add(structure, "give the name %s fields separated by dots: it has %d", countsText(kind.sentFieldCounts()), len(f))
	case len(f) == 6:
		warn(structure, "add the number of parts: the form of six fields is an old one of the ASR applications")
	}
	field := func(i int) (string, bool) {
		if i < len(f) {
			return f[i], true
		}
		return "", false
	}
	if v, ok := field(1); ok {
		faults = append(faults, applicationFaults(v, c.Nearest)...)
	}
	if v, ok := field(2); ok {
		switch {
		case !digits(v, 6):
			add(structure, "write the sender number with six digits, zeros on the left: %q has not that form", v)
		case CheckSender(v) != nil:
			add("ACRF-108", "use your own sender number: %s", CheckSender(v))
		case c.Account != "" && v != c.Account:
			add("ACRF-108", "use the sender number of the account, %s: the name has %s", c.Account, v)
		}
	}
	if v, ok := field(3); ok {
		d, err := ParseDate(v)
		switch {
		case len(v) != 8:
			add("ACRF-109", "write the date as eight digits YYYYMMDD: %q has not 8 positions", v)
		case err != nil:
			add("ACRF-110", "use a day that exists, as eight digits YYYYMMDD: %q is none", v)
		case c.Today != "" && d > c.Today:
			add("ACRF-111", "use today's date or an earlier one: %s is later than today, %s", v, c.Today)
		case c.Today != "" && c.MaxAge > 0 && d < c.Today.AddDays(-c.MaxAge):
			add("ACRF-126", "use a more recent date: %s is more than %d days ago", v, c.MaxAge)
		}
	}
	if v, ok := field(4); ok {
		if len(v) != 5 {
			add("ACRF-112", "make the sequence 5 positions long: %q has %d", v, len(v))
		}
		if !sequenceCharacters(v) {
			add("ACRF-367", "use only 0-9 and A-Z in the sequence: %q has another character", v)
		}
		if v != "" && strings.Trim(v, "0") == "" {
			add("ACRF-127", "start numbering at 00001: sequence %s is zero", v)
		}
	}
	env := Environment("")
	if v, ok := field(5); ok {
		env = Environment(v)
		switch {
		case !env.Valid():
			add("ACRF-117", "use R (production), T (test) or S (DmfA declaration test) as the environment: %q is none of them", v)
		case c.Folder != "" && c.Folder != env.Inbox():
			add(env.folderFault(), "send files of environment %s to folder %s: %s is another one", env, env.Inbox(), c.Folder)
		}
	}
	parts := 0
	if v, ok := field(6); ok {
		maxParts := c.MaxParts
		if maxParts == 0 {
			maxParts = MaxParts
		}
		parts = partDigit(v)
		switch {
		case len(v) != 1:
			add("ACRF-114", "write the number of parts as one digit: %q has %d positions", v, len(v))
		case v[0] < '0' || v[0] > '9':
			add("ACRF-115", "write the number of parts as a digit: %q is none", v)
		case v == "0":
			add("ACRF-116", "give the set at least one part: the name says 0")
		case parts > maxParts:
			add("ACRF-128", "give the set at most %d parts: the name says %d", maxParts, parts)
		}
	}
	if v, ok := field(7); ok && kind != GO && kind != TD {
		id := "ACRF-123"
		if kind == FS {
			id = "ACRF-124"
		}
		if p := partDigit(v); p == 0 || (parts > 0 && p > parts) {
			add(id, "number the parts from 1 to %d: %q is not one of them", max(parts, 1), v)
		}
	}
	if a, ok := LookupApplication(fieldOr(f, 1)); ok && env.Valid() && !slices.Contains(a.Environments, env) {
		warn("", "check the environment: %s is not known to exist in %s", a.Code, env)
	}
	return faults
}

func applicationFaults(code string, nearest func(string) (Application, bool)) []Fault {
	const id = "ACRF-129"
	if a, ok := LookupApplication(code); ok {
		if a.Direction == Received {
			return []Fault{newFault(id, true, problemf("check the application: %s (%s) is only known as something that you receive", a.Code, word(a.Meaning)))}
		}
		return nil
	}
	misshapen := !applicationForm(code)
	if nearest == nil {
		if misshapen {
			return []Fault{newFault(id, false, problemf("write the application as four capital letters: %q has not that form", code))}
		}
		return []Fault{newFault(id, true, problemf("check the application: %s is not a known one", code))}
	}
	hint := problemf("no known one is close to it")
	if a, ok := nearest(code); ok {
		hint = problemf("did you mean %s (%s)?", a.Code, word(a.Meaning))
	}
	if misshapen {
		return []Fault{newFault(id, false, problemf("write the application as four capital letters: %q has not that form; %s", code, hint))}
	}
	return []Fault{newFault(id, true, problemf("check the application: %s is not a known one; %s", code, hint))}
}

func fieldOr(f []string, i int) string {
	if i < len(f) {
		return f[i]
	}
	return ""
}
