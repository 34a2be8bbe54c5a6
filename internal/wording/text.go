// Package wording says errors, states and values in words, in the language of the
// person. Packages that find something keep the English sentence and what is
// filled in (package problem); here it becomes something to say.
package wording

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/socbatch/socbatch/internal/lang"
)

// sayable is what keeps the format of its English sentence and what is filled
// in: errors and findings of lower packages.
type sayable interface {
	Said() (format string, args []any)
}

// Text is something to say to a person. Errors among the arguments are said in
// words.
func Text(format string, args ...any) lang.Text {
	said := slices.Clone(args)
	for i, a := range args {
		switch x := a.(type) {
		case error:
			said[i] = Of(x)
			if p, ok := x.(*fs.PathError); ok && slices.Contains(args[:i], any(p.Path)) { //nolint:errorlint // the error itself
				if reason, ok := fileReason(p.Err); ok {
					said[i] = reason // the file was named just before
				}
			}
		case sayable:
			said[i] = Message(x)
		}
	}
	return lang.T(format, said...)
}

// Message says what a lower package found. Its strings may come from a file
// name or a server.
func Message(x sayable) lang.Text {
	format, args := x.Said()
	args = slices.Clone(args)
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = Printable(s)
		}
	}
	return Text(format, args...)
}

// Count is a number of things.
func Count(n int, one, other string) lang.Text { return lang.N(n, one, other) }

// Printable makes a text of the server or of a file name harmless for a
// terminal: no control characters, nothing invisible, nothing that turns the
// direction of writing.
func Printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return fmt.Sprintf("%q", s)
}
