package sqlite

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

// errNameUsed is what the server answers to a GO whose name it has seen before.
// It says nothing about the first.
const errNameUsed = "ACRF-133"

// clockDifference is how far the clock of this machine may be from that of the
// office, when an answer is compared with the GO of its set.
const clockDifference = 3 * time.Hour

// clockBack is by how much a clock goes back when it is set right, and not only
// kept right.
const clockBack = 10 * time.Minute

// judge brings the state of a set to what its answers say, whatever the order
// in which they came.
func (l *store) judge(tx *sql.Tx, id int64) error {
	var from inbox.State
	if err := tx.QueryRow(`SELECT state FROM submission WHERE id = $1`, id).Scan(&from); err != nil {
		return err
	}
	v, err := l.verdict(tx, id)
	if err != nil || v.state == "" {
		return err
	}
	if from != v.state && !from.CanBecome(v.state) {
		return nil
	}
	if v.state == inbox.Refused {
		why, err := refusals(tx, id)
		if err != nil {
			return err
		}
		v.note = strings.Trim(v.note+": "+why, ": ")
	}
	if from == v.state {
		_, err = tx.Exec(`UPDATE submission SET note = $1 WHERE id = $2`, v.note, id)
	} else {
		err = l.move(tx, id, v.state, v.note, l.stamp())
		if err == nil && (v.state == inbox.Refused || v.state.NeedsPerson()) {
			err = l.due(tx, ledger.OnRefused, 0, id)
		}
	}
	if err != nil {
		return err
	}
	if v.state == inbox.NameUsed {
		if err := l.foreignUseOf(tx, id); err != nil {
			return err
		}
	}
	// Only a set of which nothing was or can still be accepted may go again
	// without a person's word.
	if v.nothing {
		return l.release(tx, id)
	}
	return claim(tx, id)
}

// refusals names the error ids of what was refused, each once.
func refusals(tx *sql.Tx, id int64) (string, error) {
	const maxNamed = 5
	ids, err := column[string](tx, `SELECT DISTINCT x.error_id FROM anomaly x JOIN answer a ON a.id = x.answer_id
		WHERE a.submission_id = $1 AND a.outcome = 'refused' ORDER BY x.error_id`, id)
	if len(ids) > maxNamed {
		ids = append(ids[:maxNamed], "…")
	}
	return strings.Join(ids, ", "), err
}

type verdictOf struct {
	state   inbox.State // empty: the answers say nothing
	note    string
	nothing bool // nothing of the set was accepted, nor will be
}

// rank orders the outcomes of one form: of several the highest holds, whichever
// came first.
const rank = `CASE outcome WHEN 'refused' THEN 5 WHEN 'accepted-with-remarks' THEN 4 WHEN 'accepted' THEN 3 WHEN 'to-validate' THEN 2 ELSE 1 END`

// ranked are the outcomes by their rank.
var ranked = []string{1: ledger.OutcomeUnknown, 2: ledger.OutcomeToValidate, 3: ledger.OutcomeAccepted, 4: ledger.OutcomeRemarks, 5: ledger.OutcomeRefused}

// said is what all answers to a set say together.
type said struct {
	forms, parts int // of the set
	asked        int // how often its GO was asked for

	received     bool           // a positive receipt
	nameUsed     int            // receipts that say that the name was used before
	refusedParts map[int64]bool // negative receipts by part; 0: the whole set
	answered     int            // forms of which a notification speaks
	count        map[string]int // of these, by outcome
	refused      int            // of these, refused ones of which it is known which they are
	accepted     bool           // a form was accepted, whatever was said of it besides
}

// verdict is the state that the answers to a set give it together.
func (a *said) verdict() verdictOf {
	v := verdictOf{nothing: a.nothing()}
	total := max(a.forms, a.answered, 1)
	open := total - a.answered + a.count[ledger.OutcomeToValidate] + a.count[ledger.OutcomeUnknown]
	switch {
	case a.usedByOthers():
		v.state = inbox.NameUsed
	case len(a.refusedParts) > 0:
		v.state = inbox.Refused
	case a.count[ledger.OutcomeRefused] > 0:
		v.state, v.note = inbox.Refused, fmt.Sprintf("%d of %d forms refused", a.count[ledger.OutcomeRefused], total)
	case open == 0 && a.count[ledger.OutcomeRemarks] > 0:
		v.state = inbox.AcceptedWithRemarks
	case open == 0:
		v.state = inbox.Accepted
	case a.received || a.answered > 0:
		v.state = inbox.Received
		if n := a.count[ledger.OutcomeToValidate]; n > 0 {
			v.note = fmt.Sprintf("%d of %d forms to validate", n, total)
		} else if a.answered > 0 {
			v.note = fmt.Sprintf("%d of %d forms answered", a.answered, total)
		}
	}
	return v
}

// usedByOthers reports whether somebody else delivered under the name of the
// set. A GO that was asked for n times explains n-1 refusals because of the name:
// to the server a second GO of ours is a second use, too.
func (a *said) usedByOthers() bool { return a.nameUsed >= max(a.asked, 1) }

func (a *said) nothing() bool {
	if a.usedByOthers() || a.accepted || a.count[ledger.OutcomeToValidate]+a.count[ledger.OutcomeUnknown] > 0 {
		return false
	}
	switch {
	case a.refused > 0 && a.refused >= a.forms:
		return true
	case a.received:
		return false
	}
	return a.refusedParts[0] || len(a.refusedParts) >= a.parts
}

func (a *said) receipt(outcome string, part int64, used bool) {
	switch {
	case outcome == ledger.OutcomeUnknown:
	case outcome != ledger.OutcomeRefused:
		a.received = true
	case used:
		a.nameUsed++
	default:
		a.refusedParts[part] = true
	}
}

func (l *store) verdict(tx *sql.Tx, id int64) (verdictOf, error) {
	a := &said{refusedParts: map[int64]bool{}, count: map[string]int{}}
	if err := tx.QueryRow(`SELECT forms, parts FROM submission WHERE id = $1`, id).Scan(&a.forms, &a.parts); err != nil {
		return verdictOf{}, err
	}
	var since string
	var err error
	if a.asked, since, err = l.askedFor(tx, id); err != nil {
		return verdictOf{}, err
	}
	if err := a.addReceipts(tx, id, since); err != nil {
		return verdictOf{}, err
	}
	if err := a.addForms(tx, id, since); err != nil {
		return verdictOf{}, err
	}
	return a.verdict(), nil
}

// askedFor says how often the GO of a set was asked for, and since when there may
// be answers to it; empty: at any time. What the office made before is about what
// somebody else delivered under that name.
func (l *store) askedFor(q statementer, id int64) (times int, since string, err error) {
	first, at, times, err := firstAsked(q, id)
	if err != nil || times == 0 {
		return times, "", err
	}
	since = timeText(at.Add(-clockDifference))
	var early bool
	if err := q.QueryRow(`SELECT EXISTS (SELECT 1 FROM answer WHERE submission_id = $1 AND made_at <> '' AND made_at < $2)`, id, since).Scan(&early); err != nil || !early {
		return times, since, err
	}
	// A time that the clock has gone back behind since is that of a clock that was
	// ahead, and says nothing.
	latest := at.Add(-clockBack)
	ahead := l.now().Before(latest)
	if !ahead {
		err = q.QueryRow(`SELECT EXISTS (SELECT 1 FROM event WHERE id > $1 AND at < $2)`, first, timeText(latest)).Scan(&ahead)
	}
	if ahead {
		since = ""
	}
	return times, since, err
}

// firstAsked finds the entry of the first time that the GO of a set was asked
// for, and counts the times.
func firstAsked(q rowsQuerier, id int64) (first int64, at time.Time, times int, err error) {
	rows, err := q.Query(`SELECT id, state, at FROM event WHERE submission_id = $1 ORDER BY id`, id)
	if err != nil {
		return 0, at, 0, err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	before := inbox.State("")
	for rows.Next() {
		var event int64
		var state inbox.State
		var text string
		if err := rows.Scan(&event, &state, &text); err != nil {
			return 0, at, 0, err
		}
		if state == inbox.Unknown && before != inbox.Unknown {
			if times++; times == 1 {
				first, at = event, parseTime(text)
			}
		}
		before = state
	}
	return first, at, times, rows.Err()
}

// statementer is a transaction, or its statements.
type statementer interface {
	rowsQuerier
	QueryRow(query string, args ...any) *sql.Row
}

// olderThanGO chooses answers that the office made before the GO of their set
// was asked for, by $2.
const olderThanGO = `(a.made_at <> '' AND a.made_at < $2)`

// answersOurs reports whether an answer is about what was sent from here, and
// not about what somebody else delivered under the name before.
func (l *store) answersOurs(q statementer, a *ledger.Answer) (bool, error) {
	if a.MadeAt.IsZero() {
		return true, nil
	}
	_, since, err := l.askedFor(q, a.SubmissionID)
	return timeText(a.MadeAt) >= since, err
}

// addReceipts reads what the receipts say. The refusal of a name counts once for
// each reply that holds it, whatever its age.
func (a *said) addReceipts(tx *sql.Tx, id int64, since string) error {
	rows, err := tx.Query(`SELECT a.outcome, a.part, COALESCE(r.sha256, ''), `+olderThanGO+`,
			EXISTS (SELECT 1 FROM anomaly x WHERE x.answer_id = a.id AND x.error_id = '`+errNameUsed+`')
		FROM answer a LEFT JOIN reply r ON r.id = a.reply_id WHERE a.submission_id = $1 AND a.kind = 'receipt'`, id, since)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	counted := map[string]bool{}
	for rows.Next() {
		var outcome, reply string
		var part int64
		var old, used bool
		if err := rows.Scan(&outcome, &part, &reply, &old, &used); err != nil {
			return err
		}
		used = used && outcome == ledger.OutcomeRefused
		if old && !used || used && counted[reply] {
			continue
		}
		counted[reply] = counted[reply] || used
		a.receipt(outcome, part, used)
	}
	return rows.Err()
}

// addForms counts the forms by what the notifications say of them. An answer
// that does not tell which form it is about counts for itself.
func (a *said) addForms(tx *sql.Tx, id int64, since string) error {
	rows, err := tx.Query(`SELECT highest, known, accepted, COUNT(*) FROM (
			SELECT MAX(`+rank+`) AS highest, form > 0 AS known, MAX(outcome IN ('accepted', 'accepted-with-remarks')) AS accepted
			FROM answer a WHERE submission_id = $1 AND kind = 'notification' AND NOT `+olderThanGO+`
			GROUP BY part, form, CASE form WHEN 0 THEN id END)
		GROUP BY highest, known, accepted`, id, since)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is looked at
	for rows.Next() {
		var highest, n int
		var known, accepted bool
		if err := rows.Scan(&highest, &known, &accepted, &n); err != nil {
			return err
		}
		a.answered += n
		a.count[ranked[highest]] += n
		if ranked[highest] == ledger.OutcomeRefused && (known || a.forms <= 1) {
			a.refused += n
		}
		a.accepted = a.accepted || accepted
	}
	return rows.Err()
}
