package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// Submissions implements ledger.Sets.
func (l *store) Submissions(ctx context.Context, f ledger.Filter) ([]inbox.Submission, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(column string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf("%s $%d", column, len(args)))
	}
	if f.Environment != "" {
		add("environment =", f.Environment)
	}
	if f.Sender != "" {
		add("sender =", f.Sender)
	}
	if f.Application != "" {
		add("application =", f.Application)
	}
	if !f.Since.IsZero() {
		add("created_at >=", timeText(f.Since))
	}
	if len(f.States) > 0 {
		var in []string
		for _, s := range f.States {
			args = append(args, s)
			in = append(in, fmt.Sprintf("$%d", len(args)))
		}
		where = append(where, "state IN ("+strings.Join(in, ", ")+")")
	}
	clause := strings.Join(where, " AND ") + " ORDER BY id DESC"
	if f.Limit > 0 {
		clause += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return loadContext(ctx, l.reads, clause, args...)
}

// Find implements ledger.Sets.
func (l *store) Find(ctx context.Context, name string) (inbox.Submission, error) {
	found, err := loadContext(ctx, l.reads, `set_key = $1`, ledger.SetKey(name))
	if err != nil {
		return inbox.Submission{}, err
	}
	if len(found) == 0 {
		return inbox.Submission{}, fmt.Errorf("%s: %w", name, ledger.ErrNoSubmission)
	}
	return found[0], nil
}

// Submission implements ledger.Sets.
func (l *store) Submission(ctx context.Context, id int64) (inbox.Submission, error) {
	found, err := loadContext(ctx, l.reads, `id = $1`, id)
	if err != nil {
		return inbox.Submission{}, err
	}
	if len(found) == 0 {
		return inbox.Submission{}, ledger.ErrNoSubmission
	}
	return found[0], nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func load(q querier, where string, args ...any) ([]inbox.Submission, error) {
	return loadContext(context.Background(), q, where, args...)
}

func loadContext(ctx context.Context, q querier, where string, args ...any) ([]inbox.Submission, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, application, sender, date, sequence, environment, parts, state, note, reason, spool, signed_by, ticket, created_at, updated_at, sent_at
		FROM submission s WHERE `+where, args...)
	out, err := all(rows, err, func(row scanner) (inbox.Submission, error) {
		var s inbox.Submission
		var created, updated, sent string
		err := row.Scan(&s.ID, &s.Set.Application, &s.Set.Sender, &s.Set.Date, &s.Set.Sequence, &s.Set.Environment, &s.Set.Parts,
			&s.State, &s.Note, &s.Reason, &s.Spool, &s.SignedBy, &s.Ticket, &created, &updated, &sent)
		s.CreatedAt, s.UpdatedAt, s.SentAt = parseTime(created), parseTime(updated), parseTime(sent)
		return s, err
	})
	if err == nil {
		err = loadParts(ctx, q, out)
	}
	return out, failed(err)
}

// loadParts adds the parts of sets, a few hundred sets per query.
func loadParts(ctx context.Context, q querier, sets []inbox.Submission) error {
	const chunk = 400
	for len(sets) > 0 {
		n := min(chunk, len(sets))
		byID := make(map[int64]*inbox.Submission, n)
		var in []string
		var args []any
		for i := range sets[:n] {
			byID[sets[i].ID] = &sets[i]
			args = append(args, sets[i].ID)
			in = append(in, fmt.Sprintf("$%d", len(args)))
		}
		if err := scanParts(ctx, q, byID, strings.Join(in, ", "), args); err != nil {
			return err
		}
		sets = sets[n:]
	}
	return nil
}

func scanParts(ctx context.Context, q querier, byID map[int64]*inbox.Submission, in string, args []any) error {
	rows, err := q.QueryContext(ctx, `SELECT submission_id, number, source, root, size, sha256, fs_size, fs_sha256, crlf_sha256, source_sha256, moved_to
		FROM part WHERE submission_id IN (`+in+`) ORDER BY submission_id, number`, args...)
	return each(rows, err, func(row scanner) error {
		var id int64
		var p inbox.Part
		var hash, fs, crlf, source string
		var moved sql.NullString
		if err := row.Scan(&id, &p.Number, &p.Source, &p.Root, &p.Size, &hash, &p.SignSize, &fs, &crlf, &source, &moved); err != nil {
			return err
		}
		p.ToMove, p.MovedTo = moved.Valid && moved.String == "", moved.String
		if p.Hash, err = checksum.Parse(hash); err != nil {
			return err
		}
		if p.CRLF, err = checksum.Parse(crlf); err != nil {
			return err
		}
		if p.Original, err = checksum.Parse(source); err != nil {
			return err
		}
		if fs != "" {
			if p.Signature, err = checksum.Parse(fs); err != nil {
				return err
			}
		}
		byID[id].Parts = append(byID[id].Parts, p)
		return nil
	})
}

// History implements ledger.Sets.
func (l *store) History(ctx context.Context, id int64) ([]ledger.Event, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT at, state, note FROM event WHERE submission_id = $1 ORDER BY id`, id)
	out, err := all(rows, err, func(row scanner) (ledger.Event, error) {
		var e ledger.Event
		var at string
		err := row.Scan(&at, &e.State, &e.Note)
		e.At = parseTime(at)
		return e, err
	})
	return out, failed(err)
}

// Spools implements ledger.Sets.
func (l *store) Spools(ctx context.Context) (map[string]bool, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT spool FROM submission`)
	all := map[string]bool{}
	err = each(rows, err, func(row scanner) error {
		var s string
		if err := row.Scan(&s); err != nil {
			return err
		}
		all[s] = true
		return nil
	})
	return all, failed(err)
}

// LastChange implements ledger.Sets.
func (l *store) LastChange(ctx context.Context) (time.Time, error) {
	var at string
	err := l.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(at), '') FROM event`).Scan(&at)
	if err != nil {
		return time.Time{}, failed(err)
	}
	return parseTime(at), nil
}

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
