package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

var _ outbox.Ledger = (*Ledger)(nil)

// FilesNamed implements outbox.Ledger.
func (l *Ledger) FilesNamed(ctx context.Context, env naming.Environment, name string) ([]outbox.Stored, error) {
	rows, err := l.reads.QueryContext(ctx, `
		SELECT id, path, size, sha256, conflict FROM reply WHERE environment = $1 AND name = $2
		UNION ALL
		SELECT id, fs_path, fs_size, fs_sha256, conflict FROM reply WHERE environment = $1 AND fs_name = $2
		UNION ALL
		SELECT r.id, o.path, o.size, o.sha256, 1 FROM other_signature o JOIN reply r ON r.id = o.reply_id WHERE r.environment = $1 AND o.name = $2
		ORDER BY 1`, env, name)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []outbox.Stored
	for rows.Next() {
		s := outbox.Stored{File: outbox.File{Name: name}}
		var hash string
		if err := rows.Scan(&s.ReplyID, &s.File.Path, &s.File.Size, &hash, &s.Conflict); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		if s.File.Hash, err = outbox.ParseHash(hash); err != nil {
			return nil, fmt.Errorf("ledger: reply %d: %w", s.ReplyID, err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// StoreReplies implements outbox.Ledger.
func (l *Ledger) StoreReplies(_ context.Context, replies []*outbox.Reply) error {
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
func (l *Ledger) AddSignature(_ context.Context, replyID int64, fs outbox.File) error {
	return l.change(func(tx *sql.Tx) error {
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

// Deleted implements outbox.Ledger.
func (l *Ledger) Deleted(_ context.Context, replyID int64, at time.Time) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE reply SET deleted_at = $1 WHERE id = $2`, timeText(at), replyID)
		return err
	})
}

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
	Signature   string // what checking the FS gave
	Problem     string // why it could not be read
}

const replyColumns = `id, environment, name, application, path, fs_path, size, sha256, conflict, fetched_at, deleted_at, read_at, root, forms, signature, problem`

func scanReplies(rows *sql.Rows, err error) ([]Reply, error) {
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []Reply
	for rows.Next() {
		var r Reply
		var fetched, deleted, read string
		if err := rows.Scan(&r.ID, &r.Environment, &r.Name, &r.Application, &r.Path, &r.FSPath, &r.Size, &r.SHA256, &r.Conflict,
			&fetched, &deleted, &read, &r.Root, &r.Forms, &r.Signature, &r.Problem); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		r.FetchedAt, r.DeletedAt, r.ReadAt = parseTime(fetched), parseTime(deleted), parseTime(read)
		out = append(out, r)
	}
	return out, rows.Err()
}

// UnreadReplies gives the stored replies whose answers are not entered yet:
// receipts first, since a notification may name a set by the ticket of its
// receipt; among equals the oldest first.
func (l *Ledger) UnreadReplies(ctx context.Context) ([]Reply, error) {
	return scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply WHERE read_at = ''
		ORDER BY CASE WHEN application = 'ACRF' THEN 0 ELSE 1 END, id`))
}

// RepliesTo gives the replies that answer a set, oldest first.
func (l *Ledger) RepliesTo(ctx context.Context, submission int64) ([]Reply, error) {
	return scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply
		WHERE id IN (SELECT reply_id FROM answer WHERE submission_id = $1) ORDER BY id`, submission))
}

// Reply gives a stored reply.
func (l *Ledger) Reply(ctx context.Context, id int64) (Reply, error) {
	found, err := scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply WHERE id = $1`, id))
	if err != nil {
		return Reply{}, err
	}
	if len(found) == 0 {
		return Reply{}, errors.New("no such reply in the ledger")
	}
	return found[0], nil
}
