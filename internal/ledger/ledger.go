package ledger

import (
	"context"
	"io"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// Ledger is an open ledger. Every change is safe when its method returns, also
// from a loss of power. Implementations are safe for use by several goroutines,
// and several processes may have the same ledger open: whatever they do at the
// same time, no name is given twice and no contents are claimed by two sets.
//
// Errors of the place where a ledger is kept are told apart by FailureOf. A
// change after Close fails with ErrClosed.
type Ledger interface {
	inbox.Ledger
	outbox.Ledger
	Sets
	Replies
	Answers
	Hooks
	Runs
	Clock
	Encryption
	Retention
	// Tallies counts per environment.
	Tallies(ctx context.Context) (map[naming.Environment]*Tally, error)
	// Snapshot calls do with the ledger as it is now.
	Snapshot(ctx context.Context, p Period, do func(Snapshot) error) error
	// Close ends the ledger after the changes that are under way.
	io.Closer
}

// Sets is what a ledger tells of the sets that were sent from here, beside what
// inbox.Ledger changes in it.
type Sets interface {
	// Preview says what Reserve would do with the drafts, and does nothing.
	Preview(ctx context.Context, drafts []inbox.Draft) []inbox.Reserved
	// Submissions lists sets, newest first, with their parts but without forms.
	Submissions(ctx context.Context, f Filter) ([]inbox.Submission, error)
	// Submission gives a set by its id, or ErrNoSubmission.
	Submission(ctx context.Context, id int64) (inbox.Submission, error)
	// Find gives the set that a name belongs to, or ErrNoSubmission: see SetKey.
	Find(ctx context.Context, name string) (inbox.Submission, error)
	// Holders gives the sets for which contents must not be sent again, newest
	// first. Of the filter, the sender, the environment and the application count.
	Holders(ctx context.Context, f Filter, contents []inbox.Hash) ([]inbox.Submission, error)
	// History gives what happened to a set, oldest first.
	History(ctx context.Context, id int64) ([]Event, error)
	// LastChange is when a set was last changed; zero for an empty ledger.
	LastChange(ctx context.Context) (time.Time, error)
	// Spools gives the spool directories that belong to a set.
	Spools(ctx context.Context) (map[string]bool, error)
	// ToMove lists the sets of which a file is still to be moved, newest first.
	ToMove(ctx context.Context, sender string, env naming.Environment) ([]inbox.Submission, error)
	// Moved records that the file of a part is not to be moved any more: it was
	// moved to a path, or, where that is empty, it is gone.
	Moved(ctx context.Context, id int64, part int, path string) error
	// ForeignNames gives the names of a sender (empty: of every one) under which
	// somebody else delivered to an environment (empty: to any), newest first.
	ForeignNames(ctx context.Context, sender string, env naming.Environment) ([]inbox.ForeignUse, error)
}

// Replies is what a ledger tells of the replies that outbox.Ledger stored.
type Replies interface {
	// Reply gives a stored reply.
	Reply(ctx context.Context, id int64) (Reply, error)
	// Replies lists stored replies, newest first.
	Replies(ctx context.Context, f ReplyFilter) ([]ListedReply, error)
	// RepliesTo gives the replies that answer a set, oldest first.
	RepliesTo(ctx context.Context, submission int64) ([]Reply, error)
	// ReplyFiles gives the files of a stored reply.
	ReplyFiles(ctx context.Context, id int64) (Holding, error)
}

// Answers is how what stands in the replies comes into a ledger, and what it
// tells of it.
type Answers interface {
	// UnreadReplies gives the stored replies whose answers are not entered yet:
	// receipts first, since a notification may name a set by the ticket of its
	// receipt; among equals the oldest first.
	UnreadReplies(ctx context.Context) ([]Reply, error)
	// AddAnswers enters some of the answers of a reply and ties each to its set,
	// see Match. Entering the same answers again changes nothing, so that a run
	// that broke off can be repeated.
	AddAnswers(ctx context.Context, r Reply, answers []Answer) error
	// ReadReply records that every answer of a reply is entered, and brings the
	// sets that it answers up to date, see Said. It returns those sets.
	ReadReply(ctx context.Context, r Reply) ([]inbox.Submission, error)
	// FlagReply records what is wrong with a reply that is not read yet.
	FlagReply(ctx context.Context, r Reply) error
	// Answers gives what was answered to a set, in the order in which it came.
	Answers(ctx context.Context, submission int64) ([]StoredAnswer, error)
	// AnswersIn gives what stands in a reply, form by form, at most so many.
	AnswersIn(ctx context.Context, reply int64, limit int) ([]ReplyAnswer, error)
}

// Hooks is what a ledger remembers of programs that are told of things.
type Hooks interface {
	// Tell has the ledger remember what these hooks are to be told, from now on.
	// It is to be called before the first change.
	Tell(hooks ...string)
	// DueCalls gives what the hooks were not told yet, oldest first, also what
	// earlier runs left.
	DueCalls(ctx context.Context, hooks ...string) ([]HookCall, error)
	// HookCalls gives what hooks were told of a set and of the replies to it,
	// oldest first.
	HookCalls(ctx context.Context, submission int64) ([]HookCall, error)
	// BeginCall records that a call is being made. It reports false where somebody
	// else made it: then it is not to be made.
	BeginCall(ctx context.Context, id int64) (bool, error)
	// BeginErrorCall records that OnError is being told of a failed run.
	BeginErrorCall(ctx context.Context, command string) (id int64, err error)
	// EndCall records what came of a call that was begun. One that was not started
	// is due again, unless it is of OnError: nobody makes that again.
	EndCall(ctx context.Context, id int64, r CallResult) error
}

// Runs is what a ledger remembers of the last runs of commands.
type Runs interface {
	// RecordRun records the end of a run, now. class is what it ended with.
	RecordRun(ctx context.Context, command, environment, class string) error
	// Runs lists the last runs.
	Runs(ctx context.Context) ([]Run, error)
}

// Clock is what a ledger knows of the time.
type Clock interface {
	Clock(ctx context.Context) (ClockReading, error)
	// AcceptClock records that a person says that the clock is right now, and was
	// ahead when the entries were made that are later. Sets that seemed to be
	// answered before they were sent are brought up to date; nothing else is
	// changed.
	AcceptClock(ctx context.Context, reason string) error
}

// Encryption is how a ledger keeps track of files that lie encrypted.
type Encryption interface {
	// PlainReplies gives the replies of an environment that lie in clear and are
	// not needed so any more, newest first, with ids below one (0: the newest). A
	// reply is needed until its answers are entered and the hook for replies was
	// told: a call that was begun since a time may still be reading it.
	PlainReplies(ctx context.Context, env naming.Environment, begun time.Time, below int64, limit int) ([]Holding, error)
	// PlainSets gives the sets whose frozen copies lie in clear and are not needed
	// any more, newest first, with ids below one (0: the newest). Copies are needed
	// until the set is known to be sent; those of a set that was given up count as
	// needed when that was done after a time: they may be about to go under another
	// name.
	PlainSets(ctx context.Context, givenUp time.Time, below int64, limit int) ([]Holding, error)
	// Sealed records that the files of holdings lie encrypted.
	Sealed(ctx context.Context, holdings []Holding) error
	// FrozenCopy tells since when the frozen copies of a set lie encrypted, and
	// when they were removed; zero: they are not.
	FrozenCopy(ctx context.Context, id int64) (sealed, pruned time.Time, err error)
}

// Retention is how a ledger keeps track of files that are removed when their
// time has come.
type Retention interface {
	// PrunableReplies gives the replies that may be removed, oldest first, with ids
	// above one: old, read, matched, deleted on the server, and every set that they
	// answer has its final answer for as long.
	PrunableReplies(ctx context.Context, f PruneFilter, above int64, limit int) ([]Holding, error)
	// PrunableSets gives the sets whose frozen copies may be removed, oldest first,
	// with ids above one: old, and with their final answer for as long.
	PrunableSets(ctx context.Context, f PruneFilter, above int64, limit int) ([]Holding, error)
	// Kept counts what is old and is not removed, by the reason.
	Kept(ctx context.Context, f PruneFilter) (sets, replies map[string]int, err error)
	// BeginPrune records that the files of holdings are about to be removed.
	BeginPrune(ctx context.Context, holdings []Holding) error
	// Pruned records that the files of holdings are gone.
	Pruned(ctx context.Context, holdings []Holding) error
	// Pruning gives the holdings that a run which was killed had begun to remove.
	Pruning(ctx context.Context) ([]Holding, error)
}

// Snapshot is a ledger as it is at one moment, whatever is written meanwhile.
type Snapshot interface {
	// Tables names the tables of a Snapshot.
	Tables() []string
	// Columns gives the names of the columns of a table.
	Columns(table string) []string
	// Rows gives the rows of a table, one after the other: their values are texts,
	// numbers (int64) and truth values. The slices are used again for the next row.
	Rows(ctx context.Context, table string, each func(columns []string, values []any) error) error
	// Holdings gives the sets and replies with their files, oldest first.
	Holdings(ctx context.Context, kind HoldingKind, each func(KeptHolding) error) error
}
