// Package problem has errors whose sentence can be said in another language:
// they keep its format and what is filled in.
package problem

import "fmt"

// Error is a sentence in English. Errors among its arguments are wrapped.
type Error struct {
	format string
	args   []any
}

// New makes an error from a format as fmt.Sprintf takes it.
func New(format string, args ...any) *Error {
	if false {
		_ = fmt.Sprintf(format, args...) // lets go vet check the arguments
	}
	return &Error{format, args}
}

func (e *Error) Error() string { return fmt.Sprintf(e.format, e.args...) }

// Said gives the English format and its arguments. Those that have a method
// Said themselves, and errors, can be said in another language too.
func (e *Error) Said() (format string, args []any) { return e.format, e.args }

// Unwrap gives the errors among the arguments.
func (e *Error) Unwrap() []error {
	var causes []error
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			causes = append(causes, err)
		}
	}
	return causes
}

// Word is a fixed text.
type Word string

// Said is as that of Error.
func (w Word) Said() (format string, args []any) { return string(w), nil }
