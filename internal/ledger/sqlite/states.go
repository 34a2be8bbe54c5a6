package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/socbatch/socbatch/inbox"
)

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
