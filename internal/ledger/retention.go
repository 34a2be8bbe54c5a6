package ledger

import (
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
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

// OldSet is what decides whether a set is kept whose time has come.
type OldSet struct {
	State inbox.State
	Heard bool // a reply to it came since, or it changed
}

// Kept is why the set is kept; empty where it is not.
func (s OldSet) Kept() string {
	switch {
	case !s.State.Final() || s.State.NeedsPerson():
		return KeptUnanswered
	case s.Heard:
		return KeptRecent
	}
	return ""
}

// OldReply is what decides whether a reply is kept whose time has come.
type OldReply struct {
	Unread     bool // its answers are not entered
	Unreadable bool // there was a problem with it
	Invalid    bool // its signature is not valid
	OnServer   bool // it is not deleted there
	Unmatched  bool // a form of it fits no set
	Open       bool // a set that it answers is kept itself, see OldSet
	Due        bool // OnReply is to be told of it still
}

// Kept is why the reply is kept; empty where it is not.
func (r OldReply) Kept() string {
	switch {
	case r.Unread:
		return KeptUnread
	case r.Unreadable:
		return KeptUnreadable
	case r.Invalid:
		return KeptSignature
	case r.OnServer:
		return KeptOnServer
	case r.Unmatched:
		return KeptUnmatched
	case r.Open:
		return KeptOpen
	case r.Due:
		return KeptHook
	}
	return ""
}
