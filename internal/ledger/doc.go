// Package ledger says what a ledger remembers of what was sent and fetched, and
// by which rules: what the answers to a set say together, which set an answer
// belongs to, and which contents must not go again. It has the types and the
// rules, and knows of no database; the ledgers themselves stand in packages of
// their own (see ledger/sqlite), and ledgertest is what each of them has to pass.
package ledger
