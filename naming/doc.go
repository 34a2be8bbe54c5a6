// Package naming knows the names of the batch channel of the Belgian social
// security: what a file is called, which folder it belongs in, and which
// faults the server would find in a name.
//
// A name is dot-separated:
//
//	kind.application.sender.date.sequence.environment[.parts[.part]]
//
// for example FI.DMFA.101380.20100920.00001.R.4.1, the first of four files of
// a DmfA. A [Set] is what is sent or received together: its FI files, their
// signatures FS, and the empty GO that completes it.
//
// The package is pure: it does no input or output and reads no clock.
//
// Source: the channel's public manual (naming of files) and the published
// list of error ids ACRF-nnn.
package naming
