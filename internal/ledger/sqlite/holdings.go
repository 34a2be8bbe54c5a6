package sqlite

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/internal/ledger"
)

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
