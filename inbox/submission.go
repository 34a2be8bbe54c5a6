package inbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// Hash is the SHA-256 of a file's bytes.
type Hash = checksum.SHA256

// Reference is a number that the sender gave to a form.
type Reference struct {
	Type   string `json:"type"`
	Number string `json:"number"`
}

// Form is what a notification can name to say which form of a declaration it
// answers.
type Form struct {
	Date       string // YYYY-MM-DD
	Hour       string // hh:mm:ss.mmm
	References []Reference
}

// Part is one FI of a set and its signature, as frozen.
type Part struct {
	Number int    // from 1
	Source string // path of the file that was handed in
	Root   string // root element
	Size   int64  // bytes of the FI
	Hash   Hash   // of the FI
	// CRLF is the hash of the FI as it would be with every line end as CR LF, and
	// Original that of the file that was handed in. Zero: as Hash.
	CRLF, Original Hash
	Signature      Hash  // of the FS
	SignSize       int64 // bytes of the FS; 0 when the part is not signed
	Forms          []Form
	// ToMove is set while the file lies in a directory out of which it is to be
	// moved when the set is done with; MovedTo is where it was moved to.
	ToMove  bool
	MovedTo string
}

// Contents are the hashes by which the contents of a part are recognised: the
// FI itself first, then the same with other line ends.
func (p Part) Contents() []Hash {
	all := []Hash{p.Hash}
	for _, h := range []Hash{p.CRLF, p.Original} {
		if h != (Hash{}) && !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// Draft is a set that is frozen and has no name yet.
type Draft struct {
	Application string
	Sender      string
	Environment naming.Environment
	Date        naming.Date
	Sequence    naming.Sequence // empty: the ledger gives the next one
	Parts       []Part
	Spool       string // name of the directory that holds the frozen files
	SignedBy    string // who signed, for people; empty when not signed
	ToMove      bool   // the files are to be moved, see Part
	// Again, with a reason, allows contents that were sent before.
	Again  bool
	Reason string
}

// Submission is a set in the ledger.
type Submission struct {
	ID        int64
	Set       naming.Set
	State     State
	Note      string // what a person should know of the state, such as the last error
	Reason    string // why the same contents were sent again
	Parts     []Part
	Spool     string
	SignedBy  string
	Ticket    string // the office's number, from the receipt
	CreatedAt time.Time
	UpdatedAt time.Time
	SentAt    time.Time // when GO was taken, or found taken; zero before
}

// Signed reports whether the set goes with FS files.
func (s Submission) Signed() bool { return len(s.Parts) > 0 && s.Parts[0].SignSize > 0 }

// Forms counts the forms of all parts.
func (s Submission) Forms() int {
	n := 0
	for _, p := range s.Parts {
		n += len(p.Forms)
	}
	return n
}

// AlreadyError says that contents are in the ledger: sent before, or about to
// be.
type AlreadyError struct {
	Part     int        // part of the draft whose contents are known
	Existing Submission // the set that has them
	// Same is true when the existing set consists of exactly these parts, so
	// that going on with it does what was asked.
	Same bool
}

func (e *AlreadyError) Error() string {
	return fmt.Sprintf("part %d has the contents of %s (%s)", e.Part, e.Existing.Set, e.Existing.State)
}

// NameUsedError says that a name that was asked for was used before.
type NameUsedError struct{ Name string }

func (e *NameUsedError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *NameUsedError) Said() (format string, args []any) { return e.problem().Said() }

func (e *NameUsedError) problem() *problem.Error {
	return problem.New("name %s was used before", e.Name)
}

// ForeignUse is a name under which somebody else delivered: another program, or
// this one with another ledger.
type ForeignUse struct {
	Name   string    // application.sender.date.sequence.environment
	Reply  string    // of the office, that shows it
	SeenAt time.Time // when the office had it, at the latest
}

// MaybeSentError says that contents may have gone already: somebody else
// delivered under a name that the ledger does not know, or has for other
// contents, and the contents are older than that.
type MaybeSentError struct {
	Use   ForeignUse // the newest one
	Count int        // of such names
}

func (e *MaybeSentError) Error() string {
	return fmt.Sprintf("it may have been sent already: %s was delivered by somebody else", e.Use.Name)
}

// StateError says that a set was not in a state from which the change is
// allowed: another process was faster, or the request makes no sense.
type StateError struct {
	Name string
	Now  State
	To   State
}

func (e *StateError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *StateError) Said() (format string, args []any) { return e.problem().Said() }

func (e *StateError) problem() *problem.Error {
	return problem.New("%s is %s and cannot become %s", e.Name, problem.Word(e.Now), problem.Word(e.To))
}

// Reserved is what became of a draft.
type Reserved struct {
	Submission Submission
	Err        error
}

// Ledger remembers what was sent. Every method returns only when the change
// survives a crash. Implementations are safe for use by several goroutines and
// processes.
type Ledger interface {
	// Reserve gives each draft, in order, a name that was never used, claims
	// its contents and records it as Prepared: all of that or nothing. The
	// drafts are independent of each other; one fails with *AlreadyError,
	// *MaybeSentError, *NameUsedError or naming.ErrSequenceExhausted.
	Reserve(ctx context.Context, drafts []Draft) []Reserved
	// Move changes the state of a set along State.CanBecome, and keeps a note
	// for people. It fails with *StateError when the set is elsewhere.
	Move(ctx context.Context, id int64, to State, note string) error
	// Note replaces the note of a set and leaves its state.
	Note(ctx context.Context, id int64, note string) error
}
