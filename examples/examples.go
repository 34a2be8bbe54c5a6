// Package examples holds declarations with invented numbers, for the demo and
// for whoever wants to try the tool.
package examples

import "embed"

// Declarations are the files of the directory declarations.
//
//go:embed declarations/*.xml
var Declarations embed.FS
