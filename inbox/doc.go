// Package inbox brings declarations into the IN folders of the social
// security: it freezes a copy of what is to be sent, signs it, gives it a name
// that was never used, uploads the FI and FS files, and lets the GO follow
// once everything else is safely there.
//
// GO is the point of no return. Whatever happens before it may be tried again
// under the same name; once its request may have left, the outcome is either
// known ([Sent]) or [Unknown], and is then settled by looking, never by
// sending again blindly. docs/delivery.md has the whole state machine.
//
// The package knows no protocol and no database: it asks for a [Session] and a
// [Ledger].
package inbox
