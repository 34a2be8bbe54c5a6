package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// Reserve implements inbox.Ledger.
func (l *store) Reserve(ctx context.Context, drafts []inbox.Draft) []inbox.Reserved {
	return l.reserve(ctx, drafts, nil)
}

// errPreview undoes a reservation that was only tried.
var errPreview = errors.New("preview")

// Preview implements ledger.Sets.
func (l *store) Preview(ctx context.Context, drafts []inbox.Draft) []inbox.Reserved {
	return l.reserve(ctx, drafts, errPreview)
}

func (l *store) reserve(ctx context.Context, drafts []inbox.Draft, undo error) []inbox.Reserved {
	out := make([]inbox.Reserved, len(drafts))
	failAll := func(err error) []inbox.Reserved {
		for i := range out {
			out[i] = inbox.Reserved{Err: err}
		}
		return out
	}
	if err := ctx.Err(); err != nil {
		return failAll(err)
	}
	err := l.change(func(tx *sql.Tx) error {
		for i, d := range drafts {
			if _, err := tx.Exec(`SAVEPOINT draft`); err != nil {
				return err
			}
			out[i].Submission, out[i].Err = l.reserveOne(tx, d)
			if out[i].Err != nil {
				if _, err := tx.Exec(`ROLLBACK TO SAVEPOINT draft`); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(`RELEASE SAVEPOINT draft`); err != nil {
				return err
			}
		}
		return undo
	})
	if err != nil && (undo == nil || !errors.Is(err, undo)) {
		return failAll(err)
	}
	return out
}

func (l *store) reserveOne(tx *sql.Tx, d inbox.Draft) (inbox.Submission, error) {
	if err := l.checkClaims(tx, d); err != nil {
		return inbox.Submission{}, err
	}
	if err := checkForeign(tx, d); err != nil {
		return inbox.Submission{}, err
	}
	return l.insert(tx, d)
}

func (l *store) insert(tx *sql.Tx, d inbox.Draft) (inbox.Submission, error) {
	fail := func(err error) (inbox.Submission, error) { return inbox.Submission{}, err }
	sequence := d.Sequence
	if sequence == "" {
		var err error
		if sequence, err = nextSequence(tx, d); err != nil {
			return fail(err)
		}
	}
	set := naming.Set{
		Application: d.Application, Sender: d.Sender, Date: d.Date, Sequence: sequence,
		Environment: d.Environment, Parts: len(d.Parts),
	}
	if err := set.Check(); err != nil {
		return fail(err)
	}
	forms := 0
	for _, p := range d.Parts {
		forms += len(p.Forms)
	}
	now := l.stamp()
	res, err := tx.Exec(`INSERT INTO submission (set_key, application, sender, date, sequence, environment, parts, state, reason, spool, signed_by, forms, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13 WHERE NOT EXISTS (SELECT 1 FROM foreign_name WHERE set_key = $1)
		ON CONFLICT (set_key) DO NOTHING`,
		set.Key(), set.Application, set.Sender, set.Date, set.Sequence, set.Environment, set.Parts,
		inbox.Prepared, d.Reason, d.Spool, d.SignedBy, forms, now)
	if err != nil {
		return fail(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fail(errors.Join(err, &inbox.NameUsedError{Name: set.String()}))
	}
	var id int64
	if err := tx.QueryRow(`SELECT id FROM submission WHERE set_key = $1`, set.Key()).Scan(&id); err != nil {
		return fail(err)
	}
	for _, p := range d.Parts {
		if err := insertPart(tx, id, d, p); err != nil {
			return fail(err)
		}
	}
	note := ""
	if d.Reason != "" {
		note = "sent again: " + d.Reason
	}
	if err := addEvent(tx, id, now, inbox.Prepared, note); err != nil {
		return fail(err)
	}
	at := parseTime(now)
	return inbox.Submission{
		ID: id, Set: set, State: inbox.Prepared, Reason: d.Reason, Parts: d.Parts, Spool: d.Spool,
		SignedBy: d.SignedBy, CreatedAt: at, UpdatedAt: at,
	}, nil
}

// nextSequence gives the number after the last one of the day. Numbers that a
// person chose are in the table of submissions only, so both are looked at.
func nextSequence(tx *sql.Tx, d inbox.Draft) (naming.Sequence, error) {
	var last naming.Sequence
	err := tx.QueryRow(`SELECT last FROM numbering WHERE application = $1 AND sender = $2 AND date = $3 AND environment = $4`,
		d.Application, d.Sender, d.Date, d.Environment).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	for {
		if last, err = last.Next(); err != nil {
			return "", err
		}
		var used int
		set := naming.Set{Application: d.Application, Sender: d.Sender, Date: d.Date, Sequence: last, Environment: d.Environment}
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM submission WHERE set_key = $1) OR EXISTS (SELECT 1 FROM foreign_name WHERE set_key = $1)`, set.Key()).Scan(&used); err != nil {
			return "", err
		}
		if used == 0 {
			break
		}
	}
	_, err = tx.Exec(`INSERT INTO numbering (application, sender, date, environment, last) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (application, sender, date, environment) DO UPDATE SET last = excluded.last`,
		d.Application, d.Sender, d.Date, d.Environment, last)
	return last, err
}

func insertPart(tx *sql.Tx, id int64, d inbox.Draft, p inbox.Part) error {
	fs := ""
	if p.SignSize > 0 {
		fs = p.Signature.String()
	}
	crlf, source := cmp.Or(p.CRLF, p.Hash), cmp.Or(p.Original, p.Hash)
	if _, err := tx.Exec(`INSERT INTO part (submission_id, number, source, root, size, sha256, fs_size, fs_sha256, crlf_sha256, source_sha256, moved_to) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		id, p.Number, p.Source, p.Root, p.Size, p.Hash.String(), p.SignSize, fs, crlf.String(), source.String(), sql.NullString{Valid: d.ToMove}); err != nil {
		return err
	}
	for _, h := range ledger.Claimed(p) {
		if _, err := tx.Exec(`INSERT INTO claim (sender, environment, application, sha256, submission_id, part) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (sender, environment, application, sha256) DO UPDATE SET submission_id = excluded.submission_id, part = excluded.part`,
			d.Sender, d.Environment, d.Application, h.String(), id, p.Number); err != nil {
			return err
		}
	}
	for i, f := range p.Forms {
		if _, err := tx.Exec(`INSERT INTO form (submission_id, part, position, date, hour) VALUES ($1, $2, $3, $4, $5)`,
			id, p.Number, i+1, f.Date, f.Hour); err != nil {
			return err
		}
		for _, r := range f.References {
			if _, err := tx.Exec(`INSERT INTO form_reference (submission_id, part, position, type, number) VALUES ($1, $2, $3, $4, $5)`,
				id, p.Number, i+1, r.Type, r.Number); err != nil {
				return err
			}
		}
	}
	return nil
}
