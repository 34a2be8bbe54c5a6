package sqlite

import (
	"context"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// Tallies implements ledger.Ledger.
func (l *store) Tallies(ctx context.Context) (map[naming.Environment]*ledger.Tally, error) {
	out := map[naming.Environment]*ledger.Tally{}
	for _, e := range naming.Environments() {
		out[e] = &ledger.Tally{Sets: map[inbox.State]int{}}
	}
	if err := l.tallySets(ctx, out); err != nil {
		return nil, failed(err)
	}
	if err := l.tallyReplies(ctx, out); err != nil {
		return nil, failed(err)
	}
	return out, nil
}

func (l *store) tallySets(ctx context.Context, out map[naming.Environment]*ledger.Tally) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT environment, state, COUNT(*), MIN(sent_at), MIN(created_at) FROM submission GROUP BY environment, state`)
	return each(rows, err, func(row scanner) error {
		var env naming.Environment
		var state inbox.State
		var n int
		var sent, created string
		if err := row.Scan(&env, &state, &n, &sent, &created); err != nil {
			return err
		}
		t := out[env]
		if t == nil {
			return nil
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
		return nil
	})
}

func (l *store) tallyReplies(ctx context.Context, out map[naming.Environment]*ledger.Tally) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT environment, COUNT(*), SUM(read_at = '') FROM reply GROUP BY environment`)
	return each(rows, err, func(row scanner) error {
		var env naming.Environment
		var n, unread int
		if err := row.Scan(&env, &n, &unread); err != nil {
			return err
		}
		if t := out[env]; t != nil {
			t.Replies, t.Unread = n, unread
		}
		return nil
	})
}
