package sqlite

import (
	"database/sql"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

// judge brings the state of a set to what its answers say, whatever the order
// in which they came.
func (l *store) judge(tx *sql.Tx, id int64) error {
	var from inbox.State
	if err := tx.QueryRow(`SELECT state FROM submission WHERE id = $1`, id).Scan(&from); err != nil {
		return err
	}
	v, err := l.verdict(tx, id)
	if err != nil || !v.Changes(from) {
		return err
	}
	if v.State == inbox.Refused {
		ids, err := column[string](tx, `SELECT DISTINCT x.error_id FROM anomaly x JOIN answer a ON a.id = x.answer_id
			WHERE a.submission_id = $1 AND a.outcome = 'refused' ORDER BY x.error_id`, id)
		if err != nil {
			return err
		}
		v = v.Naming(ids)
	}
	if err := l.carryOut(tx, id, from, v); err != nil {
		return err
	}
	// Only a set of which nothing was or can still be accepted may go again
	// without a person's word.
	if v.Nothing {
		return l.release(tx, id)
	}
	return claim(tx, id)
}

// carryOut brings a set from a state to that of a verdict.
func (l *store) carryOut(tx *sql.Tx, id int64, from inbox.State, v ledger.Verdict) error {
	if from == v.State {
		if _, err := tx.Exec(`UPDATE submission SET note = $1 WHERE id = $2`, v.Note, id); err != nil {
			return err
		}
	} else {
		if err := l.move(tx, id, v.State, v.Note, l.stamp()); err != nil {
			return err
		}
		if v.Alarming() {
			if err := l.due(tx, ledger.OnRefused, 0, id); err != nil {
				return err
			}
		}
	}
	if v.State == inbox.NameUsed {
		return l.foreignUseOf(tx, id)
	}
	return nil
}

// verdict is what the answers to a set make of it.
func (l *store) verdict(tx *sql.Tx, id int64) (ledger.Verdict, error) {
	var said ledger.Said
	if err := tx.QueryRow(`SELECT forms, parts FROM submission WHERE id = $1`, id).Scan(&said.Forms, &said.Parts); err != nil {
		return ledger.Verdict{}, err
	}
	var from time.Time
	var err error
	if said.Asked, from, err = l.askedFor(tx, id); err != nil {
		return ledger.Verdict{}, err
	}
	if said.Receipts, err = receiptsTo(tx, id, from); err != nil {
		return ledger.Verdict{}, err
	}
	if said.Notified, err = formsNotified(tx, id, from); err != nil {
		return ledger.Verdict{}, err
	}
	return said.Verdict(), nil
}

// statementer is a transaction, or its statements.
type statementer interface {
	rowsQuerier
	QueryRow(query string, args ...any) *sql.Row
}

// askedFor says how often the GO of a set was asked for, and from when on there
// may be answers to it; see ledger.GO.
func (l *store) askedFor(q statementer, id int64) (times int, from time.Time, err error) {
	var ids []int64
	rows, err := q.Query(`SELECT id, state, at FROM event WHERE submission_id = $1 ORDER BY id`, id)
	history, err := all(rows, err, func(row scanner) (e ledger.Event, err error) {
		var event int64
		var at string
		err = row.Scan(&event, &e.State, &at)
		e.At, ids = parseTime(at), append(ids, event)
		return e, err
	})
	if err != nil {
		return 0, from, err
	}
	asked := ledger.GOIn(history)
	if asked.Times == 0 {
		return 0, from, nil
	}
	from = asked.AnsweredFrom()
	// The clock matters only where an answer is older.
	var early bool
	if err := q.QueryRow(`SELECT EXISTS (SELECT 1 FROM answer WHERE submission_id = $1 AND made_at <> '' AND made_at < $2)`, id, timeText(from)).Scan(&early); err != nil || !early {
		return asked.Times, from, err
	}
	var later string
	if err := q.QueryRow(`SELECT COALESCE(MIN(at), '') FROM event WHERE id > $1`, ids[asked.Entry]).Scan(&later); err != nil {
		return asked.Times, from, err
	}
	if asked.ClockWasAhead(l.now()) || later != "" && asked.ClockWasAhead(parseTime(later)) {
		from = time.Time{}
	}
	return asked.Times, from, nil
}

// early chooses answers that the office made before those to the set can have
// been made, which is $2.
const early = `(a.made_at <> '' AND a.made_at < $2)`

// answersOurs reports whether an answer is about what was sent from here, and
// not about what somebody else delivered under the name before.
func (l *store) answersOurs(q statementer, a *ledger.Answer) (bool, error) {
	if a.MadeAt.IsZero() {
		return true, nil
	}
	_, from, err := l.askedFor(q, a.SubmissionID)
	return ledger.Ours(a.MadeAt, from), err
}

func receiptsTo(tx *sql.Tx, id int64, from time.Time) ([]ledger.ReceiptSaid, error) {
	rows, err := tx.Query(`SELECT a.outcome, a.part, COALESCE(r.sha256, ''), `+early+`, EXISTS (SELECT 1 FROM anomaly x WHERE x.answer_id = a.id AND x.error_id = $3)
		FROM answer a LEFT JOIN reply r ON r.id = a.reply_id WHERE a.submission_id = $1 AND a.kind = 'receipt'`, id, timeText(from), ledger.CodeNameUsed)
	return all(rows, err, func(row scanner) (r ledger.ReceiptSaid, err error) {
		return r, row.Scan(&r.Outcome, &r.Part, &r.Reply, &r.Early, &r.NameUsed)
	})
}

// formsNotified counts the forms of a set by what notifications say of each.
func formsNotified(tx *sql.Tx, id int64, from time.Time) ([]ledger.FormsSaid, error) {
	outcomes := []string{ledger.OutcomeAccepted, ledger.OutcomeRemarks, ledger.OutcomeRefused, ledger.OutcomeToValidate, ledger.OutcomeUnknown}
	rows, err := tx.Query(`SELECT accepted, remarks, refused, to_validate, unknown, known, COUNT(*) FROM (
			SELECT MAX(outcome = 'accepted') AS accepted, MAX(outcome = 'accepted-with-remarks') AS remarks, MAX(outcome = 'refused') AS refused,
				MAX(outcome = 'to-validate') AS to_validate, MAX(outcome = 'unknown') AS unknown, form > 0 AS known
			FROM answer a WHERE submission_id = $1 AND kind = 'notification' AND NOT `+early+`
			GROUP BY part, form, CASE form WHEN 0 THEN id END)
		GROUP BY 1, 2, 3, 4, 5, 6`, id, timeText(from))
	return all(rows, err, func(row scanner) (f ledger.FormsSaid, err error) {
		said := make([]bool, len(outcomes))
		err = row.Scan(&said[0], &said[1], &said[2], &said[3], &said[4], &f.Known, &f.Count)
		for i, yes := range said {
			if yes {
				f.Outcomes = append(f.Outcomes, outcomes[i])
			}
		}
		return f, err
	})
}
