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

// Tell implements ledger.Hooks.
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
	out, err := all(rows, err, func(row scanner) (ledger.HookCall, error) {
		var c ledger.HookCall
		var due, begun string
		var ms int64
		err := row.Scan(&c.ID, &c.Hook, &c.ReplyID, &c.Reply, &c.SubmissionID, &due, &begun, &c.Result, &c.ExitCode, &ms, &c.Problem)
		c.DueAt, c.BegunAt, c.Duration = parseTime(due), parseTime(begun), time.Duration(ms)*time.Millisecond
		return c, err
	})
	return out, failed(err)
}

// DueCalls implements ledger.Hooks.
func (l *store) DueCalls(ctx context.Context, hooks ...string) ([]ledger.HookCall, error) {
	in, args := []string{"NULL"}, []any{}
	for _, h := range hooks {
		args = append(args, h)
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.`+isDue+` AND c.hook IN (`+strings.Join(in, ", ")+`) ORDER BY c.id`, args...))
}

// HookCalls implements ledger.Hooks.
func (l *store) HookCalls(ctx context.Context, submission int64) ([]ledger.HookCall, error) {
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.submission_id = $1
		OR c.reply_id IN (SELECT reply_id FROM answer WHERE submission_id = $1) ORDER BY c.id`, submission))
}

// BeginCall implements ledger.Hooks.
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

// BeginErrorCall implements ledger.Hooks.
func (l *store) BeginErrorCall(_ context.Context, command string) (id int64, err error) {
	err = l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		return tx.QueryRow(`INSERT INTO hook_call (hook, command, due_at, begun_at, result) VALUES ($1, $2, $3, $3, $4) RETURNING id`,
			ledger.OnError, command, now, ledger.CallBegun).Scan(&id)
	})
	return id, err
}

// EndCall implements ledger.Hooks.
func (l *store) EndCall(_ context.Context, id int64, r ledger.CallResult) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE hook_call SET result = $1, exit_code = $2, duration_ms = $3, problem = $4 WHERE id = $5 AND result = $6`,
			r.Result, r.ExitCode, r.Duration.Milliseconds(), r.Problem, id, ledger.CallBegun)
		return err
	})
}

// RecordRun implements ledger.Runs.
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

// Runs implements ledger.Runs.
func (l *store) Runs(ctx context.Context) ([]ledger.Run, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT command, environment, ended_at, class, succeeded_at FROM run ORDER BY command, environment`)
	out, err := all(rows, err, func(row scanner) (ledger.Run, error) {
		var r ledger.Run
		var ended, succeeded string
		err := row.Scan(&r.Command, &r.Environment, &ended, &r.Class, &succeeded)
		r.EndedAt, r.SucceededAt = parseTime(ended), parseTime(succeeded)
		return r, err
	})
	return out, failed(err)
}
