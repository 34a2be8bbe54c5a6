package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/socbatch/socbatch/internal/ledger"
)

const latestEntry = `SELECT COALESCE(MAX(at), '') FROM event WHERE id > (SELECT COALESCE(MAX(last_event), 0) FROM clock_decision)`

// Clock implements ledger.Clock.
func (l *store) Clock(ctx context.Context) (ledger.ClockReading, error) {
	var latest, office string
	err := l.reads.QueryRowContext(ctx, `SELECT (`+latestEntry+`), (SELECT COALESCE(MAX(made_at), '') FROM answer)`).Scan(&latest, &office)
	if err != nil {
		return ledger.ClockReading{}, failed(err)
	}
	return ledger.ClockReading{Latest: parseTime(latest), Office: parseTime(office)}, nil
}

// AcceptClock implements ledger.Clock.
func (l *store) AcceptClock(_ context.Context, reason string) error {
	return l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		if _, err := tx.Exec(`INSERT INTO clock_decision (at, last_event, last_at, reason)
			SELECT $1, COALESCE(MAX(id), 0), COALESCE(MAX(at), ''), $2 FROM event`, now, reason); err != nil {
			return err
		}
		ids, err := column[int64](tx, `SELECT DISTINCT e.submission_id FROM event e JOIN answer a ON a.submission_id = e.submission_id
			WHERE e.state = 'unknown' AND e.at > $1`, now)
		for _, id := range ids {
			if err = errors.Join(err, l.judge(tx, id)); err != nil {
				break
			}
		}
		return err
	})
}
