package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// AddAnswers implements ledger.Answers.
func (l *store) AddAnswers(_ context.Context, r ledger.Reply, answers []ledger.Answer) error {
	return l.change(func(tx *sql.Tx) error {
		q := newStatements(tx)
		defer q.close()
		for i := range answers {
			if err := l.addAnswer(q, r, &answers[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *store) addAnswer(q *statements, r ledger.Reply, a *ledger.Answer) error {
	if err := ledger.Match(finder{q}, r.Environment, a); err != nil {
		return err
	}
	if a.Elsewhere != "" {
		if err := l.rememberForeign(q, ledger.ForeignIn(r, a)); err != nil {
			return err
		}
	}
	ticket := ""
	if len(a.Tickets) > 0 {
		ticket = a.Tickets[0]
	}
	reference := ""
	if len(a.References) > 0 {
		reference = a.References[0]
	}
	res, err := q.Exec(`INSERT INTO answer (reply_id, position, kind, outcome, submission_id, part, form, matched_by, file_name, ticket, reference, form_date, form_hour, sender, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (reply_id, position) DO NOTHING`,
		r.ID, a.Position, a.Kind, a.Outcome, nullID(a.SubmissionID), a.Part, a.Form, a.MatchedBy, a.FileName, ticket, reference, a.Date, a.Hour, a.Sender, timeText(a.MadeAt))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if a.ID, err = res.LastInsertId(); err != nil {
		return err
	}
	for i, x := range a.Anomalies {
		if _, err := q.Exec(`INSERT INTO anomaly (answer_id, position, error_id, class, tag, location) VALUES ($1, $2, $3, $4, $5, $6)`,
			a.ID, i+1, x.ErrorID, x.Class, x.Tag, x.Location); err != nil {
			return err
		}
	}
	switch {
	case a.SubmissionID == 0 && a.Kind == ledger.KindNotification:
		return keepTickets(q, a)
	case a.SubmissionID != 0 && a.Kind == ledger.KindReceipt && ticket != "":
		return l.giveTicket(q, a, ticket)
	}
	return nil
}

// keepTickets remembers by which tickets an answer may still find its set.
func keepTickets(q *statements, a *ledger.Answer) error {
	for _, t := range a.Tickets {
		if _, err := q.Exec(`INSERT INTO loose_ticket (ticket, answer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, t, a.ID); err != nil {
			return err
		}
	}
	return nil
}

// giveTicket enters the ticket of a receipt in its set. Notifications that name
// it and came before the receipt find their set now.
func (l *store) giveTicket(q *statements, receipt *ledger.Answer, ticket string) error {
	if ours, err := l.answersOurs(q, receipt); err != nil || !ours {
		return err
	}
	var present string
	var confirmed bool
	if err := q.QueryRow(`SELECT s.ticket, EXISTS (SELECT 1 FROM answer a WHERE a.submission_id = s.id AND a.kind = 'receipt'
			AND a.outcome IN (`+positive+`) AND a.ticket = s.ticket) FROM submission s WHERE s.id = $1`, receipt.SubmissionID).Scan(&present, &confirmed); err != nil {
		return err
	}
	if !ledger.TakesTicket(present, confirmed, receipt.Outcome) {
		return nil
	}
	if _, err := q.Exec(`UPDATE submission SET ticket = $1 WHERE id = $2`, ticket, receipt.SubmissionID); err != nil {
		return err
	}
	return tieLoose(q, ticket)
}

// tieLoose ties the answers that name a ticket and match nothing yet.
func tieLoose(q *statements, ticket string) error {
	for after := int64(0); ; {
		loose, err := looseAnswers(q, ticket, after)
		if err != nil || len(loose) == 0 {
			return err
		}
		for i := range loose {
			a := &loose[i]
			after = a.ID
			if err := ledger.Match(finder{q}, a.environment, &a.Answer); err != nil {
				return err
			}
			if a.SubmissionID == 0 {
				continue
			}
			if _, err := q.Exec(`UPDATE answer SET submission_id = $1, part = $2, form = $3, matched_by = $4 WHERE id = $5`,
				a.SubmissionID, a.Part, a.Form, a.MatchedBy, a.ID); err != nil {
				return err
			}
			if _, err := q.Exec(`DELETE FROM loose_ticket WHERE answer_id = $1`, a.ID); err != nil {
				return err
			}
		}
	}
}

type looseAnswer struct {
	ledger.Answer
	environment naming.Environment // of the folder in which the reply lay
}

// looseAnswers gives the next of the unmatched answers that name a ticket. A
// reply may have a million, so they come in portions.
func looseAnswers(q *statements, ticket string, after int64) ([]looseAnswer, error) {
	rows, err := q.Query(`SELECT a.id, a.kind, a.file_name, a.reference, a.form_date, a.form_hour, a.sender, r.environment
		FROM loose_ticket l JOIN answer a ON a.id = l.answer_id JOIN reply r ON r.id = a.reply_id
		WHERE l.ticket = $1 AND l.answer_id > $2 ORDER BY l.answer_id LIMIT 1000`, ticket, after)
	return all(rows, err, func(row scanner) (looseAnswer, error) {
		a := looseAnswer{Answer: ledger.Answer{Tickets: []string{ticket}}}
		var reference string
		err := row.Scan(&a.ID, &a.Kind, &a.FileName, &reference, &a.Date, &a.Hour, &a.Sender, &a.environment)
		a.References = nonEmpty(reference)
		return a, err
	})
}

func nullID(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// ReadReply implements ledger.Answers.
func (l *store) ReadReply(_ context.Context, r ledger.Reply) ([]inbox.Submission, error) {
	var changed []inbox.Submission
	err := l.change(func(tx *sql.Tx) error {
		changed = nil
		if _, err := tx.Exec(`UPDATE reply SET read_at = $1, root = $2, forms = $3, signature = $4, problem = $5 WHERE id = $6`,
			l.stamp(), r.Root, r.Forms, r.Signature, r.Problem, r.ID); err != nil {
			return err
		}
		if err := l.due(tx, ledger.OnReply, r.ID, 0); err != nil {
			return err
		}
		ids, err := column[int64](tx, `SELECT DISTINCT submission_id FROM answer WHERE reply_id = $1 AND submission_id IS NOT NULL`, r.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := l.judge(tx, id); err != nil {
				return err
			}
			s, err := load(tx, `id = $1`, id)
			if err != nil {
				return err
			}
			changed = append(changed, s...)
		}
		return nil
	})
	return changed, err
}

// FlagReply implements ledger.Answers.
func (l *store) FlagReply(_ context.Context, r ledger.Reply) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE reply SET signature = $1, problem = $2 WHERE id = $3`, r.Signature, r.Problem, r.ID)
		return err
	})
}

// Answers implements ledger.Answers.
func (l *store) Answers(ctx context.Context, submission int64) ([]ledger.StoredAnswer, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT a.id, a.position, a.kind, a.outcome, a.part, a.form, a.matched_by, a.file_name, a.ticket, a.reference, a.form_date, a.form_hour,
			r.name, r.path, r.signature
		FROM answer a JOIN reply r ON r.id = a.reply_id WHERE a.submission_id = $1 ORDER BY a.id`, submission)
	out, err := all(rows, err, func(row scanner) (ledger.StoredAnswer, error) {
		a := ledger.StoredAnswer{Answer: ledger.Answer{SubmissionID: submission}}
		var ticket, reference string
		err := row.Scan(&a.ID, &a.Position, &a.Kind, &a.Outcome, &a.Part, &a.Form, &a.MatchedBy, &a.FileName, &ticket, &reference,
			&a.Date, &a.Hour, &a.Reply, &a.Path, &a.Signature)
		a.Tickets, a.References = nonEmpty(ticket), nonEmpty(reference)
		return a, err
	})
	if err == nil {
		err = l.addAnomalies(ctx, submission, out)
	}
	return out, failed(err)
}

// AnswersIn implements ledger.Answers.
func (l *store) AnswersIn(ctx context.Context, reply int64, limit int) ([]ledger.ReplyAnswer, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT a.id, a.position, a.kind, a.outcome, a.part, a.form, a.matched_by,
			COALESCE(a.submission_id, 0), COALESCE(s.set_key || '.' || s.parts, '')
		FROM answer a LEFT JOIN submission s ON s.id = a.submission_id WHERE a.reply_id = $1 ORDER BY a.position LIMIT $2`, reply, limit)
	out, err := all(rows, err, func(row scanner) (ledger.ReplyAnswer, error) {
		var a ledger.ReplyAnswer
		return a, row.Scan(&a.ID, &a.Position, &a.Kind, &a.Outcome, &a.Part, &a.Form, &a.MatchedBy, &a.SubmissionID, &a.Set)
	})
	return out, failed(err)
}

func (l *store) addAnomalies(ctx context.Context, submission int64, answers []ledger.StoredAnswer) error {
	byID := map[int64]*ledger.StoredAnswer{}
	for i := range answers {
		byID[answers[i].ID] = &answers[i]
	}
	rows, err := l.reads.QueryContext(ctx, `SELECT x.answer_id, x.error_id, x.class, x.tag, x.location FROM anomaly x
		JOIN answer a ON a.id = x.answer_id WHERE a.submission_id = $1 ORDER BY x.answer_id, x.position`, submission)
	return each(rows, err, func(row scanner) error {
		var id int64
		var x ledger.Anomaly
		if err := row.Scan(&id, &x.ErrorID, &x.Class, &x.Tag, &x.Location); err != nil {
			return err
		}
		if a := byID[id]; a != nil {
			a.Anomalies = append(a.Anomalies, x)
		}
		return nil
	})
}

func nonEmpty(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return []string{s}
}
