package ledger

import (
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Holding is what lies on the disk of one reply or of one set.
type Holding struct {
	Kind        HoldingKind
	ID          int64 // of the reply or submission
	Environment naming.Environment
	Name        string // of the reply, or of the set
	// Files are its paths, with /, relative to the archive or to the spool.
	Files []HeldFile
}

// HeldFile is a file of a Holding.
type HeldFile struct {
	Name   string // on the server
	Path   string
	Size   int64 // bytes in clear
	SHA256 string
}

// HoldingKind says where the files of a Holding lie.
type HoldingKind string

// The kinds of holdings.
const (
	HeldReply HoldingKind = "reply"      // in the archive
	HeldSet   HoldingKind = "submission" // in the spool
)

// PruneFilter chooses what may be removed.
type PruneFilter struct {
	Before      time.Time          // nothing of it is newer
	Environment naming.Environment // empty: every one
}

// Reasons why something old is not removed.
const (
	KeptUnanswered = "unanswered"        // a set without its final answer
	KeptRecent     = "recent"            // something was heard of the set since
	KeptOnServer   = "on-server"         // a reply that is not deleted on the server
	KeptUnread     = "unread"            // a reply whose answers are not entered
	KeptUnreadable = "unreadable"        // a reply that cannot be read
	KeptSignature  = "invalid-signature" // a reply whose signature is not valid
	KeptUnmatched  = "unmatched"         // a reply of which a form fits no set
	KeptOpen       = "open"              // a reply to a set that is kept itself
	KeptHook       = "hook"              // a reply of which the hook was not told
)
