package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Hooks: what a program of the user may be told of.
const (
	OnReply   = "on_reply"   // a reply was stored and read
	OnRefused = "on_refused" // a set became refused
	OnError   = "on_error"   // a run failed
)

// Results of a call that has no end yet. The others are those of the program.
const (
	CallDue   = "due"
	CallBegun = "begun" // or the run that had begun it was killed
	// CallNotStarted: the program could not be started. The call stays due.
	CallNotStarted = "not-started"
)

const isDue = `result IN ('` + CallDue + `', '` + CallNotStarted + `')`

// HookCall is one thing that a hook is told of.
type HookCall struct {
	ID           int64
	Hook         string
	ReplyID      int64  // of OnReply
	Reply        string // its name
	SubmissionID int64  // of OnRefused
	DueAt        time.Time
	BegunAt      time.Time // zero while it is due
	CallResult
}

// CallResult is what came of a call.
type CallResult struct {
	Result   string
	ExitCode int
	Duration time.Duration
	Problem  string // why it could not be started
}

// Tell has the ledger remember what these hooks are to be told, from now on. It
// is to be called before the first change.
func (l *Ledger) Tell(hooks ...string) {
	l.hooks = map[string]bool{}
	for _, h := range hooks {
		l.hooks[h] = true
	}
}

// due remembers, in the transaction of what happened, that a hook is to be told
// of it. Of a reply it is told once, also when it is read again.
func (l *Ledger) due(tx *sql.Tx, hook string, reply, submission int64) error {
	if !l.hooks[hook] {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO hook_call (hook, reply_id, submission_id, due_at, result) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		hook, nullID(reply), nullID(submission), l.stamp(), CallDue)
	return err
}

const callColumns = `c.id, c.hook, COALESCE(c.reply_id, 0), COALESCE(r.name, ''), COALESCE(c.submission_id, 0), c.due_at, c.begun_at,
	c.result, c.exit_code, c.duration_ms, c.problem FROM hook_call c LEFT JOIN reply r ON r.id = c.reply_id`

func scanCalls(rows *sql.Rows, err error) ([]HookCall, error) {
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []HookCall
	for rows.Next() {
		var c HookCall
		var due, begun string
		var ms int64
		if err := rows.Scan(&c.ID, &c.Hook, &c.ReplyID, &c.Reply, &c.SubmissionID, &due, &begun, &c.Result, &c.ExitCode, &ms, &c.Problem); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		c.DueAt, c.BegunAt, c.Duration = parseTime(due), parseTime(begun), time.Duration(ms)*time.Millisecond
		out = append(out, c)
	}
	return out, rows.Err()
}

// DueCalls gives what the hooks were not told yet, oldest first, also what
// earlier runs left.
func (l *Ledger) DueCalls(ctx context.Context, hooks ...string) ([]HookCall, error) {
	in, args := []string{"NULL"}, []any{}
	for _, h := range hooks {
		args = append(args, h)
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.`+isDue+` AND c.hook IN (`+strings.Join(in, ", ")+`) ORDER BY c.id`, args...))
}

// HookCalls gives what hooks were told of a set and of the replies to it, oldest
// first.
func (l *Ledger) HookCalls(ctx context.Context, submission int64) ([]HookCall, error) {
	return scanCalls(l.reads.QueryContext(ctx, `SELECT `+callColumns+` WHERE c.submission_id = $1
		OR c.reply_id IN (SELECT reply_id FROM answer WHERE submission_id = $1) ORDER BY c.id`, submission))
}

// BeginCall records that a call is being made. It reports false where somebody
// else made it: then it is not to be made.
func (l *Ledger) BeginCall(_ context.Context, id int64) (bool, error) {
	var begun bool
	err := l.change(func(tx *sql.Tx) error {
		res, err := tx.Exec(`UPDATE hook_call SET result = $1, begun_at = $2 WHERE id = $3 AND `+isDue, CallBegun, l.stamp(), id)
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
func (l *Ledger) BeginErrorCall(_ context.Context, command string) (id int64, err error) {
	err = l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		return tx.QueryRow(`INSERT INTO hook_call (hook, command, due_at, begun_at, result) VALUES ($1, $2, $3, $3, $4) RETURNING id`,
			OnError, command, now, CallBegun).Scan(&id)
	})
	return id, err
}

// EndCall records what came of a call that was begun. One that was not started
// is due again, unless it is of OnError: nobody makes that again.
func (l *Ledger) EndCall(_ context.Context, id int64, r CallResult) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE hook_call SET result = $1, exit_code = $2, duration_ms = $3, problem = $4 WHERE id = $5 AND result = $6`,
			r.Result, r.ExitCode, r.Duration.Milliseconds(), r.Problem, id, CallBegun)
		return err
	})
}

// Run is how the last run of a command for an environment ended.
type Run struct {
	Command     string
	Environment string
	EndedAt     time.Time
	Class       string    // of failures (package failure); Succeeded: none
	SucceededAt time.Time // the last run that succeeded; zero: none
}

// Succeeded is the class of a run in which nothing failed.
const Succeeded = "done"

// RecordRun records the end of a run, now. class is what it ended with.
func (l *Ledger) RecordRun(_ context.Context, command, environment, class string) error {
	return l.change(func(tx *sql.Tx) error {
		now := l.stamp()
		success := ""
		if class == Succeeded {
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
func (l *Ledger) Runs(ctx context.Context) ([]Run, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT command, environment, ended_at, class, succeeded_at FROM run ORDER BY command, environment`)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []Run
	for rows.Next() {
		var r Run
		var ended, succeeded string
		if err := rows.Scan(&r.Command, &r.Environment, &ended, &r.Class, &succeeded); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		r.EndedAt, r.SucceededAt = parseTime(ended), parseTime(succeeded)
		out = append(out, r)
	}
	return out, rows.Err()
}
