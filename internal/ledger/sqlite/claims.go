package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

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
