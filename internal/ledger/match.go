package ledger

import (
	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
)

// Finder is where Match looks for the sets and forms that an answer may be about.
// Of what fits, two are enough: more are as good as two.
type Finder interface {
	// SetNamed gives the set with a key, whatever its state.
	SetNamed(key string) (id int64, found bool, err error)
	// SetsWithTicket, SetsWithReference and SetsWithForm give the sets that have
	// the ticket, or a form with that reference, or made then.
	SetsWithTicket(c Candidates, ticket string) ([]int64, error)
	SetsWithReference(c Candidates, number string) ([]int64, error)
	SetsWithForm(c Candidates, date, hour string) ([]int64, error)

	// FirstForm tells when the first form of a set was made, as the form says it.
	FirstForm(set int64) (date, hour string, found bool, err error)
	// HasFormWithin reports whether a set has a form of a day whose hour begins so.
	HasFormWithin(set int64, date, second string) (bool, error)
	// FormsWithReference, FormsAt and Forms give forms of a set: those with a
	// reference, those made then, and all of a part (0: of every one).
	FormsWithReference(set int64, number string) ([]Place, error)
	FormsAt(set int64, date, hour string) ([]Place, error)
	Forms(set int64, part int) ([]Place, error)
}

// Candidates are the sets that an answer may be about: those that left (see
// NeverLeft) of a sender and for an environment. Empty fields choose all.
type Candidates struct {
	Sender      string
	Environment naming.Environment
}

// Place is a form of a set.
type Place struct{ Part, Form int }

// NeverLeft reports whether a set in that state certainly never left, so that
// there are no answers to it but such as name it.
func NeverLeft(s inbox.State) bool { return s.BeforeGO() || s == inbox.Cancelled }

// Match ties an answer, of a reply that lay in the folder of an environment, to a
// set: by file name, else by ticket, else by own reference, else by date and hour
// of the form. An answer that names a sender is about that sender's sets and no
// others, whatever else fits. Where several sets fit, those of the environment are
// preferred; where it is still not one, none is chosen. It sets SubmissionID, Part,
// Form, MatchedBy and Elsewhere.
func Match(f Finder, env naming.Environment, a *Answer) error {
	a.SubmissionID, a.Part, a.Form, a.MatchedBy, a.Elsewhere = 0, 0, 0, "", ""
	if n, err := naming.Parse(a.FileName); err == nil {
		if a.Sender != "" && a.Sender != n.Sender {
			return nil // it contradicts itself
		}
		if done, err := matchName(f, n, a); done || err != nil {
			return err
		}
		// Another program sent that file, perhaps with the same references.
		a.Elsewhere = n.SetKey()
	}
	if a.Kind == KindReceipt { // it is for its file and no other
		return nil
	}
	return matchContents(f, env, a)
}

// matchName ties an answer to the set whose name it bears. done: nothing else is
// to be looked at.
func matchName(f Finder, n naming.Name, a *Answer) (done bool, err error) {
	// The name is the set's own: whatever its state here, it was sent.
	id, found, err := f.SetNamed(n.SetKey())
	if err != nil || !found {
		return false, err
	}
	if other, err := otherContents(f, id, a); err != nil || other {
		a.Elsewhere = n.SetKey()
		return true, err
	}
	a.SubmissionID, a.MatchedBy, a.Part = id, ByFileName, n.Part
	return true, matchForm(f, a)
}

func matchContents(f Finder, env naming.Environment, a *Answer) error {
	here := Candidates{Sender: a.Sender, Environment: env}
	one := func(by string, ids []int64, err error) (done bool, _ error) {
		switch {
		case err != nil || len(ids) == 0:
			return false, err
		case len(ids) > 1:
			a.MatchedBy = Ambiguous
			return false, nil
		}
		a.SubmissionID, a.MatchedBy = ids[0], by
		return true, matchForm(f, a)
	}
	for _, t := range a.Tickets {
		ids, err := f.SetsWithTicket(here, t)
		// A ticket is the office's own and names one file anywhere. What the
		// sender wrote is often the same in a test and in production: it never
		// ties a reply to a set of another environment.
		if err == nil && len(ids) == 0 {
			ids, err = f.SetsWithTicket(Candidates{Sender: a.Sender}, t)
		}
		if done, err := one(ByTicket, ids, err); done || err != nil {
			return err
		}
	}
	if a.Elsewhere != "" {
		return nil
	}
	for _, r := range a.References {
		ids, err := f.SetsWithReference(here, r)
		if done, err := one(ByReference, ids, err); done || err != nil {
			return err
		}
	}
	if a.Date == "" || a.Hour == "" {
		return nil
	}
	ids, err := f.SetsWithForm(here, a.Date, a.Hour)
	_, err = one(ByMoment, ids, err)
	return err
}

// otherContents reports whether a notification is about what somebody else
// delivered under the name of a set: it says when the form that it answers was
// made, and the set has none of that second, nor one of its references. How the
// office writes fractions of a second does not matter.
func otherContents(f Finder, set int64, a *Answer) (bool, error) {
	if _, ok := naming.Moment(a.Date, a.Hour); !ok || a.Kind != KindNotification {
		return false, nil
	}
	date, hour, found, err := f.FirstForm(set)
	if err != nil || !found {
		return false, err
	}
	if _, ok := naming.Moment(date, hour); !ok {
		return false, nil
	}
	ours, err := f.HasFormWithin(set, a.Date, a.Hour[:min(len(a.Hour), len("hh:mm:ss"))])
	if err != nil || ours {
		return false, err
	}
	for _, r := range a.References {
		if forms, err := f.FormsWithReference(set, r); err != nil || len(forms) > 0 {
			return false, err
		}
	}
	return true, nil
}

// matchForm finds which form of its set a notification answers.
func matchForm(f Finder, a *Answer) error {
	if a.Kind != KindNotification {
		return nil
	}
	one := func(forms []Place, err error) (bool, error) {
		if err != nil || len(forms) != 1 {
			return false, err
		}
		a.Part, a.Form = forms[0].Part, forms[0].Form
		return true, nil
	}
	for _, r := range a.References {
		if done, err := one(f.FormsWithReference(a.SubmissionID, r)); done || err != nil {
			return err
		}
	}
	if a.Date != "" && a.Hour != "" {
		if done, err := one(f.FormsAt(a.SubmissionID, a.Date, a.Hour)); done || err != nil {
			return err
		}
	}
	// The only form of the set, or of its part.
	_, err := one(f.Forms(a.SubmissionID, a.Part))
	return err
}

// Positive reports whether an outcome is an acceptance.
func Positive(outcome string) bool { return outcome == OutcomeAccepted || outcome == OutcomeRemarks }

// TakesTicket reports whether a set takes the ticket of a receipt in place of the
// one that it has (empty: none): that of a positive receipt is the one that
// notifications name. confirmed: a positive receipt gave the present one.
func TakesTicket(present string, confirmed bool, outcome string) bool {
	return present == "" || Positive(outcome) && !confirmed
}
