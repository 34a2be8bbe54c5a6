package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// foreign remembers that somebody else delivered under a name, as an answer
// shows.
func (l *store) foreign(q *statements, key string, r ledger.Reply, a *ledger.Answer) error {
	refused := a.Kind == ledger.KindReceipt && a.Outcome == ledger.OutcomeRefused
	for _, x := range a.Anomalies {
		refused = refused && x.ErrorID != errNameUsed
	}
	seen := a.MadeAt
	if seen.IsZero() {
		seen = r.FetchedAt
	}
	return l.rememberForeign(q, key, r.Name, seen, refused)
}

type execer interface {
	Exec(query string, args ...any) (sql.Result, error)
}

func (l *store) rememberForeign(q execer, key, reply string, seen time.Time, refused bool) error {
	f := strings.Split(key, ".")
	// Later answers may show that something of it was processed, or that it came
	// earlier.
	_, err := q.Exec(`INSERT INTO foreign_name (set_key, application, sender, environment, reply, seen_at, refused, found_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (set_key) DO UPDATE
		SET seen_at = MIN(seen_at, excluded.seen_at), refused = MIN(refused, excluded.refused)
		WHERE seen_at > excluded.seen_at OR refused > excluded.refused`,
		key, f[0], f[1], f[4], reply, timeText(seen), refused, l.stamp())
	return err
}

// foreignUseOf remembers that somebody else used the name of a set of ours.
func (l *store) foreignUseOf(tx *sql.Tx, id int64) error {
	var key, reply, made, fetched string
	err := tx.QueryRow(`SELECT s.set_key, r.name, a.made_at, r.fetched_at FROM submission s
		JOIN answer a ON a.submission_id = s.id JOIN reply r ON r.id = a.reply_id WHERE s.id = $1 ORDER BY a.id LIMIT 1`, id).Scan(&key, &reply, &made, &fetched)
	if err != nil {
		return err
	}
	if made == "" {
		made = fetched
	}
	return l.rememberForeign(tx, key, reply, parseTime(made), false)
}

// formTolerance is by how much the clock of the program that made a declaration
// may be ahead of the office's.
const formTolerance = time.Hour

// checkForeign refuses contents that may have gone already, under a name of
// which this ledger knows nothing but that somebody used it. What was made after
// the office had that name did not go under it.
func checkForeign(tx *sql.Tx, d inbox.Draft) error {
	if d.Again {
		return nil
	}
	made := earliest(d)
	rows, err := tx.Query(`SELECT set_key, reply, seen_at FROM foreign_name
		WHERE sender = $1 AND environment = $2 AND application = $3 AND refused = 0 AND seen_at >= $4 ORDER BY seen_at DESC, set_key`,
		d.Sender, d.Environment, d.Application, timeText(made))
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	e := &inbox.MaybeSentError{}
	for rows.Next() {
		var u inbox.ForeignUse
		var seen string
		if err := rows.Scan(&u.Name, &u.Reply, &seen); err != nil {
			return err
		}
		if u.SeenAt = parseTime(seen); e.Count == 0 {
			e.Use = u
		}
		e.Count++
	}
	if err := rows.Err(); err != nil || e.Count == 0 {
		return err
	}
	return e
}

// earliest is when the oldest form of a draft was made, less a tolerance; zero
// where a form does not say.
func earliest(d inbox.Draft) time.Time {
	var first time.Time
	for _, p := range d.Parts {
		for _, f := range p.Forms {
			at, ok := naming.Moment(f.Date, f.Hour)
			if !ok {
				return time.Time{}
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(-formTolerance)
}

// ForeignNames gives the names of a sender (empty: of every one) under which
// somebody else delivered to an environment (empty: to any), newest first.
func (l *store) ForeignNames(ctx context.Context, sender string, env naming.Environment) ([]inbox.ForeignUse, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT set_key, reply, seen_at FROM foreign_name
		WHERE ($1 = '' OR sender = $1) AND ($2 = '' OR environment = $2) ORDER BY seen_at DESC, set_key`, sender, env)
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []inbox.ForeignUse
	for rows.Next() {
		var u inbox.ForeignUse
		var seen string
		if err := rows.Scan(&u.Name, &u.Reply, &seen); err != nil {
			return nil, failed(err)
		}
		u.SeenAt = parseTime(seen)
		out = append(out, u)
	}
	return out, failed(rows.Err())
}
