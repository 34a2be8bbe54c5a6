package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/naming"
)

// Tally counts what the ledger knows of an environment.
type Tally struct {
	Sets map[inbox.State]int
	// The oldest set in a state; zero where there is none.
	NoReceipt      time.Time // sent and without receipt: when it was sent
	NoNotification time.Time // received and without notification: when it was sent
	Unknown        time.Time // outcome unknown: when it was made
	Replies        int       // stored
	Unread         int       // stored, answers not entered
}

// Tallies counts per environment.
func (l *Ledger) Tallies(ctx context.Context) (map[naming.Environment]*Tally, error) {
	out := map[naming.Environment]*Tally{}
	for _, e := range naming.Environments() {
		out[e] = &Tally{Sets: map[inbox.State]int{}}
	}
	if err := l.tallySets(ctx, out); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := l.tallyReplies(ctx, out); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

func (l *Ledger) tallySets(ctx context.Context, out map[naming.Environment]*Tally) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT environment, state, COUNT(*), MIN(sent_at), MIN(created_at) FROM submission GROUP BY environment, state`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		var env naming.Environment
		var state inbox.State
		var n int
		var sent, created string
		if err := rows.Scan(&env, &state, &n, &sent, &created); err != nil {
			return err
		}
		t := out[env]
		if t == nil {
			continue
		}
		t.Sets[state] = n
		switch state {
		case inbox.Sent:
			t.NoReceipt = parseTime(sent)
		case inbox.Received:
			t.NoNotification = parseTime(sent)
		case inbox.Unknown:
			t.Unknown = parseTime(created)
		}
	}
	return rows.Err()
}

func (l *Ledger) tallyReplies(ctx context.Context, out map[naming.Environment]*Tally) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT environment, COUNT(*), SUM(read_at = '') FROM reply GROUP BY environment`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		var env naming.Environment
		var n, unread int
		if err := rows.Scan(&env, &n, &unread); err != nil {
			return err
		}
		if t := out[env]; t != nil {
			t.Replies, t.Unread = n, unread
		}
	}
	return rows.Err()
}
