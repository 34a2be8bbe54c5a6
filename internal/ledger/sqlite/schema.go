package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/socbatch/socbatch/internal/problem"
)

// migrations are applied in order, each once; the ledger's version is how many
// were. A migration that has shipped is never changed.
var migrations = []string{`
CREATE TABLE submission (
	id          INTEGER PRIMARY KEY,
	set_key     TEXT NOT NULL UNIQUE,     -- application.sender.date.sequence.environment
	application TEXT NOT NULL,
	sender      TEXT NOT NULL,
	date        TEXT NOT NULL,
	sequence    TEXT NOT NULL,
	environment TEXT NOT NULL,
	parts       INTEGER NOT NULL,
	state       TEXT NOT NULL,
	note        TEXT NOT NULL DEFAULT '',
	reason      TEXT NOT NULL DEFAULT '', -- why the same contents went again
	spool       TEXT NOT NULL,
	signed_by   TEXT NOT NULL DEFAULT '',
	ticket      TEXT NOT NULL DEFAULT '',
	forms       INTEGER NOT NULL DEFAULT 0,
	created_at  TEXT NOT NULL,            -- all times: RFC 3339, UTC
	updated_at  TEXT NOT NULL,
	sent_at     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX submission_state ON submission (state);
CREATE INDEX submission_ticket ON submission (ticket);

-- The last number given, per application, sender, day and environment.
CREATE TABLE numbering (
	application TEXT NOT NULL,
	sender      TEXT NOT NULL,
	date        TEXT NOT NULL,
	environment TEXT NOT NULL,
	last        TEXT NOT NULL,
	PRIMARY KEY (application, sender, date, environment)
);

CREATE TABLE part (
	submission_id INTEGER NOT NULL REFERENCES submission (id),
	number        INTEGER NOT NULL,
	source        TEXT NOT NULL,
	root          TEXT NOT NULL,
	size          INTEGER NOT NULL,
	sha256        TEXT NOT NULL,
	fs_size       INTEGER NOT NULL,
	fs_sha256     TEXT NOT NULL,
	PRIMARY KEY (submission_id, number)
);
CREATE INDEX part_sha256 ON part (sha256);

-- Which set holds which contents: one row while they must not go again.
CREATE TABLE claim (
	sender        TEXT NOT NULL,
	environment   TEXT NOT NULL,
	application   TEXT NOT NULL,
	sha256        TEXT NOT NULL,
	submission_id INTEGER NOT NULL REFERENCES submission (id),
	part          INTEGER NOT NULL,
	PRIMARY KEY (sender, environment, application, sha256)
);
CREATE INDEX claim_submission ON claim (submission_id);

CREATE TABLE form (
	submission_id INTEGER NOT NULL REFERENCES submission (id),
	part          INTEGER NOT NULL,
	position      INTEGER NOT NULL,
	date          TEXT NOT NULL,
	hour          TEXT NOT NULL,
	PRIMARY KEY (submission_id, part, position)
);
CREATE INDEX form_moment ON form (date, hour);

CREATE TABLE form_reference (
	submission_id INTEGER NOT NULL REFERENCES submission (id),
	part          INTEGER NOT NULL,
	position      INTEGER NOT NULL,
	type          TEXT NOT NULL,
	number        TEXT NOT NULL
);
CREATE INDEX form_reference_number ON form_reference (number);
CREATE INDEX form_reference_submission ON form_reference (submission_id);

-- The history of a set, for people and auditors.
CREATE TABLE event (
	id            INTEGER PRIMARY KEY,
	submission_id INTEGER NOT NULL REFERENCES submission (id),
	at            TEXT NOT NULL,
	state         TEXT NOT NULL,
	note          TEXT NOT NULL
);
CREATE INDEX event_submission ON event (submission_id);

CREATE TABLE reply (
	id          INTEGER PRIMARY KEY,
	environment TEXT NOT NULL,
	name        TEXT NOT NULL,
	application TEXT NOT NULL,
	path        TEXT NOT NULL,
	size        INTEGER NOT NULL,
	sha256      TEXT NOT NULL,
	fs_name     TEXT NOT NULL DEFAULT '',
	fs_path     TEXT NOT NULL DEFAULT '',
	fs_size     INTEGER NOT NULL DEFAULT 0,
	fs_sha256   TEXT NOT NULL DEFAULT '',
	signature   TEXT NOT NULL DEFAULT '', -- what checking it gave
	conflict    INTEGER NOT NULL DEFAULT 0,
	fetched_at  TEXT NOT NULL,
	deleted_at  TEXT NOT NULL DEFAULT '', -- gone from the server
	read_at     TEXT NOT NULL DEFAULT '', -- its answers are entered
	root        TEXT NOT NULL DEFAULT '',
	forms       INTEGER NOT NULL DEFAULT 0,
	problem     TEXT NOT NULL DEFAULT '', -- why it could not be read
	UNIQUE (environment, name, sha256)
);
CREATE INDEX reply_unread ON reply (read_at);
CREATE INDEX reply_fs ON reply (environment, fs_name);

-- One row per form of a receipt or notification.
CREATE TABLE answer (
	id            INTEGER PRIMARY KEY,
	reply_id      INTEGER NOT NULL REFERENCES reply (id),
	position      INTEGER NOT NULL,
	kind          TEXT NOT NULL,            -- receipt, notification
	outcome       TEXT NOT NULL,
	submission_id INTEGER REFERENCES submission (id), -- NULL: matches nothing of ours
	part          INTEGER NOT NULL DEFAULT 0, -- of the form that is answered; 0: not known
	form          INTEGER NOT NULL DEFAULT 0,
	matched_by    TEXT NOT NULL DEFAULT '',
	file_name     TEXT NOT NULL DEFAULT '',
	ticket        TEXT NOT NULL DEFAULT '',
	reference     TEXT NOT NULL DEFAULT '',
	form_date     TEXT NOT NULL DEFAULT '',
	form_hour     TEXT NOT NULL DEFAULT '',
	UNIQUE (reply_id, position)
);
CREATE INDEX answer_submission ON answer (submission_id);

CREATE TABLE anomaly (
	answer_id INTEGER NOT NULL REFERENCES answer (id),
	position  INTEGER NOT NULL,
	error_id  TEXT NOT NULL,
	class     TEXT NOT NULL DEFAULT '',
	tag       TEXT NOT NULL DEFAULT '',
	location  TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (answer_id, position)
);
`, `
-- Signatures that came for a reply that had one already.
CREATE TABLE other_signature (
	reply_id INTEGER NOT NULL REFERENCES reply (id),
	name     TEXT NOT NULL,
	path     TEXT NOT NULL,
	size     INTEGER NOT NULL,
	sha256   TEXT NOT NULL,
	PRIMARY KEY (reply_id, sha256)
);
CREATE INDEX other_signature_name ON other_signature (name);

-- The tickets of notifications that match no set yet: the receipt that gives
-- the ticket to a set may come later.
CREATE TABLE loose_ticket (
	ticket    TEXT NOT NULL,
	answer_id INTEGER NOT NULL REFERENCES answer (id),
	PRIMARY KEY (ticket, answer_id)
) WITHOUT ROWID;
CREATE INDEX loose_ticket_answer ON loose_ticket (answer_id);
INSERT INTO loose_ticket (ticket, answer_id)
	SELECT ticket, id FROM answer WHERE submission_id IS NULL AND kind = 'notification' AND ticket <> '';
`, `
-- An answer finds its form among a million of one set, and the sets that have
-- such a form without a look at each of their forms.
DROP INDEX form_moment;
CREATE INDEX form_moment ON form (date, hour, submission_id);
DROP INDEX form_reference_number;
DROP INDEX form_reference_submission;
CREATE INDEX form_reference_number ON form_reference (number, submission_id);
`, `
-- What hooks are to be told, and were told. A row is due, then begun, then has
-- the result of the program: it is begun at most once.
CREATE TABLE hook_call (
	id            INTEGER PRIMARY KEY,
	hook          TEXT NOT NULL,                 -- on_reply, on_refused, on_error
	reply_id      INTEGER REFERENCES reply (id), -- of on_reply
	submission_id INTEGER REFERENCES submission (id), -- of on_refused
	command       TEXT NOT NULL DEFAULT '',      -- of on_error
	due_at        TEXT NOT NULL,
	begun_at      TEXT NOT NULL DEFAULT '',
	result        TEXT NOT NULL,
	exit_code     INTEGER NOT NULL DEFAULT 0,
	duration_ms   INTEGER NOT NULL DEFAULT 0,
	problem       TEXT NOT NULL DEFAULT '',      -- why it could not be started
	UNIQUE (hook, reply_id)
);
CREATE INDEX hook_call_due ON hook_call (hook) WHERE result IN ('due', 'not-started');
CREATE INDEX hook_call_submission ON hook_call (submission_id);

-- How the last runs of a command ended.
CREATE TABLE run (
	command      TEXT NOT NULL,
	environment  TEXT NOT NULL,
	ended_at     TEXT NOT NULL,
	exit_code    INTEGER NOT NULL,
	succeeded_at TEXT NOT NULL, -- the last one with exit code 0; empty: none
	PRIMARY KEY (command, environment)
) WITHOUT ROWID;
`, `
-- Contents are recognised also with other line ends: the hash of the FI with
-- every line end as CR LF, and that of the file that was handed in. Of sets that
-- were sent before, only the FI itself is known.
ALTER TABLE part ADD COLUMN crlf_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE part ADD COLUMN source_sha256 TEXT NOT NULL DEFAULT '';
UPDATE part SET crlf_sha256 = sha256, source_sha256 = sha256;
CREATE INDEX part_crlf_sha256 ON part (crlf_sha256);
`, `
-- What became of the files of a set (its frozen copies) and of a reply: since
-- when they are encrypted, and when they were removed.
ALTER TABLE submission ADD COLUMN sealed_at TEXT NOT NULL DEFAULT '';
ALTER TABLE submission ADD COLUMN pruned_at TEXT NOT NULL DEFAULT '';
ALTER TABLE reply ADD COLUMN sealed_at TEXT NOT NULL DEFAULT '';
ALTER TABLE reply ADD COLUMN pruned_at TEXT NOT NULL DEFAULT '';
CREATE INDEX submission_plain ON submission (id) WHERE sealed_at = '' AND pruned_at = '';
CREATE INDEX reply_plain ON reply (environment, id) WHERE sealed_at = '' AND pruned_at = '';

-- What is being removed: a run that was killed meanwhile is finished by the
-- next.
CREATE TABLE pruning (
	kind TEXT NOT NULL, -- submission, reply
	id   INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
) WITHOUT ROWID;
`, `
-- Where the file of a part was moved to afterwards: empty while it is still to
-- be moved, NULL where it is not.
ALTER TABLE part ADD COLUMN moved_to TEXT;
CREATE INDEX part_to_move ON part (submission_id) WHERE moved_to = '';
`, `
-- Whose declaration an answer is about, and when the office made it; both empty
-- where it does not say.
ALTER TABLE answer ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE answer ADD COLUMN made_at TEXT NOT NULL DEFAULT '';

-- Names under which somebody else delivered to the office, as answers show:
-- another program, another ledger, or this one before it was put back. They are
-- never given, and what was made before seen_at may have gone under them.
CREATE TABLE foreign_name (
	set_key     TEXT PRIMARY KEY,
	application TEXT NOT NULL,
	sender      TEXT NOT NULL,
	environment TEXT NOT NULL,
	reply       TEXT NOT NULL,    -- that shows it, the first one
	seen_at     TEXT NOT NULL,    -- when the office had it, at the latest
	refused     INTEGER NOT NULL, -- nothing of what went under it was processed
	found_at    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX foreign_name_sender ON foreign_name (sender, environment, application);
INSERT INTO foreign_name (set_key, application, sender, environment, reply, seen_at, refused, found_at)
	SELECT substr(a.file_name, 4, 28), substr(a.file_name, 4, 4), substr(a.file_name, 9, 6), substr(a.file_name, 31, 1), r.name, r.fetched_at,
		MIN(a.outcome = 'refused' AND NOT EXISTS (SELECT 1 FROM anomaly x WHERE x.answer_id = a.id AND x.error_id = 'ACRF-133')), r.read_at
	FROM answer a JOIN reply r ON r.id = a.reply_id
	WHERE a.submission_id IS NULL AND (a.file_name GLOB '??.????.??????.????????.?????.?' OR a.file_name GLOB '??.????.??????.????????.?????.?.*')
		AND NOT EXISTS (SELECT 1 FROM submission s WHERE s.set_key = substr(a.file_name, 4, 28))
	GROUP BY substr(a.file_name, 4, 28);

-- Sets whose name was refused although their GO was asked for once: until now
-- they counted as refused, or by the answers to somebody else's declaration.
UPDATE submission SET state = 'name-used', note = '' WHERE state IN ('sent', 'received', 'accepted', 'accepted-with-remarks', 'refused')
	AND EXISTS (SELECT 1 FROM answer a JOIN anomaly x ON x.answer_id = a.id
		WHERE a.submission_id = submission.id AND a.kind = 'receipt' AND a.outcome = 'refused' AND x.error_id = 'ACRF-133')
	AND NOT EXISTS (SELECT 1 FROM event e JOIN event later ON later.submission_id = e.submission_id AND later.id > e.id
		WHERE e.submission_id = submission.id AND e.state = 'unknown' AND later.state = 'uploaded');
INSERT INTO event (submission_id, at, state, note) SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), state, '' FROM submission WHERE state = 'name-used';
INSERT INTO claim (sender, environment, application, sha256, submission_id, part)
	SELECT s.sender, s.environment, s.application, p.sha256, s.id, p.number FROM submission s JOIN part p ON p.submission_id = s.id WHERE s.state = 'name-used'
	ON CONFLICT (sender, environment, application, sha256) DO NOTHING;
INSERT INTO claim (sender, environment, application, sha256, submission_id, part)
	SELECT s.sender, s.environment, s.application, p.crlf_sha256, s.id, p.number FROM submission s JOIN part p ON p.submission_id = s.id WHERE s.state = 'name-used'
	ON CONFLICT (sender, environment, application, sha256) DO NOTHING;
INSERT INTO foreign_name (set_key, application, sender, environment, reply, seen_at, refused, found_at)
	SELECT s.set_key, s.application, s.sender, s.environment, r.name, MIN(r.fetched_at), 0, r.read_at
	FROM submission s JOIN answer a ON a.submission_id = s.id JOIN reply r ON r.id = a.reply_id WHERE s.state = 'name-used' GROUP BY s.id;
`, `
-- What a person decided about entries whose time was still to come: the clock
-- was ahead when they were made. They stay as they are, and say nothing about
-- the clock any more.
CREATE TABLE clock_decision (
	id         INTEGER PRIMARY KEY,
	at         TEXT NOT NULL,
	last_event INTEGER NOT NULL, -- the newest entry then
	last_at    TEXT NOT NULL,    -- the latest time of an entry then
	reason     TEXT NOT NULL
);
`, `
-- What a run ended with is a class of failures (package failure), of which front
-- ends make exit codes.
ALTER TABLE run ADD COLUMN class TEXT NOT NULL DEFAULT '';
UPDATE run SET class = CASE exit_code
	WHEN 0 THEN 'done' WHEN 2 THEN 'usage' WHEN 3 THEN 'partly' WHEN 4 THEN 'credentials' WHEN 5 THEN 'temporary'
	WHEN 6 THEN 'refused' WHEN 7 THEN 'already-sent' WHEN 8 THEN 'no-answer' WHEN 9 THEN 'unknown' WHEN 11 THEN 'locked'
	WHEN 130 THEN 'interrupted' ELSE 'failed' END;
ALTER TABLE run DROP COLUMN exit_code;
`}

func newer(version int) error {
	return problem.New("the ledger has version %d and this program knows up to %d: use the newer program", version, len(migrations))
}

// migrate brings the schema to the newest version, or refuses a ledger that a
// newer program wrote.
func migrate(ctx context.Context, db *sql.DB, migrations []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER NOT NULL)`); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM ledger_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return newer(version)
	}
	if version == len(migrations) {
		return nil
	}
	for v := version; v < len(migrations); v++ {
		if _, err := tx.ExecContext(ctx, migrations[v]); err != nil {
			return fmt.Errorf("bring the ledger to version %d: %w", v+1, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_version (version) VALUES ($1)`, v+1); err != nil {
			return err
		}
	}
	return tx.Commit()
}
