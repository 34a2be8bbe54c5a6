package ledger

import (
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Trouble is what is wrong with the ledger's file.
type Trouble string

// What can be wrong with the file.
const (
	NoTrouble Trouble = ""
	Busy      Trouble = "busy"      // another process writes, and did not end within 15 seconds
	Damaged   Trouble = "damaged"   // not a ledger, or no longer one
	ReadOnly  Trouble = "read-only" // it, or its directory, cannot be written
	Full      Trouble = "full"      // no space on the disk
	Unusable  Trouble = "unusable"  // it cannot be opened or read
)

// TroubleOf says whether an error is about the ledger's file, and what is wrong
// with it.
func TroubleOf(err error) Trouble {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return NoTrouble
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return Busy
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return Damaged
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return ReadOnly
	case lib.SQLITE_FULL:
		return Full
	case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR:
		return Unusable
	}
	return NoTrouble
}
