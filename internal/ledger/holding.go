package ledger

import "github.com/socbatch/socbatch/naming"

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
