package inbox

import (
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// FaultsError lists what the server would refuse.
type FaultsError struct {
	Path   string
	Faults []declaration.Fault
}

func (e *FaultsError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *FaultsError) Said() (format string, args []any) { return e.problem().Said() }

func (e *FaultsError) problem() *problem.Error {
	var all []any
	for _, f := range e.Faults {
		one := problem.New("%s", f)
		if f.ID != "" {
			one = problem.New("%s: %s", f.ID, f)
		}
		all = append(all, one)
	}
	return problem.New(strings.TrimSuffix(strings.Repeat("%s; ", len(all)), "; "), all...)
}

// ApplicationError says that the application of a file is not known.
type ApplicationError struct {
	Path       string
	Root       string
	Candidates []string // several fit; empty: none is known
	// Identifications are the values in the forms, which choose none of the
	// candidates.
	Identifications []string
}

func (e *ApplicationError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *ApplicationError) Said() (format string, args []any) { return e.problem().Said() }

func (e *ApplicationError) problem() *problem.Error {
	last := len(e.Candidates) - 1
	if last < 1 {
		return problem.New("no application is known for the root element %s", e.Root)
	}
	fitting := problem.New("%s and %s", strings.Join(e.Candidates[:last], ", "), e.Candidates[last])
	if len(e.Identifications) > 0 {
		return problem.New("root element %s fits the applications %s, and Identification %s does not say which", e.Root, fitting, strings.Join(e.Identifications, ", "))
	}
	return problem.New("root element %s fits the applications %s", e.Root, fitting)
}

// ApplicationOf decides the application of a declaration by its first part's
// root element, and where that fits several by Identification in the forms: of
// the first part that has the root element and says it. It fails with
// *ApplicationError.
func ApplicationOf(parts ...Frozen) (string, error) {
	e := &ApplicationError{Path: parts[0].Source, Root: parts[0].Root}
	for _, p := range parts {
		if p.Root != e.Root {
			continue
		}
		fitting := sent(naming.ApplicationsFor(p.Root, p.Info.Codes()))
		if len(fitting) == 1 {
			return fitting[0], nil
		}
		if e.Candidates == nil {
			e.Candidates = fitting
		}
		e.Identifications = append(e.Identifications, p.Info.Codes()...)
	}
	if !slices.Equal(e.Candidates, sent(naming.ApplicationsForRoot(e.Root))) {
		e.Identifications = nil // they chose, if more than one
	}
	slices.Sort(e.Identifications)
	e.Identifications = slices.Compact(e.Identifications)
	return "", e
}

// check gives what a person should know of a part, and fails on what the
// server would refuse.
func (s *Submitter) check(application string, p *Frozen) (warnings []error, err error) {
	var serious []declaration.Fault
	for _, f := range p.Faults(application, s.Environment) {
		if f.Warning || s.SkipChecks {
			warnings = append(warnings, problem.New("%s: %s", p.Source, f))
		} else {
			serious = append(serious, f)
		}
	}
	if len(serious) > 0 {
		return warnings, &FaultsError{p.Source, serious}
	}
	if f, found := p.LineEndFault(); found && p.SignSize > 0 {
		warnings = append(warnings, problem.New("%s: %s", p.Source, f))
	}
	return warnings, nil
}

// otherForm is the error id of the server for forms of another type than the name
// of the file says.
const otherForm = "ACRF-158"

// Faults is what the server would refuse, or might, of a part of a set. The
// application and the environment may be empty: not known yet.
func (f *Frozen) Faults(application string, env naming.Environment) []declaration.Fault {
	faults := slices.Clone(f.Info.Faults)
	a, known := naming.LookupApplication(application)
	if known && f.Root != "" && !a.HasRoot(f.Root) {
		faults = append(faults, declaration.Fault{
			ID:      otherForm,
			Message: problem.New("the root element is %s and files of application %s have %s: check --app and the file", f.Root, application, strings.Join(a.Roots, " or ")),
		})
	} else if fault, found := f.identificationFault(a, known); found {
		faults = append(faults, fault)
	}
	if known && env != "" && !slices.Contains(a.Environments, env) {
		faults = append(faults, declaration.Fault{
			Message: problem.New("environment %s is not for files of application %s: send them to T for a test", env, application),
		})
	}
	return faults
}

// identificationFault compares Identification of the forms with each other and
// with the application. The office refuses forms of another type than the name of
// the file says (ACRF-158); the type is Identification where the root element is
// that of several applications. Where the root element says it already, it is not
// known whether the office looks at both.
func (f *Frozen) identificationFault(a naming.Application, known bool) (declaration.Fault, bool) {
	decided := naming.RootDecides(f.Root)
	if first, other, mixed := f.mixed(); mixed && !decided {
		return declaration.Fault{ID: otherForm, Line: other.Line, Message: problem.New(
			"line %d: Identification %s belongs to application %s, and that of an earlier form, %s, to %s: put the forms of each application into a separate file",
			other.Line, other.Value, applicationNamed(other), first.Value, applicationNamed(first))}, true
	}
	i := a.Foreign(f.Info.Codes())
	if !known || i < 0 {
		return declaration.Fault{}, false
	}
	v := f.Info.Identifications[i]
	of := applicationNamed(v)
	switch {
	case of == "":
		return declaration.Fault{}, false
	case decided:
		return declaration.Fault{ID: "ACRF-135", Warning: true, Line: v.Line, Message: problem.New(
			"line %d: Identification %s belongs to application %s, and the root element %s to %s: correct the one that is wrong", v.Line, v.Value, of, f.Root, a.Code)}, true
	}
	return declaration.Fault{ID: otherForm, Line: v.Line, Message: problem.New(
		"line %d: Identification %s belongs to application %s, not to %s: check --app and the file", v.Line, v.Value, of, a.Code)}, true
}

// Mixed reports whether the forms are known to be of several applications.
func (f *Frozen) Mixed() bool {
	_, _, mixed := f.mixed()
	return mixed
}

// mixed finds the first two values of Identification that are of different
// applications.
func (f *Frozen) mixed() (first, other declaration.Identification, found bool) {
	for _, v := range f.Info.Identifications {
		switch of := applicationNamed(v); {
		case of == "":
		case first.Value == "":
			first = v
		case of != applicationNamed(first):
			return first, v, true
		}
	}
	return first, other, false
}

// applicationNamed is the application of which a value of Identification is;
// empty where that is not known.
func applicationNamed(v declaration.Identification) string {
	code, _, _ := naming.LookupIdentification(v.Value)
	return code
}

// LineEndFault warns of line ends about which programs that check signatures
// disagree.
func (f *Frozen) LineEndFault() (declaration.Fault, bool) {
	if f.LineEnds.Clean() {
		return declaration.Fault{}, false
	}
	return declaration.Fault{ID: "ACRF-125", Warning: true, Message: problem.New(
		"not every line ends in CR LF (or it has NUL bytes), and some programs would check its signature over other bytes: --crlf makes a copy with CR LF before it is signed")}, true
}
