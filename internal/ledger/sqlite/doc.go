// Package sqlite keeps a ledger in one SQLite file.
//
// Every change is on the disk when the method returns (WAL with full
// synchronisation). Changes of concurrent callers share one transaction and
// so one flush. Names and contents are unique by constraints of the database,
// so that two processes cannot take the same one even if every lock fails.
package sqlite
