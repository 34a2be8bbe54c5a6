package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// FilesNamed implements outbox.Ledger.
func (l *store) FilesNamed(ctx context.Context, env naming.Environment, name string) ([]outbox.Stored, error) {
	rows, err := l.reads.QueryContext(ctx, `
		SELECT id, path, size, sha256, conflict FROM reply WHERE environment = $1 AND name = $2
		UNION ALL
		SELECT id, fs_path, fs_size, fs_sha256, conflict FROM reply WHERE environment = $1 AND fs_name = $2
		UNION ALL
		SELECT r.id, o.path, o.size, o.sha256, 1 FROM other_signature o JOIN reply r ON r.id = o.reply_id WHERE r.environment = $1 AND o.name = $2
		ORDER BY 1`, env, name)
	out, err := all(rows, err, func(row scanner) (outbox.Stored, error) {
		s := outbox.Stored{File: outbox.File{Name: name}}
		var hash string
		err := row.Scan(&s.ReplyID, &s.File.Path, &s.File.Size, &hash, &s.Conflict)
		if err != nil {
			return s, err
		}
		if s.File.Hash, err = checksum.Parse(hash); err != nil {
			err = fmt.Errorf("reply %d: %w", s.ReplyID, err)
		}
		return s, err
	})
	return out, failed(err)
}

// StoreReplies implements outbox.Ledger.
func (l *store) StoreReplies(_ context.Context, replies []*outbox.Reply) error {
	return l.change(func(tx *sql.Tx) error {
		for _, r := range replies {
			fs := outbox.File{}
			hash := ""
			if r.Signature != nil {
				fs = *r.Signature
				hash = fs.Hash.String()
			}
			if _, err := tx.Exec(`INSERT INTO reply (environment, name, application, path, size, sha256, fs_name, fs_path, fs_size, fs_sha256, conflict, fetched_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
				r.Environment, r.File.Name, r.Name.Application, r.File.Path, r.File.Size, r.File.Hash.String(),
				fs.Name, fs.Path, fs.Size, hash, r.Conflict, timeText(r.FetchedAt)); err != nil {
				return err
			}
			if err := tx.QueryRow(`SELECT id FROM reply WHERE environment = $1 AND name = $2 AND sha256 = $3`,
				r.Environment, r.File.Name, r.File.Hash.String()).Scan(&r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddSignature implements outbox.Ledger. The reply is to be read again, since
// its signature was not looked at.
func (l *store) AddSignature(_ context.Context, replyID int64, fs outbox.File) error {
	return l.change(func(tx *sql.Tx) error {
		// Its new file lies in clear.
		if _, err := tx.Exec(`UPDATE reply SET sealed_at = '', pruned_at = '' WHERE id = $1`, replyID); err != nil {
			return err
		}
		res, err := tx.Exec(`UPDATE reply SET fs_name = $1, fs_path = $2, fs_size = $3, fs_sha256 = $4, read_at = '' WHERE id = $5 AND fs_name = ''`,
			fs.Name, fs.Path, fs.Size, fs.Hash.String(), replyID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		_, err = tx.Exec(`INSERT INTO other_signature (reply_id, name, path, size, sha256)
			SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM reply WHERE id = $1 AND fs_sha256 = $5) ON CONFLICT DO NOTHING`,
			replyID, fs.Name, fs.Path, fs.Size, fs.Hash.String())
		return err
	})
}

// StoredAgain implements outbox.Ledger: the reply lies in clear again, or will
// in a moment.
func (l *store) StoredAgain(_ context.Context, replyID int64) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE reply SET sealed_at = '', pruned_at = '' WHERE id = $1`, replyID)
		return err
	})
}

// Deleted implements outbox.Ledger.
func (l *store) Deleted(_ context.Context, replyID int64, at time.Time) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE reply SET deleted_at = $1 WHERE id = $2`, timeText(at), replyID)
		return err
	})
}
