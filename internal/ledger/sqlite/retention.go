package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

const (
	oldSet   = `s.pruned_at = '' AND s.created_at < $1 AND ($2 = '' OR s.environment = $2)`
	oldReply = `r.pruned_at = '' AND r.fetched_at < $1 AND ($2 = '' OR r.environment = $2)`
)

// heard says of a set s whether anything was heard of it since $1.
const heard = `(s.updated_at >= $1 OR EXISTS (SELECT 1 FROM answer a JOIN reply y ON y.id = a.reply_id WHERE a.submission_id = s.id AND y.fetched_at >= $1))`

// oldReplyColumns are the facts of ledger.OldReply of a reply r; $3 says whether
// OnReply is to be told of replies.
var oldReplyColumns = `r.read_at = '', r.problem <> '', r.signature LIKE 'not valid%', r.deleted_at = '',
	EXISTS (SELECT 1 FROM answer a WHERE a.reply_id = r.id AND a.submission_id IS NULL),
	EXISTS (SELECT 1 FROM submission s WHERE s.id IN (SELECT DISTINCT b.submission_id FROM answer b WHERE b.reply_id = r.id)
		AND (s.state IN (` + keptStates + `) OR ` + heard + `)),
	$3 AND EXISTS (SELECT 1 FROM hook_call c WHERE c.reply_id = r.id AND c.hook = '` + ledger.OnReply + `' AND c.` + isDue + `)`

// keptStates are the states in which a set is kept, heard of or not.
var keptStates = statesWhere(func(s inbox.State) bool { return ledger.OldSet{State: s}.Kept() != "" })

func oldReplyTargets(r *ledger.OldReply) []any {
	return []any{&r.Unread, &r.Unreadable, &r.Invalid, &r.OnServer, &r.Unmatched, &r.Open, &r.Due}
}

// PrunableReplies implements ledger.Retention.
func (l *store) PrunableReplies(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	ids, err := prunable(above, limit, func(above int64, limit int) ([]aged, error) {
		rows, err := l.reads.QueryContext(ctx, `SELECT r.id, `+oldReplyColumns+` FROM reply r WHERE `+oldReply+` AND r.id > $4 ORDER BY r.id LIMIT $5`,
			timeText(f.Before), f.Environment, l.hooks[ledger.OnReply], above, limit)
		return all(rows, err, func(row scanner) (a aged, err error) {
			var r ledger.OldReply
			err = row.Scan(append([]any{&a.id}, oldReplyTargets(&r)...)...)
			a.kept = r.Kept()
			return a, err
		})
	})
	if err != nil || ids == "" {
		return nil, failed(err)
	}
	return l.replyHoldings(ctx, `r.id IN (`+ids+`) ORDER BY r.id`)
}

// PrunableSets implements ledger.Retention.
func (l *store) PrunableSets(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	ids, err := prunable(above, limit, func(above int64, limit int) ([]aged, error) {
		rows, err := l.reads.QueryContext(ctx, `SELECT s.id, s.state, `+heard+` FROM submission s WHERE `+oldSet+` AND s.id > $3 ORDER BY s.id LIMIT $4`,
			timeText(f.Before), f.Environment, above, limit)
		return all(rows, err, func(row scanner) (a aged, err error) {
			var s ledger.OldSet
			err = row.Scan(&a.id, &s.State, &s.Heard)
			a.kept = s.Kept()
			return a, err
		})
	})
	if err != nil || ids == "" {
		return nil, failed(err)
	}
	return l.setHoldings(ctx, `s.id IN (`+ids+`) ORDER BY s.id`)
}

// aged is a set or a reply whose time has come.
type aged struct {
	id   int64
	kept string // why it is kept
}

// prunable lists the ids above one, at most so many, of what is not kept. next
// gives what is old, oldest first, a portion at a time.
func prunable(above int64, limit int, next func(above int64, limit int) ([]aged, error)) (ids string, err error) {
	const portion = 500
	var in []string
	for {
		found, err := next(above, portion)
		if err != nil {
			return "", err
		}
		for _, a := range found {
			above = a.id
			if a.kept == "" && len(in) < limit {
				in = append(in, strconv.FormatInt(a.id, 10))
			}
		}
		if len(found) < portion || len(in) == limit {
			return strings.Join(in, ", "), nil
		}
	}
}

// Kept implements ledger.Retention.
func (l *store) Kept(ctx context.Context, f ledger.PruneFilter) (sets, replies map[string]int, err error) {
	sets, replies = map[string]int{}, map[string]int{}
	rows, err := l.reads.QueryContext(ctx, `SELECT s.state, `+heard+`, COUNT(*) FROM submission s WHERE `+oldSet+` GROUP BY 1, 2`,
		timeText(f.Before), f.Environment)
	err = each(rows, err, func(row scanner) error {
		var s ledger.OldSet
		var n int
		err := row.Scan(&s.State, &s.Heard, &n)
		sets[s.Kept()] += n
		return err
	})
	if err != nil {
		return nil, nil, failed(err)
	}
	rows, err = l.reads.QueryContext(ctx, `SELECT `+oldReplyColumns+`, COUNT(*) FROM reply r WHERE `+oldReply+` GROUP BY 1, 2, 3, 4, 5, 6, 7`,
		timeText(f.Before), f.Environment, l.hooks[ledger.OnReply])
	err = each(rows, err, func(row scanner) error {
		var r ledger.OldReply
		var n int
		err := row.Scan(append(oldReplyTargets(&r), &n)...)
		replies[r.Kept()] += n
		return err
	})
	delete(sets, "")
	delete(replies, "")
	return sets, replies, failed(err)
}

// BeginPrune implements ledger.Retention.
func (l *store) BeginPrune(_ context.Context, holdings []ledger.Holding) error {
	return l.change(func(tx *sql.Tx) error {
		for _, h := range holdings {
			if _, err := tx.Exec(`INSERT INTO pruning (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, h.Kind, h.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Pruned implements ledger.Retention.
func (l *store) Pruned(_ context.Context, holdings []ledger.Holding) error {
	return l.change(func(tx *sql.Tx) error {
		if err := stampHoldings(tx, holdings, "pruned_at", l.stamp()); err != nil {
			return err
		}
		for _, h := range holdings {
			if _, err := tx.Exec(`DELETE FROM pruning WHERE kind = $1 AND id = $2`, h.Kind, h.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Pruning implements ledger.Retention.
func (l *store) Pruning(ctx context.Context) ([]ledger.Holding, error) {
	replies, err := l.replyHoldings(ctx, `r.id IN (SELECT id FROM pruning WHERE kind = $1) ORDER BY r.id`, ledger.HeldReply)
	if err != nil {
		return nil, err
	}
	sets, err := l.setHoldings(ctx, `s.id IN (SELECT id FROM pruning WHERE kind = $1) ORDER BY s.id`, ledger.HeldSet)
	return append(replies, sets...), err
}
