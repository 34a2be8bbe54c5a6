package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/socbatch/socbatch/internal/ledger"
)

// snapshot is a transaction that reads.
type snapshot struct {
	tx   *sql.Tx
	args []any
}

// Snapshot implements ledger.Ledger.
func (l *store) Snapshot(ctx context.Context, p ledger.Period, do func(ledger.Snapshot) error) error {
	tx, err := l.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return failed(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return do(&snapshot{tx, []any{timeText(p.Since), timeText(p.Until), p.Environment}})
}

const (
	inPeriodSet   = `($1 = '' OR s.created_at >= $1) AND ($2 = '' OR s.created_at < $2) AND ($3 = '' OR s.environment = $3)`
	inPeriodReply = `(($1 = '' OR r.fetched_at >= $1) AND ($2 = '' OR r.fetched_at < $2) AND ($3 = '' OR r.environment = $3)
		OR EXISTS (SELECT 1 FROM submission s WHERE s.id IN (SELECT b.submission_id FROM answer b WHERE b.reply_id = r.id) AND ` + inPeriodSet + `))`
	setName = `s.set_key || '.' || s.parts`
)

// table is a part of the ledger as it is given away. Columns are added at the
// end, never renamed.
type table struct {
	name    string
	columns []string // a trailing # marks a number, a ? a truth value
	from    string
}

var tables = []table{
	{"submissions", []string{
		setName + " AS name", "s.application", "s.sender", "s.date", "s.sequence", "s.environment", "s.parts #", "s.state", "s.note", "s.reason",
		"s.signed_by", "s.ticket", "s.forms #", "s.created_at", "s.updated_at", "s.sent_at", "s.sealed_at", "s.pruned_at",
	}, `FROM submission s WHERE ` + inPeriodSet + ` ORDER BY s.id`},
	{"history", []string{setName + " AS name", "e.at", "e.state", "e.note"},
		`FROM event e JOIN submission s ON s.id = e.submission_id WHERE ` + inPeriodSet + ` ORDER BY e.submission_id, e.id`},
	{"parts", []string{setName + " AS name", "p.number #", "p.source", "p.root", "p.size #", "p.sha256", "p.fs_size #", "p.fs_sha256"},
		`FROM part p JOIN submission s ON s.id = p.submission_id WHERE ` + inPeriodSet + ` ORDER BY p.submission_id, p.number`},
	{"replies", []string{
		"r.id #", "r.environment", "r.name", "r.application", "r.path", "r.size #", "r.sha256", "r.fs_name", "r.fs_path", "r.fs_size #", "r.fs_sha256",
		"r.signature", "r.conflict ?", "r.fetched_at", "r.deleted_at", "r.read_at", "r.root", "r.forms #", "r.problem", "r.sealed_at", "r.pruned_at",
	}, `FROM reply r WHERE ` + inPeriodReply + ` ORDER BY r.id`},
	{"answers", []string{
		"a.id #", "a.reply_id #", "r.name AS reply", "a.position #", "a.kind", "a.outcome", "COALESCE(" + setName + ", '') AS submission", "a.part #",
		"a.form #", "a.matched_by", "a.file_name", "a.ticket", "a.reference", "a.form_date", "a.form_hour",
	}, `FROM reply r JOIN answer a ON a.reply_id = r.id LEFT JOIN submission s ON s.id = a.submission_id WHERE ` + inPeriodReply + ` ORDER BY r.id, a.position`},
	{"anomalies", []string{"a.id # AS answer_id", "r.name AS reply", "a.position # AS form", "x.position #", "x.error_id", "x.class", "x.tag", "x.location"},
		`FROM reply r JOIN answer a ON a.reply_id = r.id JOIN anomaly x ON x.answer_id = a.id WHERE ` + inPeriodReply + ` ORDER BY r.id, a.position, x.position`},
}

// Tables implements ledger.Snapshot.
func (s *snapshot) Tables() []string {
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	return names
}

// Rows implements ledger.Snapshot.
func (s *snapshot) Rows(ctx context.Context, name string, each func(columns []string, values []any) error) error {
	for _, t := range tables {
		if t.name == name {
			return s.rows(ctx, t, each)
		}
	}
	return fmt.Errorf("ledger: no table %s", name)
}

// Columns implements ledger.Snapshot.
func (s *snapshot) Columns(name string) []string {
	var out []string
	for _, t := range tables {
		for _, c := range t.columns {
			if t.name == name {
				out = append(out, columnName(c))
			}
		}
	}
	return out
}

// columnName is the name under which a column is given away.
func columnName(c string) string {
	if _, as, ok := strings.Cut(c, " AS "); ok {
		return as
	}
	_, c, _ = strings.Cut(strings.TrimRight(c, " #?"), ".")
	return c
}

func (s *snapshot) rows(ctx context.Context, t table, each func([]string, []any) error) error {
	names := s.Columns(t.name)
	var selected []string
	for _, c := range t.columns {
		selected = append(selected, strings.NewReplacer(" #", "", " ?", "").Replace(c))
	}
	rows, err := s.tx.QueryContext(ctx, `SELECT `+strings.Join(selected, ", ")+` `+t.from, s.args...)
	if err != nil {
		return failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	values, targets := make([]any, len(names)), make([]any, len(names))
	texts, numbers := make([]string, len(names)), make([]int64, len(names))
	for i, c := range t.columns {
		targets[i] = &texts[i]
		if strings.ContainsAny(c, "#?") {
			targets[i] = &numbers[i]
		}
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return failed(err)
		}
		for i, c := range t.columns {
			switch {
			case strings.Contains(c, "#"):
				values[i] = numbers[i]
			case strings.Contains(c, "?"):
				values[i] = numbers[i] != 0
			default:
				values[i] = texts[i]
			}
		}
		if err := each(names, values); err != nil {
			return err
		}
	}
	return failed(rows.Err())
}

// Holdings implements ledger.Snapshot.
func (s *snapshot) Holdings(ctx context.Context, kind ledger.HoldingKind, each func(ledger.KeptHolding) error) error {
	const limit = 500
	for above := int64(0); ; {
		args := append(append([]any{}, s.args...), above)
		var found []ledger.Holding
		var err error
		if kind == ledger.HeldSet {
			found, err = setHoldings(ctx, s.tx, inPeriodSet+fmt.Sprintf(` AND s.id > $4 ORDER BY s.id LIMIT %d`, limit), args...)
		} else {
			found, err = replyHoldings(ctx, s.tx, inPeriodReply+fmt.Sprintf(` AND r.id > $4 ORDER BY r.id LIMIT %d`, limit), args...)
		}
		if err != nil || len(found) == 0 {
			return err
		}
		above = found[len(found)-1].ID
		for _, h := range found {
			k, err := s.kept(ctx, h)
			if err == nil {
				err = each(k)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (s *snapshot) kept(ctx context.Context, h ledger.Holding) (ledger.KeptHolding, error) {
	at := "created_at"
	if h.Kind == ledger.HeldReply {
		at = "fetched_at"
	}
	var made, sealed, pruned string
	err := s.tx.QueryRowContext(ctx, `SELECT `+at+`, sealed_at, pruned_at FROM `+string(h.Kind)+` WHERE id = $1`, h.ID).Scan(&made, &sealed, &pruned)
	if err != nil {
		return ledger.KeptHolding{}, failed(err)
	}
	return ledger.KeptHolding{Holding: h, At: parseTime(made), Sealed: parseTime(sealed), Pruned: parseTime(pruned)}, nil
}
