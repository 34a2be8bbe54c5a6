package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// AddAnswers enters some of the answers of a reply and ties each to its set.
// Entering the same answers again changes nothing, so that a run that broke
// off can be repeated.
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
	if err := match(q, r.Environment, a); err != nil {
		return err
	}
	if a.Elsewhere != "" {
		if err := l.foreign(q, a.Elsewhere, r, a); err != nil {
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

// giveTicket enters the ticket of a receipt in its set: that of a positive
// receipt is the one that notifications name. Those that came before the
// receipt find their set now.
func (l *store) giveTicket(q *statements, receipt *ledger.Answer, ticket string) error {
	if ours, err := l.answersOurs(q, receipt); err != nil || !ours {
		return err
	}
	positive := receipt.Outcome == ledger.OutcomeAccepted || receipt.Outcome == ledger.OutcomeRemarks
	res, err := q.Exec(`UPDATE submission SET ticket = $1 WHERE id = $2 AND (ticket = '' OR ($3 AND NOT EXISTS (
		SELECT 1 FROM answer WHERE submission_id = $2 AND kind = 'receipt' AND outcome IN ('accepted', 'accepted-with-remarks') AND ticket = submission.ticket)))`,
		ticket, receipt.SubmissionID, positive)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
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
			if err := match(q, a.environment, &a.Answer); err != nil {
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
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []looseAnswer
	for rows.Next() {
		a := looseAnswer{Answer: ledger.Answer{Tickets: []string{ticket}}}
		var reference string
		if err := rows.Scan(&a.ID, &a.Kind, &a.FileName, &reference, &a.Date, &a.Hour, &a.Sender, &a.environment); err != nil {
			return nil, err
		}
		a.References = nonEmpty(reference)
		out = append(out, a)
	}
	return out, rows.Err()
}

func nullID(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// ReadReply records that every answer of a reply is entered, and brings the
// sets that it answers up to date. It returns those sets.
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

// FlagReply records what is wrong with a reply that is not read yet.
func (l *store) FlagReply(_ context.Context, r ledger.Reply) error {
	return l.change(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE reply SET signature = $1, problem = $2 WHERE id = $3`, r.Signature, r.Problem, r.ID)
		return err
	})
}

// rowsQuerier is a transaction, or its statements.
type rowsQuerier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

func column[T any](q rowsQuerier, query string, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// match ties an answer to a set: by file name, else by ticket, else by own
// reference, else by date and hour of the form. An answer that names a sender is
// about that sender's sets and no others, whatever else fits. Where several sets
// fit, those of the environment in whose folder the reply lay are preferred;
// where it is still not one, none is chosen.
func match(q *statements, env naming.Environment, a *ledger.Answer) error {
	// Sets that never left have no answers.
	const sent = ` AND s.state NOT IN ('prepared', 'uploading', 'uploaded', 'failed', 'cancelled')`
	one := func(by, query string, args ...any) (bool, error) {
		if a.Sender != "" {
			args = append(args, a.Sender)
			query += fmt.Sprintf(` AND s.sender = $%d`, len(args))
		}
		ids, err := column[int64](q, query+sent+` AND s.environment = '`+string(env)+`' LIMIT 2`, args...)
		// A ticket is the office's own and names one file anywhere. What the
		// sender wrote is often the same in a test and in production: it never
		// ties a reply to a set of another environment.
		if err == nil && len(ids) == 0 && by == ledger.ByTicket {
			ids, err = column[int64](q, query+sent+` LIMIT 2`, args...)
		}
		switch {
		case err != nil:
			return false, err
		case len(ids) == 0:
			return false, nil
		case len(ids) > 1:
			a.MatchedBy = ledger.Ambiguous
			return false, nil
		}
		a.SubmissionID, a.MatchedBy = ids[0], by
		return true, matchForm(q, a)
	}
	a.SubmissionID, a.MatchedBy, a.Elsewhere = 0, "", ""
	if n, err := naming.Parse(a.FileName); err == nil {
		if a.Sender != "" && a.Sender != n.Sender {
			return nil // it contradicts itself
		}
		a.Part = n.Part
		// The name is the set's own: whatever its state here, it was sent.
		var id int64
		err := q.QueryRow(`SELECT id FROM submission WHERE set_key = $1`, n.SetKey()).Scan(&id)
		switch {
		case err == nil:
			other, err := otherContents(q, id, a)
			if err != nil {
				return err
			}
			if other {
				a.Elsewhere, a.Part = n.SetKey(), 0
				return nil
			}
			a.SubmissionID, a.MatchedBy = id, ledger.ByFileName
			return matchForm(q, a)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		// Another program sent that file, perhaps with the same references.
		a.Elsewhere, a.Part = n.SetKey(), 0
	}
	if a.Kind == ledger.KindReceipt { // it is for its file and no other
		return nil
	}
	for _, t := range a.Tickets {
		if done, err := one(ledger.ByTicket, `SELECT s.id FROM submission s WHERE s.ticket = $1`, t); done || err != nil {
			return err
		}
	}
	if a.Elsewhere != "" {
		return nil
	}
	for _, r := range a.References {
		if done, err := one(ledger.ByReference, setsWith("form_reference", "number = $1"), r); done || err != nil {
			return err
		}
	}
	if a.Date == "" || a.Hour == "" {
		return nil
	}
	_, err := one(ledger.ByMoment, setsWith("form", "date = $1 AND hour = $2"), a.Date, a.Hour)
	return err
}

// otherContents reports whether a notification is about what somebody else
// delivered under the name of a set: it says when the form that it answers was
// made, and the set has none of that second, nor one of its references. How the
// office writes fractions of a second does not matter.
func otherContents(q *statements, id int64, a *ledger.Answer) (bool, error) {
	if _, ok := naming.Moment(a.Date, a.Hour); !ok || a.Kind != ledger.KindNotification {
		return false, nil
	}
	var first, hour string
	err := q.QueryRow(`SELECT date, hour FROM form WHERE submission_id = $1 ORDER BY part, position LIMIT 1`, id).Scan(&first, &hour)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, ok := naming.Moment(first, hour); !ok {
		return false, nil
	}
	second := a.Hour[:min(len(a.Hour), len("hh:mm:ss"))]
	var ours bool
	if err := q.QueryRow(`SELECT EXISTS (SELECT 1 FROM form WHERE date = $1 AND hour >= $2 AND hour < $3 AND submission_id = $4)`,
		a.Date, second, second+"~", id).Scan(&ours); err != nil || ours {
		return false, err
	}
	for _, r := range a.References {
		if err := q.QueryRow(`SELECT EXISTS (SELECT 1 FROM form_reference WHERE number = $1 AND submission_id = $2)`, r, id).Scan(&ours); err != nil || ours {
			return false, err
		}
	}
	return true, nil
}

// setsWith selects the sets that have a row in a table. It leaps from set to
// set: a declaration may have a million rows alike.
func setsWith(table, condition string) string {
	next := `SELECT MIN(submission_id) FROM ` + table + ` WHERE ` + condition
	return `WITH RECURSIVE found (id) AS (` + next + ` UNION ALL SELECT (` + next + ` AND submission_id > found.id) FROM found WHERE found.id IS NOT NULL)
		SELECT s.id FROM found JOIN submission s ON s.id = found.id WHERE TRUE`
}

// matchForm finds which form of the set is answered.
func matchForm(q *statements, a *ledger.Answer) error {
	if a.Kind != ledger.KindNotification {
		return nil
	}
	type place struct{ part, form int }
	find := func(query string, args ...any) (bool, error) {
		rows, err := q.Query(query+` LIMIT 2`, args...)
		if err != nil {
			return false, err
		}
		defer rows.Close() //nolint:errcheck // Err is looked at
		var found []place
		for rows.Next() {
			var p place
			if err := rows.Scan(&p.part, &p.form); err != nil {
				return false, err
			}
			found = append(found, p)
		}
		if err := rows.Err(); err != nil || len(found) != 1 {
			return false, err
		}
		a.Part, a.Form = found[0].part, found[0].form
		return true, nil
	}
	for _, r := range a.References {
		if done, err := find(`SELECT DISTINCT part, position FROM form_reference WHERE number = $1 AND submission_id = $2`, r, a.SubmissionID); done || err != nil {
			return err
		}
	}
	if a.Date != "" && a.Hour != "" {
		if done, err := find(`SELECT part, position FROM form WHERE date = $1 AND hour = $2 AND submission_id = $3`, a.Date, a.Hour, a.SubmissionID); done || err != nil {
			return err
		}
	}
	// The only form of the set, or of its part.
	_, err := find(`SELECT part, position FROM form WHERE submission_id = $1 AND ($2 = 0 OR part = $2)`, a.SubmissionID, a.Part)
	return err
}

// Answers gives what was answered to a set, in the order in which it came.
func (l *store) Answers(ctx context.Context, submission int64) ([]ledger.StoredAnswer, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT a.id, a.position, a.kind, a.outcome, a.part, a.form, a.matched_by, a.file_name, a.ticket, a.reference, a.form_date, a.form_hour,
			r.name, r.path, r.signature
		FROM answer a JOIN reply r ON r.id = a.reply_id WHERE a.submission_id = $1 ORDER BY a.id`, submission)
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []ledger.StoredAnswer
	for rows.Next() {
		a := ledger.StoredAnswer{Answer: ledger.Answer{SubmissionID: submission}}
		var ticket, reference string
		if err := rows.Scan(&a.ID, &a.Position, &a.Kind, &a.Outcome, &a.Part, &a.Form, &a.MatchedBy, &a.FileName, &ticket, &reference,
			&a.Date, &a.Hour, &a.Reply, &a.Path, &a.Signature); err != nil {
			return nil, failed(err)
		}
		a.Tickets, a.References = nonEmpty(ticket), nonEmpty(reference)
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, failed(err)
	}
	return out, l.addAnomalies(ctx, submission, out)
}

// AnswersIn gives what stands in a reply, form by form, at most so many.
func (l *store) AnswersIn(ctx context.Context, reply int64, limit int) ([]ledger.ReplyAnswer, error) {
	rows, err := l.reads.QueryContext(ctx, `SELECT a.id, a.position, a.kind, a.outcome, a.part, a.form, a.matched_by,
			COALESCE(a.submission_id, 0), COALESCE(s.set_key || '.' || s.parts, '')
		FROM answer a LEFT JOIN submission s ON s.id = a.submission_id WHERE a.reply_id = $1 ORDER BY a.position LIMIT $2`, reply, limit)
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	var out []ledger.ReplyAnswer
	for rows.Next() {
		var a ledger.ReplyAnswer
		if err := rows.Scan(&a.ID, &a.Position, &a.Kind, &a.Outcome, &a.Part, &a.Form, &a.MatchedBy, &a.SubmissionID, &a.Set); err != nil {
			return nil, failed(err)
		}
		out = append(out, a)
	}
	return out, failed(rows.Err())
}

func (l *store) addAnomalies(ctx context.Context, submission int64, answers []ledger.StoredAnswer) error {
	byID := map[int64]*ledger.StoredAnswer{}
	for i := range answers {
		byID[answers[i].ID] = &answers[i]
	}
	rows, err := l.reads.QueryContext(ctx, `SELECT x.answer_id, x.error_id, x.class, x.tag, x.location FROM anomaly x
		JOIN answer a ON a.id = x.answer_id WHERE a.submission_id = $1 ORDER BY x.answer_id, x.position`, submission)
	if err != nil {
		return failed(err)
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		var id int64
		var x ledger.Anomaly
		if err := rows.Scan(&id, &x.ErrorID, &x.Class, &x.Tag, &x.Location); err != nil {
			return failed(err)
		}
		if a := byID[id]; a != nil {
			a.Anomalies = append(a.Anomalies, x)
		}
	}
	return failed(rows.Err())
}

func nonEmpty(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return []string{s}
}
