package naming

import "fmt"

// problem is an error that keeps its English format and what is filled in, so
// that it can be said in another language: see Said of Fault.
type problem struct {
	format string
	args   []any
}

func problemf(format string, args ...any) *problem {
	if false {
		_ = fmt.Sprintf(format, args...) // lets go vet check the arguments
	}
	return &problem{format, args}
}

func (p *problem) Error() string { return fmt.Sprintf(p.format, p.args...) }

// Said is as that of Fault.
func (p *problem) Said() (format string, args []any) { return p.format, p.args }

// word is a fixed text among arguments.
type word string

// Said is as that of Fault.
func (w word) Said() (format string, args []any) { return string(w), nil }
