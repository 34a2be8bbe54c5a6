package sqlite

import (
	"database/sql"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

// scanner is a row of a result.
type scanner interface{ Scan(targets ...any) error }

// each calls do with every row of a query, until it fails.
func each(rows *sql.Rows, err error, do func(row scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// all gives what the rows of a query hold.
func all[T any](rows *sql.Rows, err error, scan func(row scanner) (T, error)) ([]T, error) {
	var out []T
	err = each(rows, err, func(row scanner) error {
		v, err := scan(row)
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rowsQuerier is a transaction, or its statements.
type rowsQuerier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// column gives the values of a query of one column.
func column[T any](q rowsQuerier, query string, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	return all(rows, err, func(row scanner) (v T, err error) { return v, row.Scan(&v) })
}

// States and outcomes as lists in SQL.
var (
	neverLeft  = statesWhere(ledger.NeverLeft)
	unfinished = statesWhere(inbox.State.Unfinished)
	positive   = quoted(ledger.OutcomeAccepted, ledger.OutcomeRemarks)
)

func statesWhere(is func(inbox.State) bool) string {
	var in []inbox.State
	for _, s := range inbox.States() {
		if is(s) {
			in = append(in, s)
		}
	}
	return quoted(in...)
}

func quoted[T ~string](words ...T) string {
	var in []string
	for _, w := range words {
		in = append(in, "'"+string(w)+"'")
	}
	return strings.Join(in, ", ")
}
