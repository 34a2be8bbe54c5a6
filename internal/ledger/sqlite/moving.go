package sqlite

import (
	"context"
	"database/sql"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
)

// ToMove implements ledger.Sets.
func (l *store) ToMove(ctx context.Context, sender string, env naming.Environment) ([]inbox.Submission, error) {
	return loadContext(ctx, l.reads, `id IN (SELECT submission_id FROM part WHERE moved_to = '') AND sender = $1 AND environment = $2 ORDER BY id DESC`, sender, env)
}

// Moved implements ledger.Sets.
func (l *store) Moved(_ context.Context, id int64, part int, path string) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE part SET moved_to = $1 WHERE submission_id = $2 AND number = $3`, sql.NullString{String: path, Valid: path != ""}, id, part)
		return err
	})
}
