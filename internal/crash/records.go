package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the database driver

	"github.com/socbatch/socbatch/naming"
)

// records is the client's ledger, only read. The program itself is not asked:
// it is what is under test.
type records struct{ *sql.DB }

func openRecords(client string) (records, error) {
	file := (&url.URL{Path: filepath.ToSlash(filepath.Join(client, "state", "ledger.db"))}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(15000)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return records{db}, err
}

// replies counts the entries of a reply file.
func (r records) replies(env naming.Environment, name, hash string) (n int, err error) {
	err = r.QueryRow(`SELECT COUNT(*) FROM reply WHERE environment = $1 AND ((name = $2 AND sha256 = $3) OR (fs_name = $2 AND fs_sha256 = $3))`,
		env, name, hash).Scan(&n)
	return n, err
}

// loose counts replies that are not read, or not known to be deleted.
func (r records) loose() (n int, err error) {
	err = r.QueryRow(`SELECT COUNT(*) FROM reply WHERE read_at = '' OR deleted_at = '' OR conflict <> 0 OR problem <> ''`).Scan(&n)
	return n, err
}

// spools are the names of the spool directories of all sets.
func (r records) spools() (map[string]bool, error) {
	rows, err := r.Query(`SELECT spool FROM submission`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all[s] = true
	}
	return all, rows.Err()
}

// sound asks SQLite for damage.
func (r records) sound() error {
	var said string
	if err := r.QueryRow(`PRAGMA integrity_check`).Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("the ledger is damaged: %s", said)
	}
	return nil
}
