package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path"
	"strconv"
	"strings"
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

// keptSet is why a set s is kept whose time has come; empty where it is not.
// $1 is that time.
var keptSet = `CASE
	WHEN s.state IN (` + notFinal + `) THEN '` + ledger.KeptUnanswered + `'
	WHEN s.updated_at >= $1 OR EXISTS (SELECT 1 FROM answer a JOIN reply y ON y.id = a.reply_id
		WHERE a.submission_id = s.id AND y.fetched_at >= $1) THEN '` + ledger.KeptRecent + `'
	ELSE '' END`

// keptReply is the same of a reply r; $2 says whether a hook is to be told.
var keptReply = `CASE
	WHEN r.read_at = '' THEN '` + ledger.KeptUnread + `'
	WHEN r.problem <> '' THEN '` + ledger.KeptUnreadable + `'
	WHEN r.signature LIKE 'not valid%' THEN '` + ledger.KeptSignature + `'
	WHEN r.deleted_at = '' THEN '` + ledger.KeptOnServer + `'
	WHEN EXISTS (SELECT 1 FROM answer a WHERE a.reply_id = r.id AND a.submission_id IS NULL) THEN '` + ledger.KeptUnmatched + `'
	WHEN EXISTS (SELECT 1 FROM submission s WHERE s.id IN (SELECT DISTINCT b.submission_id FROM answer b WHERE b.reply_id = r.id)
		AND ` + keptSet + ` <> '') THEN '` + ledger.KeptOpen + `'
	WHEN $2 AND EXISTS (SELECT 1 FROM hook_call c WHERE c.reply_id = r.id AND c.hook = '` + ledger.OnReply + `' AND c.` + isDue + `) THEN '` + ledger.KeptHook + `'
	ELSE '' END`

const (
	oldSet   = `s.pruned_at = '' AND s.created_at < $1`
	oldReply = `r.pruned_at = '' AND r.fetched_at < $1`
)

// PrunableReplies implements ledger.Retention.
func (l *store) PrunableReplies(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	return l.replyHoldings(ctx, oldReply+` AND `+keptReply+` = '' AND ($3 = '' OR r.environment = $3) AND r.id > $4 ORDER BY r.id LIMIT $5`,
		timeText(f.Before), l.hooks[ledger.OnReply], f.Environment, above, limit)
}

// PrunableSets implements ledger.Retention.
func (l *store) PrunableSets(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	return l.setHoldings(ctx, oldSet+` AND `+keptSet+` = '' AND ($2 = '' OR s.environment = $2) AND s.id > $3 ORDER BY s.id LIMIT $4`,
		timeText(f.Before), f.Environment, above, limit)
}

// Kept implements ledger.Retention.
func (l *store) Kept(ctx context.Context, f ledger.PruneFilter) (sets, replies map[string]int, err error) {
	if sets, err = l.counts(ctx, `SELECT `+keptSet+`, COUNT(*) FROM submission s WHERE `+oldSet+` AND ($2 = '' OR s.environment = $2) GROUP BY 1`,
		timeText(f.Before), f.Environment); err != nil {
		return nil, nil, err
	}
	replies, err = l.counts(ctx, `SELECT `+keptReply+`, COUNT(*) FROM reply r WHERE `+oldReply+` AND ($3 = '' OR r.environment = $3) GROUP BY 1`,
		timeText(f.Before), l.hooks[ledger.OnReply], f.Environment)
	return sets, replies, err
}

func (l *store) counts(ctx context.Context, query string, args ...any) (map[string]int, error) {
	rows, err := l.reads.QueryContext(ctx, query, args...)
	out := map[string]int{}
	err = each(rows, err, func(row scanner) error {
		var what string
		var n int
		if err := row.Scan(&what, &n); err != nil {
			return err
		}
		if what != "" {
			out[what] = n
		}
		return nil
	})
	return out, failed(err)
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

// FrozenCopy implements ledger.Encryption.
func (l *store) FrozenCopy(ctx context.Context, id int64) (sealed, pruned time.Time, err error) {
	var s, p string
	if err := l.reads.QueryRowContext(ctx, `SELECT sealed_at, pruned_at FROM submission WHERE id = $1`, id).Scan(&s, &p); err != nil {
		return sealed, pruned, failed(err)
	}
	return parseTime(s), parseTime(p), nil
}

// ReplyFiles implements ledger.Replies.
func (l *store) ReplyFiles(ctx context.Context, id int64) (ledger.Holding, error) {
	found, err := l.replyHoldings(ctx, `r.id = $1`, id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("ledger: no reply %d", id)
	}
	if err != nil {
		return ledger.Holding{}, err
	}
	return found[0], nil
}

func (l *store) replyHoldings(ctx context.Context, where string, args ...any) ([]ledger.Holding, error) {
	return replyHoldings(ctx, l.reads, where, args...)
}

func replyHoldings(ctx context.Context, q querier, where string, args ...any) ([]ledger.Holding, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.id, r.environment, r.name, r.path, r.size, r.sha256, r.fs_name, r.fs_path, r.fs_size, r.fs_sha256
		FROM reply r WHERE `+where, args...)
	out, err := all(rows, err, func(row scanner) (ledger.Holding, error) {
		h := ledger.Holding{Kind: ledger.HeldReply}
		var r, fs ledger.HeldFile
		err := row.Scan(&h.ID, &h.Environment, &h.Name, &r.Path, &r.Size, &r.SHA256, &fs.Name, &fs.Path, &fs.Size, &fs.SHA256)
		r.Name = h.Name
		h.Files = append(h.Files, r)
		if fs.Path != "" {
			h.Files = append(h.Files, fs)
		}
		return h, err
	})
	if err == nil && len(out) > 0 {
		err = otherSignatures(ctx, q, out)
	}
	return out, failed(err)
}

// otherSignatures adds the further signatures of replies.
func otherSignatures(ctx context.Context, q querier, replies []ledger.Holding) error {
	byID := map[int64]*ledger.Holding{}
	var in []string
	for i := range replies {
		byID[replies[i].ID] = &replies[i]
		in = append(in, strconv.FormatInt(replies[i].ID, 10))
	}
	rows, err := q.QueryContext(ctx, `SELECT reply_id, name, path, size, sha256 FROM other_signature WHERE reply_id IN (`+strings.Join(in, ", ")+`) ORDER BY reply_id, path`)
	return each(rows, err, func(row scanner) error {
		var id int64
		var f ledger.HeldFile
		if err := row.Scan(&id, &f.Name, &f.Path, &f.Size, &f.SHA256); err != nil {
			return err
		}
		byID[id].Files = append(byID[id].Files, f)
		return nil
	})
}

func (l *store) setHoldings(ctx context.Context, where string, args ...any) ([]ledger.Holding, error) {
	return setHoldings(ctx, l.reads, where, args...)
}

func setHoldings(ctx context.Context, q querier, where string, args ...any) ([]ledger.Holding, error) {
	sets, err := loadContext(ctx, q, where, args...)
	if err != nil {
		return nil, err
	}
	var out []ledger.Holding
	for _, s := range sets {
		h := ledger.Holding{Kind: ledger.HeldSet, ID: s.ID, Environment: s.Set.Environment, Name: s.Set.String()}
		for _, p := range s.Parts {
			h.Files = append(h.Files, ledger.HeldFile{
				Name: s.Set.FI(p.Number).String(), Path: path.Join(s.Spool, strconv.Itoa(p.Number)+".FI"), Size: p.Size, SHA256: p.Hash.String(),
			})
			if p.SignSize > 0 {
				h.Files = append(h.Files, ledger.HeldFile{
					Name: s.Set.FS(p.Number).String(), Path: path.Join(s.Spool, strconv.Itoa(p.Number)+".FS"), Size: p.SignSize, SHA256: p.Signature.String(),
				})
			}
		}
		out = append(out, h)
	}
	return out, nil
}
