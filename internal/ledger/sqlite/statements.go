package sqlite

import "database/sql"

// statements runs queries in a transaction and compiles each only once: for a
// reply with a million forms the same few run a million times.
type statements struct {
	tx       *sql.Tx
	compiled map[string]*sql.Stmt
}

func newStatements(tx *sql.Tx) *statements {
	return &statements{tx: tx, compiled: map[string]*sql.Stmt{}}
}

// close frees what was compiled; the transaction goes on.
func (s *statements) close() {
	for _, c := range s.compiled {
		_ = c.Close() // only memory is given back
	}
}

func (s *statements) compile(query string) (*sql.Stmt, error) {
	if c := s.compiled[query]; c != nil {
		return c, nil
	}
	c, err := s.tx.Prepare(query)
	if err != nil {
		return nil, err
	}
	s.compiled[query] = c
	return c, nil
}

func (s *statements) Exec(query string, args ...any) (sql.Result, error) {
	c, err := s.compile(query)
	if err != nil {
		return nil, err
	}
	return c.Exec(args...)
}

func (s *statements) Query(query string, args ...any) (*sql.Rows, error) {
	c, err := s.compile(query)
	if err != nil {
		return nil, err
	}
	return c.Query(args...)
}

func (s *statements) QueryRow(query string, args ...any) *sql.Row {
	c, err := s.compile(query)
	if err != nil {
		return s.tx.QueryRow(query, args...) // gives the same error
	}
	return c.QueryRow(args...)
}
