package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

type execer interface {
	Exec(query string, args ...any) (sql.Result, error)
}

// rememberForeign remembers that somebody else delivered under a name, as an
// answer shows; see ledger.ForeignIn for what later ones change.
func (l *store) rememberForeign(q execer, n ledger.ForeignName) error {
	f := strings.Split(n.Name, ".")
	_, err := q.Exec(`INSERT INTO foreign_name (set_key, application, sender, environment, reply, seen_at, refused, found_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (set_key) DO UPDATE
		SET seen_at = MIN(seen_at, excluded.seen_at), refused = MIN(refused, excluded.refused)
		WHERE seen_at > excluded.seen_at OR refused > excluded.refused`,
		n.Name, f[0], f[1], f[4], n.Reply, timeText(n.SeenAt), n.Refused, l.stamp())
	return err
}

// foreignUseOf remembers that somebody else used the name of a set of ours.
func (l *store) foreignUseOf(tx *sql.Tx, id int64) error {
	var n ledger.ForeignName
	var seen string
	err := tx.QueryRow(`SELECT s.set_key, r.name, COALESCE(NULLIF(a.made_at, ''), r.fetched_at) FROM submission s
		JOIN answer a ON a.submission_id = s.id JOIN reply r ON r.id = a.reply_id WHERE s.id = $1 ORDER BY a.id LIMIT 1`, id).Scan(&n.Name, &n.Reply, &seen)
	if err != nil {
		return err
	}
	n.SeenAt = parseTime(seen)
	return l.rememberForeign(tx, n)
}

// checkForeign refuses contents that may have gone already, see ledger.MaybeSent.
func checkForeign(tx *sql.Tx, d inbox.Draft) error {
	rows, err := tx.Query(`SELECT set_key, reply, seen_at, refused FROM foreign_name
		WHERE sender = $1 AND environment = $2 AND application = $3 AND refused = 0 AND seen_at >= $4 ORDER BY seen_at DESC, set_key`,
		d.Sender, d.Environment, d.Application, timeText(ledger.SuspectFrom(d)))
	names, err := all(rows, err, func(row scanner) (n ledger.ForeignName, err error) {
		var seen string
		err = row.Scan(&n.Name, &n.Reply, &seen, &n.Refused)
		n.SeenAt = parseTime(seen)
		return n, err
	})
	if err != nil {
		return err
	}
	return ledger.MaybeSent(d, names)
}

// ForeignNames implements ledger.Sets.
func (l *store) ForeignNames(ctx context.Context, sender string, env naming.Environment) ([]inbox.ForeignUse, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT set_key, reply, seen_at FROM foreign_name
		WHERE ($1 = '' OR sender = $1) AND ($2 = '' OR environment = $2) ORDER BY seen_at DESC, set_key`, sender, env)
	found, err := all(rows, err, func(row scanner) (u inbox.ForeignUse, err error) {
		var seen string
		err = row.Scan(&u.Name, &u.Reply, &seen)
		u.SeenAt = parseTime(seen)
		return u, err
	})
	return found, failed(err)
}
