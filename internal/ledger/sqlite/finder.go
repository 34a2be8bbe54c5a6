package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/socbatch/socbatch/internal/ledger"
)

// finder looks for what an answer may be about, in a transaction.
type finder struct{ q *statements }

func (f finder) SetNamed(key string) (id int64, found bool, err error) {
	err = f.q.QueryRow(`SELECT id FROM submission WHERE set_key = $1`, key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

func (f finder) SetsWithTicket(c ledger.Candidates, ticket string) ([]int64, error) {
	return f.candidates(c, `SELECT s.id FROM submission s WHERE s.ticket = $1`, ticket)
}

func (f finder) SetsWithReference(c ledger.Candidates, number string) ([]int64, error) {
	return f.candidates(c, setsWith("form_reference", "number = $1"), number)
}

func (f finder) SetsWithForm(c ledger.Candidates, date, hour string) ([]int64, error) {
	return f.candidates(c, setsWith("form", "date = $1 AND hour = $2"), date, hour)
}

// candidates gives at most two of the sets s that a query selects.
func (f finder) candidates(c ledger.Candidates, query string, args ...any) ([]int64, error) {
	query += ` AND s.state NOT IN (` + neverLeft + `)`
	for _, x := range []struct{ column, value string }{{"sender", c.Sender}, {"environment", string(c.Environment)}} {
		if x.value != "" {
			args = append(args, x.value)
			query += fmt.Sprintf(` AND s.%s = $%d`, x.column, len(args))
		}
	}
	return column[int64](f.q, query+` LIMIT 2`, args...)
}

// setsWith selects the sets that have a row in a table. It leaps from set to
// set: a declaration may have a million rows alike.
func setsWith(table, condition string) string {
	next := `SELECT MIN(submission_id) FROM ` + table + ` WHERE ` + condition
	return `WITH RECURSIVE found (id) AS (` + next + ` UNION ALL SELECT (` + next + ` AND submission_id > found.id) FROM found WHERE found.id IS NOT NULL)
		SELECT s.id FROM found JOIN submission s ON s.id = found.id WHERE TRUE`
}

func (f finder) FirstForm(set int64) (date, hour string, found bool, err error) {
	err = f.q.QueryRow(`SELECT date, hour FROM form WHERE submission_id = $1 ORDER BY part, position LIMIT 1`, set).Scan(&date, &hour)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", false, nil
	}
	return date, hour, err == nil, err
}

func (f finder) HasFormWithin(set int64, date, second string) (found bool, err error) {
	err = f.q.QueryRow(`SELECT EXISTS (SELECT 1 FROM form WHERE date = $1 AND hour >= $2 AND hour < $3 AND submission_id = $4)`,
		date, second, second+"~", set).Scan(&found)
	return found, err
}

func (f finder) FormsWithReference(set int64, number string) ([]ledger.Place, error) {
	return f.places(`SELECT DISTINCT part, position FROM form_reference WHERE number = $1 AND submission_id = $2`, number, set)
}

func (f finder) FormsAt(set int64, date, hour string) ([]ledger.Place, error) {
	return f.places(`SELECT part, position FROM form WHERE date = $1 AND hour = $2 AND submission_id = $3`, date, hour, set)
}

func (f finder) Forms(set int64, part int) ([]ledger.Place, error) {
	return f.places(`SELECT part, position FROM form WHERE submission_id = $1 AND ($2 = 0 OR part = $2)`, set, part)
}

// places gives at most two of the forms that a query selects.
func (f finder) places(query string, args ...any) ([]ledger.Place, error) {
	rows, err := f.q.Query(query+` LIMIT 2`, args...)
	return all(rows, err, func(row scanner) (p ledger.Place, err error) { return p, row.Scan(&p.Part, &p.Form) })
}
