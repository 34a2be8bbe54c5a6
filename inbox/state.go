package inbox

import "slices"

// State is what is known of a set. The text is what the ledger stores and what
// --json prints.
type State string

// The states of a set; docs/delivery.md says what is true in each of them on
// the disk, in the ledger and on the server.
const (
	// Prepared: the copy is frozen and signed, the name is taken, nothing was
	// sent.
	Prepared State = "prepared"
	// Uploading: some FI or FS may be on the server, in whole or in part. GO
	// was never asked for.
	Uploading State = "uploading"
	// Uploaded: every FI and FS is on the server, and the run was stopped
	// before GO, which was never asked for.
	Uploaded State = "uploaded"
	// Failed: as Uploading, and the server refused something for good. The set
	// may be tried again under the same name, since GO was never asked for.
	Failed State = "failed"
	// Unknown: GO was asked for, or was about to be, and no answer is known.
	Unknown State = "unknown"
	// Sent: the server took the GO.
	Sent State = "sent"
	// Cancelled: given up by a person, before GO or knowing that it never
	// arrived.
	Cancelled State = "cancelled"

	// Received: a positive receipt came.
	Received State = "received"
	// Accepted: every form was accepted.
	Accepted State = "accepted"
	// AcceptedWithRemarks: every form was accepted, some with anomalies.
	AcceptedWithRemarks State = "accepted-with-remarks"
	// Refused: the receipt or the notification of a form is negative.
	Refused State = "refused"
	// NameUsed: the office has seen the name before, and not from this set. What
	// it answers under that name may be about other contents, so nothing that it
	// says counts, and a person has to find out. The contents stay claimed.
	NameUsed State = "name-used"
)

// Notes that sets get on their way, beside errors and what a person says.
const (
	NoteAsked   = "GO was asked for"
	NoteNoGO    = "GO never arrived"
	NoteTaken   = "found taken by the server"
	NoteWaiting = "found GO waiting on the server"
)

// transitions are the states that each state can become.
var transitions = map[State][]State{
	Prepared:  {Uploading, Cancelled},
	Uploading: {Uploaded, Unknown, Failed, Cancelled},
	Uploaded:  {Uploading, Unknown, Cancelled},
	Failed:    {Uploading, Cancelled},
	// Back to Uploaded only when the server was seen, twice, to have the FI and
	// not the GO; Cancelled only when a person says that it never arrived.
	Unknown: {Sent, Uploaded, Cancelled, Received, Accepted, AcceptedWithRemarks, Refused, NameUsed},
	Sent:    {Received, Accepted, AcceptedWithRemarks, Refused, NameUsed},
	// Answers arrive in any order, and what they say together depends on none.
	// That somebody else used the name is the last word: no answer takes it back.
	Received:            {Accepted, AcceptedWithRemarks, Refused, NameUsed},
	Accepted:            {Received, AcceptedWithRemarks, Refused, NameUsed},
	AcceptedWithRemarks: {Received, Accepted, Refused, NameUsed},
	Refused:             {Received, Accepted, AcceptedWithRemarks, NameUsed},
	// An answer to a set that was given up proves that it arrived after all.
	Cancelled: {Received, Accepted, AcceptedWithRemarks, Refused, NameUsed},
}

// States lists every state in the order in which a set goes through them.
func States() []State {
	return []State{
		Prepared, Uploading, Uploaded, Failed, Unknown, Sent, Cancelled,
		Received, Accepted, AcceptedWithRemarks, Refused, NameUsed,
	}
}

// CanBecome reports whether a set may go from s to next.
func (s State) CanBecome(next State) bool { return slices.Contains(transitions[s], next) }

// BeforeGO reports whether the GO of the set was certainly never asked for and
// the set is not given up: it may still be sent, or cancelled.
func (s State) BeforeGO() bool {
	return s == Prepared || s == Uploading || s == Uploaded || s == Failed
}

// Unfinished reports whether something is left to do before the set is known
// to be sent or not.
func (s State) Unfinished() bool { return s.BeforeGO() || s == Unknown }

// Answered reports whether the office has said something about the set.
func (s State) Answered() bool {
	return s == Received || s == Accepted || s == AcceptedWithRemarks || s == Refused || s == NameUsed
}

// Final reports whether no further answer is expected.
func (s State) Final() bool {
	return s == Cancelled || s == Accepted || s == AcceptedWithRemarks || s == Refused || s == NameUsed
}

// NeedsPerson reports whether the set stays as it is until a person decides.
func (s State) NeedsPerson() bool { return s == NameUsed }
