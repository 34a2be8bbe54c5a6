package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
)

// Claimed are the contents of a part that its set has for itself, until a person
// insists or nothing of the set can be accepted any more.
func Claimed(p inbox.Part) []inbox.Hash {
	return slices.Compact([]inbox.Hash{p.Hash, cmp.Or(p.CRLF, p.Hash)})
}

// Duplicate refuses a part of a draft whose contents another set has, with
// *inbox.AlreadyError, unless the draft insists. Contents whose first sending may
// still come to an end are never sent beside it, not even when a person insists.
func Duplicate(d inbox.Draft, part int, holder inbox.Submission) error {
	if d.Again && !holder.State.Unfinished() {
		return nil
	}
	same := slices.EqualFunc(holder.Parts, d.Parts, func(a, b inbox.Part) bool { return a.Hash == b.Hash })
	return &inbox.AlreadyError{Part: part, Existing: holder, Same: same}
}

// ForeignName is a name under which somebody else delivered, as answers show.
type ForeignName struct {
	inbox.ForeignUse
	Refused bool // nothing of what went under it was processed
}

// ForeignIn is the name that an answer of a reply is to, where it is to a name of
// somebody else (see Answer.Elsewhere). Later answers may show that something of
// it was processed, or that it came earlier: the earliest time counts, and it is
// refused where all say so.
func ForeignIn(r Reply, a *Answer) ForeignName {
	n := ForeignName{ForeignUse: inbox.ForeignUse{Name: a.Elsewhere, Reply: r.Name, SeenAt: a.MadeAt}}
	if n.SeenAt.IsZero() {
		n.SeenAt = r.FetchedAt
	}
	n.Refused = a.Kind == KindReceipt && a.Outcome == OutcomeRefused &&
		!slices.ContainsFunc(a.Anomalies, func(x Anomaly) bool { return x.ErrorID == CodeNameUsed })
	return n
}

// formTolerance is by how much the clock of the program that made a declaration
// may be ahead of the office's.
const formTolerance = time.Hour

// SuspectFrom is since when a foreign name may be that of the contents of a draft:
// what was made after the office had a name did not go under it. Zero: at any
// time, since a form does not say when it was made.
func SuspectFrom(d inbox.Draft) time.Time {
	var first time.Time
	for _, p := range d.Parts {
		for _, f := range p.Forms {
			at, ok := naming.Moment(f.Date, f.Hour)
			if !ok {
				return time.Time{}
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(-formTolerance)
}

// MaybeSent refuses a draft whose contents may have gone already, with
// *inbox.MaybeSentError: under names of its sender, environment and application of
// which a ledger knows nothing but that somebody used them. They come newest first;
// those that are refused, or were seen before SuspectFrom, do not matter and may be
// left out.
func MaybeSent(d inbox.Draft, names []ForeignName) error {
	if d.Again {
		return nil
	}
	from := SuspectFrom(d)
	e := &inbox.MaybeSentError{}
	for _, n := range names {
		if n.Refused || n.SeenAt.Before(from) {
			continue
		}
		if e.Count == 0 {
			e.Use = n.ForeignUse
		}
		e.Count++
	}
	if e.Count == 0 {
		return nil
	}
	return e
}
