package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

var _ inbox.Ledger = (*store)(nil)

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

// checkClaims refuses contents that another set has, see ledger.Duplicate.
func (l *store) checkClaims(tx *sql.Tx, d inbox.Draft) error {
	for _, p := range d.Parts {
		for _, h := range p.Contents() {
			var id int64
			err := tx.QueryRow(`SELECT submission_id FROM claim WHERE sender = $1 AND environment = $2 AND application = $3 AND sha256 = $4`,
				d.Sender, d.Environment, d.Application, h.String()).Scan(&id)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			old, err := load(tx, `id = $1`, id)
			if err != nil {
				return err
			}
			if err := ledger.Duplicate(d, p.Number, old[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Holders implements ledger.Sets.
func (l *store) Holders(ctx context.Context, f ledger.Filter, contents []inbox.Hash) ([]inbox.Submission, error) {
	where, args := []string{}, []any{}
	for _, c := range []struct{ column, value string }{{"sender", f.Sender}, {"environment", string(f.Environment)}, {"application", f.Application}} {
		if c.value != "" {
			args = append(args, c.value)
			where = append(where, fmt.Sprintf("%s = $%d", c.column, len(args)))
		}
	}
	var in []string
	for _, h := range contents {
		args = append(args, h.String())
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	where = append(where, "sha256 IN ("+strings.Join(in, ", ")+")")
	return loadContext(ctx, l.reads, `id IN (SELECT submission_id FROM claim WHERE `+strings.Join(where, " AND ")+`) ORDER BY id DESC`, args...)
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

// Move implements inbox.Ledger.
func (l *store) Move(_ context.Context, id int64, to inbox.State, note string) error {
	return l.change(func(tx *sql.Tx) error { return l.move(tx, id, to, note, l.stamp()) })
}

// move changes a state along inbox.State.CanBecome. The condition stands in
// the UPDATE too, so that it holds whatever another process does.
func (l *store) move(tx *sql.Tx, id int64, to inbox.State, note, now string) error {
	var from inbox.State
	var name string
	if err := tx.QueryRow(`SELECT state, set_key FROM submission WHERE id = $1`, id).Scan(&from, &name); err != nil {
		return err
	}
	if !from.CanBecome(to) {
		return &inbox.StateError{Name: name, Now: from, To: to}
	}
	res, err := tx.Exec(`UPDATE submission SET state = $1, note = $2, updated_at = $3 WHERE id = $4 AND state = $5`, to, note, now, id, from)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, &inbox.StateError{Name: name, Now: from, To: to})
	}
	// An answer proves that the set was sent, whatever was known before.
	if to == inbox.Sent || to.Answered() {
		if _, err := tx.Exec(`UPDATE submission SET sent_at = $1 WHERE id = $2 AND sent_at = ''`, now, id); err != nil {
			return err
		}
	}
	switch {
	case to == inbox.Cancelled:
		if err := l.release(tx, id); err != nil {
			return err
		}
	case from == inbox.Cancelled: // it arrived after all
		if err := claim(tx, id); err != nil {
			return err
		}
	}
	return addEvent(tx, id, now, to, note)
}

// release lets the contents of a set be sent again, unless they were sent in
// an earlier set too: that one holds them then.
func (l *store) release(tx *sql.Tx, id int64) error {
	if _, err := tx.Exec(`DELETE FROM claim WHERE submission_id = $1`, id); err != nil {
		return err
	}
	others, err := column[int64](tx, `SELECT DISTINCT s.id FROM submission me
		JOIN part mine ON mine.submission_id = me.id
		JOIN part p ON p.sha256 = mine.sha256 OR p.crlf_sha256 = mine.crlf_sha256
		JOIN submission s ON s.id = p.submission_id
		WHERE me.id = $1 AND s.id <> me.id AND s.sender = me.sender AND s.environment = me.environment AND s.application = me.application
			AND s.state <> 'cancelled' ORDER BY s.id DESC`, id)
	if err != nil {
		return err
	}
	for _, other := range others {
		v, err := l.verdict(tx, other)
		if err != nil {
			return err
		}
		if v.Nothing {
			continue
		}
		if err := claim(tx, other); err != nil {
			return err
		}
	}
	return nil
}

// claim gives a set those of its contents that no other set has.
func claim(tx *sql.Tx, id int64) error {
	for _, hash := range []string{"sha256", "crlf_sha256"} {
		if _, err := tx.Exec(`INSERT INTO claim (sender, environment, application, sha256, submission_id, part)
			SELECT s.sender, s.environment, s.application, p.`+hash+`, s.id, p.number FROM submission s JOIN part p ON p.submission_id = s.id
			WHERE s.id = $1 ON CONFLICT (sender, environment, application, sha256) DO NOTHING`, id); err != nil {
			return err
		}
	}
	return nil
}

func addEvent(tx *sql.Tx, id int64, now string, state inbox.State, note string) error {
	_, err := tx.Exec(`INSERT INTO event (submission_id, at, state, note) VALUES ($1, $2, $3, $4)`, id, now, state, note)
	return err
}

// Note implements inbox.Ledger.
func (l *store) Note(_ context.Context, id int64, note string) error {
	return l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		if _, err := tx.Exec(`UPDATE submission SET note = $1, updated_at = $2 WHERE id = $3`, note, now, id); err != nil {
			return err
		}
		var state inbox.State
		if err := tx.QueryRow(`SELECT state FROM submission WHERE id = $1`, id).Scan(&state); err != nil {
			return err
		}
		return addEvent(tx, id, now, state, note)
	})
}

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
