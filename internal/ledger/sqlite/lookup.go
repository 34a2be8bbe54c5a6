package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

// SetNames lists the names of sets that begin with prefix, newest first, at
// most so many; no states: of every state. It only looks at the file of a
// ledger: nothing is made, migrated, locked or waited for, and a ledger that is
// not there is an error.
func SetNames(ctx context.Context, path, prefix string, states []inbox.State, limit int) ([]ledger.Named, error) {
	args := []any{prefix}
	clause := ""
	if len(states) > 0 {
		for _, s := range states {
			args = append(args, s)
		}
		clause = " AND state IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(states)), ", ") + ")"
	}
	return lookup(ctx, path, `SELECT set_key || '.' || parts AS name, state FROM submission
		WHERE substr(set_key || '.' || parts, 1, length(?1)) = ?1`+clause+` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
}

// ReplyNames lists the names of replies as SetNames those of sets.
func ReplyNames(ctx context.Context, path, prefix string, limit int) ([]ledger.Named, error) {
	return lookup(ctx, path, `SELECT name, application FROM reply
		WHERE substr(name, 1, length(?1)) = ?1 GROUP BY name ORDER BY max(id) DESC LIMIT ?`, prefix, limit)
}

func lookup(ctx context.Context, path, query string, args ...any) (list []ledger.Named, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("look at ledger: %w", err)
	}
	// Where others have the ledger open, or left changes that are not yet in the
	// file, they are beside it. Else the file is all there is, and SQLite would
	// make the files beside it for a moment.
	how := "immutable"
	if _, err := os.Stat(path + "-wal"); err == nil {
		how = "readonly_shm"
	}
	q := url.Values{"mode": {"ro"}, how: {"1"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("look at ledger: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, query, args...)
	list, err = all(rows, err, func(row scanner) (n ledger.Named, err error) { return n, row.Scan(&n.Name, &n.Word) })
	if err != nil {
		return nil, fmt.Errorf("look at ledger: %w", classified(err))
	}
	return list, nil
}
