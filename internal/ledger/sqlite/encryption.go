package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// PlainReplies implements ledger.Encryption.
func (l *store) PlainReplies(ctx context.Context, env naming.Environment, begun time.Time, below int64, limit int) ([]ledger.Holding, error) {
	return l.replyHoldings(ctx, `r.environment = $1 AND r.sealed_at = '' AND r.pruned_at = '' AND r.read_at <> '' AND ($2 = 0 OR r.id < $2)
		AND NOT EXISTS (SELECT 1 FROM hook_call c WHERE c.reply_id = r.id AND c.hook = '`+ledger.OnReply+`'
			AND ($3 AND c.`+isDue+` OR c.result = '`+ledger.CallBegun+`' AND c.begun_at >= $4))
		ORDER BY r.id DESC LIMIT $5`, env, below, l.hooks[ledger.OnReply], timeText(begun), limit)
}

// PlainSets implements ledger.Encryption.
func (l *store) PlainSets(ctx context.Context, givenUp time.Time, below int64, limit int) ([]ledger.Holding, error) {
	return l.setHoldings(ctx, `s.sealed_at = '' AND s.pruned_at = '' AND s.state NOT IN (`+unfinished+`)
		AND (s.state <> '`+string(inbox.Cancelled)+`' OR s.updated_at < $1) AND ($2 = 0 OR s.id < $2)
		ORDER BY s.id DESC LIMIT $3`, timeText(givenUp), below, limit)
}

// Sealed implements ledger.Encryption.
func (l *store) Sealed(_ context.Context, holdings []ledger.Holding) error {
	return l.change(func(tx *sql.Tx) error { return stampHoldings(tx, holdings, "sealed_at", l.stamp()) })
}

func stampHoldings(tx *sql.Tx, holdings []ledger.Holding, column, now string) error {
	q := newStatements(tx)
	defer q.close()
	for _, h := range holdings {
		if _, err := q.Exec(`UPDATE `+string(h.Kind)+` SET `+column+` = $1 WHERE id = $2`, now, h.ID); err != nil {
			return err
		}
	}
	return nil
}

// FrozenCopy implements ledger.Encryption.
func (l *store) FrozenCopy(ctx context.Context, id int64) (sealed, pruned time.Time, err error) {
	var s, p string
	if err := l.reads.QueryRowContext(ctx, `SELECT sealed_at, pruned_at FROM submission WHERE id = $1`, id).Scan(&s, &p); err != nil {
		return sealed, pruned, failed(err)
	}
	return parseTime(s), parseTime(p), nil
}
