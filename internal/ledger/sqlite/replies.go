package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/ledger"
)

const replyColumns = `id, environment, name, application, path, fs_path, size, sha256, conflict, fetched_at, deleted_at, read_at, root, forms, signature, problem, sealed_at, pruned_at`

func scanReplies(rows *sql.Rows, err error) ([]ledger.Reply, error) {
	out, err := all(rows, err, func(row scanner) (ledger.Reply, error) {
		var r ledger.Reply
		var fetched, deleted, read, sealed, pruned string
		err := row.Scan(&r.ID, &r.Environment, &r.Name, &r.Application, &r.Path, &r.FSPath, &r.Size, &r.SHA256, &r.Conflict,
			&fetched, &deleted, &read, &r.Root, &r.Forms, &r.Signature, &r.Problem, &sealed, &pruned)
		r.FetchedAt, r.DeletedAt, r.ReadAt = parseTime(fetched), parseTime(deleted), parseTime(read)
		r.SealedAt, r.PrunedAt = parseTime(sealed), parseTime(pruned)
		return r, err
	})
	return out, failed(err)
}

// Reply implements ledger.Replies.
func (l *store) Reply(ctx context.Context, id int64) (ledger.Reply, error) {
	found, err := scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply WHERE id = $1`, id))
	if err != nil {
		return ledger.Reply{}, err
	}
	if len(found) == 0 {
		return ledger.Reply{}, errors.New("no such reply in the ledger")
	}
	return found[0], nil
}

// Replies implements ledger.Replies.
func (l *store) Replies(ctx context.Context, f ledger.ReplyFilter) ([]ledger.ListedReply, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.ID != 0 {
		add("id = $%d", f.ID)
	}
	if f.Environment != "" {
		add("environment = $%d", f.Environment)
	}
	if f.Application != "" {
		add("application = $%d", f.Application)
	}
	if f.Name != "" {
		add("name = $%d", f.Name)
	}
	if !f.Since.IsZero() {
		add("fetched_at >= $%d", timeText(f.Since))
	}
	if f.Unmatched {
		where = append(where, `EXISTS (SELECT 1 FROM answer a WHERE a.reply_id = reply.id AND a.submission_id IS NULL)`)
	}
	if f.Trouble {
		where = append(where, `(problem <> '' OR conflict <> 0 OR signature LIKE 'not valid%')`)
	}
	clause := strings.Join(where, " AND ") + " ORDER BY id DESC"
	if f.Limit > 0 {
		clause += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	found, err := scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply WHERE `+clause, args...))
	if err != nil {
		return nil, err
	}
	out := make([]ledger.ListedReply, len(found))
	for i, r := range found {
		out[i] = ledger.ListedReply{Reply: r, Outcomes: map[string]int{}}
	}
	const chunk = 400
	for part := range slices.Chunk(out, chunk) {
		if err := l.addOutcomes(ctx, part); err != nil {
			return nil, failed(err)
		}
	}
	return out, nil
}

// addOutcomes fills in what the answers of some replies say.
func (l *store) addOutcomes(ctx context.Context, replies []ledger.ListedReply) error {
	byID := map[int64]*ledger.ListedReply{}
	in, args := []string{}, []any{}
	for i := range replies {
		byID[replies[i].ID] = &replies[i]
		args = append(args, replies[i].ID)
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	list := strings.Join(in, ", ")
	rows, err := l.reads.QueryContext(ctx, `SELECT reply_id, kind, outcome, submission_id IS NULL, matched_by = '`+ledger.Ambiguous+`', COUNT(*)
		FROM answer WHERE reply_id IN (`+list+`) GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2`, args...)
	err = each(rows, err, func(row scanner) error {
		var id int64
		var kind, outcome string
		var loose, ambiguous bool
		var n int
		if err := row.Scan(&id, &kind, &outcome, &loose, &ambiguous, &n); err != nil {
			return err
		}
		r := byID[id]
		if !slices.Contains(r.Kinds, kind) {
			r.Kinds = append(r.Kinds, kind)
		}
		r.Outcomes[outcome] += n
		switch {
		case ambiguous:
			r.Ambiguous += n
		case loose:
			r.Unmatched += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = l.reads.QueryContext(ctx, `SELECT DISTINCT a.reply_id, s.set_key || '.' || s.parts FROM answer a
		JOIN submission s ON s.id = a.submission_id WHERE a.reply_id IN (`+list+`) ORDER BY 1, 2`, args...)
	return each(rows, err, func(row scanner) error {
		var id int64
		var name string
		if err := row.Scan(&id, &name); err != nil {
			return err
		}
		if r := byID[id]; len(r.Sets) < ledger.MaxListedSets {
			r.Sets = append(r.Sets, name)
		} else {
			r.MoreSets++
		}
		return nil
	})
}

// RepliesTo implements ledger.Replies.
func (l *store) RepliesTo(ctx context.Context, submission int64) ([]ledger.Reply, error) {
	return scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply
		WHERE id IN (SELECT reply_id FROM answer WHERE submission_id = $1) ORDER BY id`, submission))
}

// UnreadReplies implements ledger.Answers.
func (l *store) UnreadReplies(ctx context.Context) ([]ledger.Reply, error) {
	return scanReplies(l.reads.QueryContext(ctx, `SELECT `+replyColumns+` FROM reply WHERE read_at = ''
		ORDER BY CASE WHEN application = 'ACRF' THEN 0 ELSE 1 END, id`))
}
