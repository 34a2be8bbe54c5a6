// Package outbox brings replies home from the OUT folders of the social
// security. A reply is deleted on the server only when its bytes are safe
// here: copied to the archive, flushed to the disk, and entered in the ledger
// with their hash. Sets are independent of each other: one that fails stops no
// other, and stays on the server for the next run.
//
// The package knows no protocol and no database: it asks for a [Session] and a
// [Ledger].
package outbox

import (
	"context"
	"io"
	"time"

	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// Session is what outbox asks of a connection; transport.Session is one.
type Session interface {
	List(ctx context.Context, dir string, yield func(transport.Entry) error) error
	// Get writes a file to w and fails when the number of bytes is not size.
	Get(ctx context.Context, path string, w io.Writer, size int64) (int64, error)
	Remove(ctx context.Context, path string) error
}

// Hash is the SHA-256 of a file's bytes.
type Hash = checksum.SHA256

// File is one stored file.
type File struct {
	Name string // as on the server
	Path string // in the archive, with / and relative to its root
	Size int64  // bytes
	Hash Hash
}

// Reply is one FO or CO in the archive, with its signature where it had one.
type Reply struct {
	ID          int64
	Environment naming.Environment // whose folder it lay in
	Name        naming.Name
	File        File
	Signature   *File // the FS; nil where there was none
	// Conflict is set when another reply of the same name was stored before.
	// Such a reply is never deleted on the server without a person's word.
	Conflict  bool
	FetchedAt time.Time
}

// Stored is what the ledger knows of a stored file of a given name.
type Stored struct {
	ReplyID  int64
	File     File
	Conflict bool // as in Reply
}

// Ledger remembers what was fetched. StoreReplies returns only when the entry
// survives a crash. Implementations are safe for use by several goroutines.
type Ledger interface {
	// FilesNamed gives the stored FO, CO and FS files of that name from that
	// environment: none, one, or several with different contents.
	FilesNamed(ctx context.Context, env naming.Environment, name string) ([]Stored, error)
	// StoreReplies enters the replies of one set, all or none, and sets their
	// ids.
	StoreReplies(ctx context.Context, replies []*Reply) error
	// AddSignature enters an FS that came after its reply was stored. Where the
	// reply has another one, the new one is kept beside it, as a conflict.
	AddSignature(ctx context.Context, replyID int64, fs File) error
	// StoredAgain records that a file of a reply which the archive had lost, or
	// had encrypted, is about to be stored where it was.
	StoredAgain(ctx context.Context, replyID int64) error
	// Deleted records that a reply is gone from the server.
	Deleted(ctx context.Context, replyID int64, at time.Time) error
}
