package reply

import (
	"fmt"
	"io"
)

// Private is text that may identify a person, such as a national number. It
// prints, formats and marshals as a placeholder, so that it reaches no terminal,
// log or JSON by accident; Reveal is the one way to the text and marks the place
// where somebody decided to show it. The zero value is the absent text.
type Private struct {
	// A pointer, because fmt does not call methods of what it finds behind the
	// pointers of a value printed with an unfit verb; there it prints the address.
	text *string
}

// NewPrivate returns s as a Private; the zero value for an empty s.
func NewPrivate(s string) Private {
	if s == "" {
		return Private{}
	}
	return Private{&s}
}

// Reveal returns the text itself.
func (p Private) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

// IsZero tells whether there is no text.
func (p Private) IsZero() bool { return p.text == nil }

func (p Private) String() string {
	if p.text == nil {
		return ""
	}
	return "[withheld]"
}

// Format prints String with every verb, %q, %x and %#v among them.
func (p Private) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText gives the placeholder; JSON uses it, too.
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
