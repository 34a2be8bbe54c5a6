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

// PlainReplies gives the replies of an environment that lie in clear and are
// not needed so any more, newest first, with ids below one (0: the newest). A
// reply is needed until its answers are entered and the hook for replies was
// told: a call that was begun since a time may still be reading it.
func (l *store) PlainReplies(ctx context.Context, env naming.Environment, begun time.Time, below int64, limit int) ([]ledger.Holding, error) {
	return l.replyHoldings(ctx, `r.environment = $1 AND r.sealed_at = '' AND r.pruned_at = '' AND r.read_at <> '' AND ($2 = 0 OR r.id < $2)
		AND NOT EXISTS (SELECT 1 FROM hook_call c WHERE c.reply_id = r.id AND c.hook = '`+ledger.OnReply+`'
			AND ($3 AND c.`+isDue+` OR c.result = '`+ledger.CallBegun+`' AND c.begun_at >= $4))
		ORDER BY r.id DESC LIMIT $5`, env, below, l.hooks[ledger.OnReply], timeText(begun), limit)
}

// PlainSets gives the sets whose frozen copies lie in clear and are not needed
// any more, newest first, with ids below one (0: the newest). Copies are needed
// until the set is known to be sent; those of a set that was given up count as
// needed when that was done after a time: they may be about to go under another
// name.
func (l *store) PlainSets(ctx context.Context, givenUp time.Time, below int64, limit int) ([]ledger.Holding, error) {
	return l.setHoldings(ctx, `s.sealed_at = '' AND s.pruned_at = '' AND s.state NOT IN (`+unfinished+`)
		AND (s.state <> '`+string(inbox.Cancelled)+`' OR s.updated_at < $1) AND ($2 = 0 OR s.id < $2)
		ORDER BY s.id DESC LIMIT $3`, timeText(givenUp), below, limit)
}

// Sealed records that the files of holdings lie encrypted.
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

// PrunableReplies gives the replies that may be removed, oldest first, with ids
// above one: old, read, matched, deleted on the server, and every set that they
// answer has its final answer for as long.
func (l *store) PrunableReplies(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	return l.replyHoldings(ctx, oldReply+` AND `+keptReply+` = '' AND ($3 = '' OR r.environment = $3) AND r.id > $4 ORDER BY r.id LIMIT $5`,
		timeText(f.Before), l.hooks[ledger.OnReply], f.Environment, above, limit)
}

// PrunableSets gives the sets whose frozen copies may be removed, oldest first,
// with ids above one: old, and with their final answer for as long.
func (l *store) PrunableSets(ctx context.Context, f ledger.PruneFilter, above int64, limit int) ([]ledger.Holding, error) {
	return l.setHoldings(ctx, oldSet+` AND `+keptSet+` = '' AND ($2 = '' OR s.environment = $2) AND s.id > $3 ORDER BY s.id LIMIT $4`,
		timeText(f.Before), f.Environment, above, limit)
}

// Kept counts what is old and is not removed, by the reason.
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
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	out := map[string]int{}
	for rows.Next() {
		var what string
		var n int
		if err := rows.Scan(&what, &n); err != nil {
			return nil, failed(err)
		}
		if what != "" {
			out[what] = n
		}
	}
	return out, failed(rows.Err())
}

// BeginPrune records that the files of holdings are about to be removed.
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

// Pruned records that the files of holdings are gone.
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

// Pruning gives the holdings that a run which was killed had begun to remove.
func (l *store) Pruning(ctx context.Context) ([]ledger.Holding, error) {
	replies, err := l.replyHoldings(ctx, `r.id IN (SELECT id FROM pruning WHERE kind = $1) ORDER BY r.id`, ledger.HeldReply)
	if err != nil {
		return nil, err
	}
	sets, err := l.setHoldings(ctx, `s.id IN (SELECT id FROM pruning WHERE kind = $1) ORDER BY s.id`, ledger.HeldSet)
	return append(replies, sets...), err
}

// FrozenCopy tells since when the frozen copies of a set lie encrypted, and when
// they were removed; zero: they are not.
func (l *store) FrozenCopy(ctx context.Context, id int64) (sealed, pruned time.Time, err error) {
	var s, p string
	if err := l.reads.QueryRowContext(ctx, `SELECT sealed_at, pruned_at FROM submission WHERE id = $1`, id).Scan(&s, &p); err != nil {
		return sealed, pruned, failed(err)
	}
	return parseTime(s), parseTime(p), nil
}

// ReplyFiles gives the files of a stored reply.
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
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []ledger.Holding
	for rows.Next() {
		h := ledger.Holding{Kind: ledger.HeldReply}
		var r, fs ledger.HeldFile
		if err := rows.Scan(&h.ID, &h.Environment, &h.Name, &r.Path, &r.Size, &r.SHA256, &fs.Name, &fs.Path, &fs.Size, &fs.SHA256); err != nil {
			return nil, failed(err)
		}
		r.Name = h.Name
		h.Files = append(h.Files, r)
		if fs.Path != "" {
			h.Files = append(h.Files, fs)
		}
		out = append(out, h)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		return out, err
	}
	return out, otherSignatures(ctx, q, out)
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
	if err != nil {
		return failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		var id int64
		var f ledger.HeldFile
		if err := rows.Scan(&id, &f.Name, &f.Path, &f.Size, &f.SHA256); err != nil {
			return failed(err)
		}
		byID[id].Files = append(byID[id].Files, f)
	}
	return failed(rows.Err())
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
