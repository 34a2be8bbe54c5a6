package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
)

// CodeNameUsed is what the server answers to a GO whose name it has seen before.
// It says nothing about the first.
const CodeNameUsed = "ACRF-133"

// Said is what all answers to a set say together, whatever the order in which
// they came.
type Said struct {
	Forms, Parts int // of the set
	Asked        int // how often its GO was asked for, see GO
	Receipts     []ReceiptSaid
	Notified     []FormsSaid // each form in one of them
}

// ReceiptSaid is what one receipt says of a set.
type ReceiptSaid struct {
	Outcome  string
	Part     int    // 0: of the whole set
	NameUsed bool   // it has CodeNameUsed
	Reply    string // tells the replies apart: the hash of the one that it stands in
	Early    bool   // not Ours, see GO
}

// FormsSaid counts the forms of which notifications say the same. A notification
// that does not tell which form it is about counts as a form for itself.
type FormsSaid struct {
	Outcomes []string // all of one form
	Known    bool     // which forms of the set they are
	Count    int
}

// Verdict is what the answers to a set make of it.
type Verdict struct {
	State   inbox.State // empty: they say nothing
	Note    string
	Nothing bool // nothing of the set was accepted, nor will be
}

// ranked are the outcomes of a form: of several the last one holds, whichever
// came first.
var ranked = []string{OutcomeUnknown, OutcomeToValidate, OutcomeAccepted, OutcomeRemarks, OutcomeRefused}

// highest is the outcome that holds of several.
func highest(outcomes []string) string {
	rank := 0
	for _, o := range outcomes {
		rank = max(rank, slices.Index(ranked, o))
	}
	return ranked[rank]
}

// tally is what the answers to a set say, counted.
type tally struct {
	forms, parts int
	asked        int
	received     bool           // a positive receipt
	nameUsed     int            // receipts that say that the name was used before
	refusedParts map[int]bool   // negative receipts by part; 0: the whole set
	answered     int            // forms of which a notification speaks
	count        map[string]int // of these, by outcome
	refused      int            // of these, refused ones of which it is known which they are
	accepted     bool           // a form was accepted, whatever was said of it besides
}

// Verdict is what the answers say together.
func (s Said) Verdict() Verdict {
	t := &tally{forms: s.Forms, parts: s.Parts, asked: s.Asked, refusedParts: map[int]bool{}, count: map[string]int{}}
	counted := map[string]bool{}
	for _, r := range s.Receipts {
		// The refusal of a name counts once for each reply that holds it, whatever
		// its age.
		used := r.NameUsed && r.Outcome == OutcomeRefused
		if r.Early && !used || used && counted[r.Reply] {
			continue
		}
		counted[r.Reply] = counted[r.Reply] || used
		t.receipt(r, used)
	}
	for _, f := range s.Notified {
		t.notified(f)
	}
	return t.verdict()
}

func (t *tally) receipt(r ReceiptSaid, nameUsed bool) {
	switch {
	case r.Outcome == OutcomeUnknown:
	case r.Outcome != OutcomeRefused:
		t.received = true
	case nameUsed:
		t.nameUsed++
	default:
		t.refusedParts[r.Part] = true
	}
}

func (t *tally) notified(f FormsSaid) {
	outcome := highest(f.Outcomes)
	t.answered += f.Count
	t.count[outcome] += f.Count
	if outcome == OutcomeRefused && (f.Known || t.forms <= 1) {
		t.refused += f.Count
	}
	t.accepted = t.accepted || slices.ContainsFunc(f.Outcomes, Positive)
}

func (t *tally) verdict() Verdict {
	v := Verdict{Nothing: t.nothing()}
	total := max(t.forms, t.answered, 1)
	open := total - t.answered + t.count[OutcomeToValidate] + t.count[OutcomeUnknown]
	switch {
	case t.usedByOthers():
		v.State = inbox.NameUsed
	case len(t.refusedParts) > 0:
		v.State = inbox.Refused
	case t.count[OutcomeRefused] > 0:
		v.State, v.Note = inbox.Refused, fmt.Sprintf("%d of %d forms refused", t.count[OutcomeRefused], total)
	case open == 0 && t.count[OutcomeRemarks] > 0:
		v.State = inbox.AcceptedWithRemarks
	case open == 0:
		v.State = inbox.Accepted
	case t.received || t.answered > 0:
		v.State = inbox.Received
		if n := t.count[OutcomeToValidate]; n > 0 {
			v.Note = fmt.Sprintf("%d of %d forms to validate", n, total)
		} else if t.answered > 0 {
			v.Note = fmt.Sprintf("%d of %d forms answered", t.answered, total)
		}
	}
	return v
}

// usedByOthers reports whether somebody else delivered under the name of the
// set. A GO that was asked for n times explains n-1 refusals because of the name:
// to the server a second GO of ours is a second use, too.
func (t *tally) usedByOthers() bool { return t.nameUsed >= max(t.asked, 1) }

func (t *tally) nothing() bool {
	if t.usedByOthers() || t.accepted || t.count[OutcomeToValidate]+t.count[OutcomeUnknown] > 0 {
		return false
	}
	switch {
	case t.refused > 0 && t.refused >= t.forms:
		return true
	case t.received:
		return false
	}
	return t.refusedParts[0] || len(t.refusedParts) >= t.parts
}

// Changes reports whether a set in a state is brought to that of the verdict. It
// stays as it is, with its claims, where the answers say nothing, or the set
// cannot go there any more.
func (v Verdict) Changes(from inbox.State) bool {
	return v.State != "" && (from == v.State || from.CanBecome(v.State))
}

// Alarming reports whether OnRefused is to be told when a set gets there.
func (v Verdict) Alarming() bool { return v.State == inbox.Refused || v.State.NeedsPerson() }

// maxNamedErrors bounds the error ids in a note.
const maxNamedErrors = 5

// Naming adds to the note of a set that is refused what the office has against
// it: the error ids of what it refused.
func (v Verdict) Naming(errorIDs []string) Verdict {
	if v.State != inbox.Refused {
		return v
	}
	if len(errorIDs) > maxNamedErrors {
		errorIDs = append(slices.Clone(errorIDs[:maxNamedErrors]), "…")
	}
	v.Note = strings.Trim(v.Note+": "+strings.Join(errorIDs, ", "), ": ")
	return v
}

// GO is what the history of a set says of its GO.
type GO struct {
	Times int       // how often it was asked for
	First time.Time // when that was, the first time
	Entry int       // the entry in the history that says so, from 0
}

// GOIn looks for the GO in the history of a set, oldest entry first.
func GOIn(history []Event) GO {
	var g GO
	before := inbox.State("")
	for i, e := range history {
		if e.State == inbox.Unknown && before != inbox.Unknown {
			if g.Times++; g.Times == 1 {
				g.First, g.Entry = e.At, i
			}
		}
		before = e.State
	}
	return g
}

const (
	// clockDifference is how far the clock of this machine may be from that of the
	// office, when an answer is compared with the GO of its set.
	clockDifference = 3 * time.Hour
	// clockBack is by how much a clock goes back when it is set right, and not only
	// kept right.
	clockBack = 10 * time.Minute
)

// AnsweredFrom is the time from which on there may be answers to the set; zero:
// at any time. What the office made before is about what somebody else delivered
// under that name.
func (g GO) AnsweredFrom() time.Time {
	if g.Times == 0 {
		return time.Time{}
	}
	return g.First.Add(-clockDifference)
}

// ClockWasAhead reports whether the GO was asked for while the clock was ahead: it
// has gone back behind that since, as the time of a later entry, or the present
// one, shows. Then AnsweredFrom says nothing.
func (g GO) ClockWasAhead(later time.Time) bool { return later.Before(g.First.Add(-clockBack)) }

// Ours reports whether an answer that the office made at a time (zero: it does
// not say) is about what was sent from here, where there may be answers from a
// time on.
func Ours(madeAt, answeredFrom time.Time) bool {
	return madeAt.IsZero() || !madeAt.Before(answeredFrom)
}
