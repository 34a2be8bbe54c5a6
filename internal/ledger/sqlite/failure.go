package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/socbatch/socbatch/internal/ledger"
)

// failed is an error of the ledger; nil stays nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: %w", classified(err))
}

// classified has an error of SQLite say what is wrong with the file, see
// ledger.FailureOf. Others, and nil, stay as they are.
func classified(err error) error {
	if f := category(err); f != ledger.NoFailure {
		return &ledger.Error{Failure: f, Err: err}
	}
	return err
}

func category(err error) ledger.Failure {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ledger.NoFailure
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return ledger.Busy
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return ledger.Damaged
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return ledger.ReadOnly
	case lib.SQLITE_FULL:
		return ledger.Full
	case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR:
		return ledger.Unusable
	}
	return ledger.NoFailure
}
