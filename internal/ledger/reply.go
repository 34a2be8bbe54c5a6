package ledger

import (
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Reply is a stored reply as the ledger has it.
type Reply struct {
	ID          int64
	Environment naming.Environment
	Name        string
	Application string
	Path        string // relative to the archive, with /
	FSPath      string // empty where it had no signature
	Size        int64
	SHA256      string
	Conflict    bool
	FetchedAt   time.Time
	DeletedAt   time.Time // zero while it is on the server
	ReadAt      time.Time // zero while its answers are not entered
	Root        string
	Forms       int
	Signature   string    // what checking the FS gave
	Problem     string    // why it could not be read
	SealedAt    time.Time // since when its files are encrypted; zero: in clear
	PrunedAt    time.Time // when its files were removed; zero: they are there
}

// ReplyFilter chooses replies; empty fields choose all.
type ReplyFilter struct {
	ID          int64
	Environment naming.Environment
	Application string
	Name        string
	Since       time.Time // fetched then or later
	// Unmatched chooses receipts and notifications of which a form is tied to no
	// set.
	Unmatched bool
	// Trouble chooses what could not be read, or whose signature is not valid,
	// or whose name was used before with other contents.
	Trouble bool
	Limit   int // newest first; 0: all
}

// ListedReply is a stored reply with what its forms say.
type ListedReply struct {
	Reply
	Kinds     []string       // receipt, notification; empty for others
	Outcomes  map[string]int // forms by outcome
	Sets      []string       // names of the sets that it answers, at most MaxListedSets
	MoreSets  int            // further ones
	Unmatched int            // forms that match no set
	Ambiguous int            // forms that match several sets
}

// MaxListedSets bounds the sets that are named per reply: a notification may
// answer thousands.
const MaxListedSets = 20
