package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
)

const isDue = `result IN ('` + ledger.CallDue + `', '` + ledger.CallNotStarted + `')`

// Tell has the ledger remember what these hooks are to be told, from now on. It
// is to be called before the first change.
func (l *store) Tell(hooks ...string) {
	l.hooks = map[string]bool{}
	for _, h := range hooks {
		l.hooks[h] = true
	}
}

// due remembers, in the transaction of what happened, that a hook is to be told
// of it. Of a reply it is told once, also when it is read again.
func (l *store) due(tx *sql.Tx, hook string, reply, submission int64) error {
	if !l.hooks[hook] {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO hook_call (hook, reply_id, submission_id, due_at, result) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		hook, nullID(reply), nullID(submission), l.stamp(), ledger.CallDue)
	return err
}

const callColumns = `c.id, c.hook, COALESCE(c.reply_id, 0), COALESCE(r.name, ''), COALESCE(c.submission_id, 0), c.due_at, c.begun_at,
	c.result, c.exit_code, c.duration_ms, c.problem FROM hook_call c LEFT JOIN reply r ON r.id = c.reply_id`

func scanCalls(rows *sql.Rows, err error) ([]ledger.HookCall, error) {
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []ledger.HookCall
	for rows.Next() {
		var c ledger.HookCall
		var due, begun string
		var ms int64
		if err := rows.Scan(&c.ID, &c.Hook, &c.ReplyID, &c.Reply, &c.SubmissionID, &due, &begun, &c.Result, &c.ExitCode, &ms, &c.Problem); err != nil {
			return nil, failed(err)
		}
		c.DueAt, c.BegunAt, c.Duration = parseTime(due), parseTime(begun), time.Duration(ms)*time.Millisecond
		out = append(out, c)
	}
	return out, failed(rows.Err())
}

// DueCalls gives what the hooks were not told yet, oldest first, also what
// earlier runs left.
func (l *store) DueCalls(ctx context.Context, hooks ...string) ([]ledger.HookCall, error) {
	in, args := []string{"NULL"}, []any{}
	for _, h := range hooks {
		args = append(args, h)
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.`+isDue+` AND c.hook IN (`+strings.Join(in, ", ")+`) ORDER BY c.id`, args...))
}

// HookCalls gives what hooks were told of a set and of the replies to it, oldest
// first.
func (l *store) HookCalls(ctx context.Context, submission int64) ([]ledger.HookCall, error) {
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.submission_id = $1
		OR c.reply_id IN (SELECT reply_id FROM answer WHERE submission_id = $1) ORDER BY c.id`, submission))
}

// BeginCall records that a call is being made. It reports false where somebody
// else made it: then it is not to be made.
func (l *store) BeginCall(_ context.Context, id int64) (bool, error) {
	var begun bool
	err := l.change(func(tx *sql.Tx) error {
		res, err := tx.Exec(`UPDATE hook_call SET result = $1, begun_at = $2 WHERE id = $3 AND `+isDue, ledger.CallBegun, l.stamp(), id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		begun = n == 1
		return err
	})
	return begun, err
}

// BeginErrorCall records that OnError is being told of a failed run.
func (l *store) BeginErrorCall(_ context.Context, command string) (id int64, err error) {
	err = l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		return tx.QueryRow(`INSERT INTO hook_call (hook, command, due_at, begun_at, result) VALUES ($1, $2, $3, $3, $4) RETURNING id`,
			ledger.OnError, command, now, ledger.CallBegun).Scan(&id)
	})
	return id, err
}

// EndCall records what came of a call that was begun. One that was not started
// is due again, unless it is of OnError: nobody makes that again.
func (l *store) EndCall(_ context.Context, id int64, r ledger.CallResult) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE hook_call SET result = $1, exit_code = $2, duration_ms = $3, problem = $4 WHERE id = $5 AND result = $6`,
			r.Result, r.ExitCode, r.Duration.Milliseconds(), r.Problem, id, ledger.CallBegun)
		return err
	})
}

// RecordRun records the end of a run, now. class is what it ended with.
func (l *store) RecordRun(_ context.Context, command, environment, class string) error {
	return l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		success := ""
		if class == ledger.Succeeded {
			success = now
		}
		_, err := tx.Exec(`INSERT INTO run (command, environment, ended_at, class, succeeded_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (command, environment) DO UPDATE SET ended_at = excluded.ended_at, class = excluded.class,
				succeeded_at = CASE excluded.succeeded_at WHEN '' THEN run.succeeded_at ELSE excluded.succeeded_at END`,
			command, environment, now, class, success)
		return err
	})
}

// Runs lists the last runs.
func (l *store) Runs(ctx context.Context) ([]ledger.Run, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT command, environment, ended_at, class, succeeded_at FROM run ORDER BY command, environment`)
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []ledger.Run
	for rows.Next() {
		var r ledger.Run
		var ended, succeeded string
		if err := rows.Scan(&r.Command, &r.Environment, &ended, &r.Class, &succeeded); err != nil {
			return nil, failed(err)
		}
		r.EndedAt, r.SucceededAt = parseTime(ended), parseTime(succeeded)
		out = append(out, r)
	}
	return out, failed(rows.Err())
}
