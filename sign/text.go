package sign

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

// MaxSignatureSize is the largest signature that is read, as text or DER, in bytes.
const MaxSignatureSize = 1 << 20

var utf8BOM = []byte("\xef\xbb\xbf")

// TextForm is a layout of the base64 text of a signature file. None has header
// lines or blank lines.
type TextForm int

const (
	// Text64CRLF: lines of 64 characters, each ended by CR LF. What the clients known
	// to work in production send.
	Text64CRLF TextForm = iota
	// Text76CR: lines of 76 characters, each ended by a lone CR, as the official page allows.
	Text76CR
	// TextOneLine: a single line without a line end.
	TextOneLine
)

var textForms = map[TextForm]struct {
	name    string
	columns int
	eol     string
}{
	Text64CRLF:  {"64-crlf", 64, "\r\n"},
	Text76CR:    {"76-cr", 76, "\r"},
	TextOneLine: {"one-line", 0, ""},
}

// String gives the name that [ParseTextForm] reads: "64-crlf", "76-cr" or "one-line".
func (f TextForm) String() string {
	if t, ok := textForms[f]; ok {
		return t.name
	}
	return fmt.Sprintf("TextForm(%d)", int(f))
}

// ParseTextForm reads the name of a form, as in a configuration file.
func ParseTextForm(name string) (TextForm, error) {
	for f, t := range textForms {
		if t.name == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("text form %q is none of 64-crlf, 76-cr, one-line", name)
}

// EncodeText writes a DER signature as the text of a signature file. An unknown
// form is written as [Text64CRLF].
func EncodeText(der []byte, form TextForm) []byte {
	t, ok := textForms[form]
	if !ok {
		t = textForms[Text64CRLF]
	}
	b64 := base64.StdEncoding.AppendEncode(nil, der)
	if t.columns == 0 {
		return b64
	}
	out := make([]byte, 0, len(b64)+(len(b64)/t.columns+1)*len(t.eol))
	for len(b64) > 0 {
		n := min(t.columns, len(b64))
		out = append(append(out, b64[:n]...), t.eol...)
		b64 = b64[n:]
	}
	return out
}

// DecodeText reads a signature file: base64 in lines of any length with any line
// ends, blank lines, spaces, tabs, a byte order mark, with or without one pair of
// PEM header lines (whatever their label). DER is passed through. The result is not
// examined beyond its first byte. At most [MaxSignatureSize] bytes are read.
//
// Errors: [ErrTooLarge], [ErrText], [ErrTrailingData] (text after the end line).
func DecodeText(text []byte) ([]byte, error) {
	if len(text) > MaxSignatureSize {
		return nil, fail(ErrTooLarge, fmt.Sprintf("signature of more than %d bytes", MaxSignatureSize))
	}
	// 0x30 opens a SEQUENCE. As base64 it would be the character 0, and no base64
	// text of a SEQUENCE begins with that.
	if len(text) > 0 && text[0] == 0x30 {
		return bytes.Clone(text), nil
	}
	b64, err := stripText(bytes.TrimPrefix(text, utf8BOM))
	if err != nil {
		return nil, err
	}
	if len(b64) == 0 {
		return nil, fail(ErrText, "empty")
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(b64)))
	n, err := base64.StdEncoding.Strict().Decode(der, b64)
	if err != nil {
		return nil, failBy(ErrText, err)
	}
	if n == 0 || der[0] != 0x30 {
		return nil, fail(ErrText, "the decoded bytes are no signature")
	}
	return der[:n], nil
}

// stripText leaves only the base64 characters of a text.
func stripText(text []byte) ([]byte, error) {
	var label []byte // of the opening PEM line
	var ended bool
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		line := text
		if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		line = bytes.Trim(line, " \t")
		switch {
		case len(line) == 0:
		case ended:
			return nil, fail(ErrTrailingData, "text after the end line")
		case bytes.HasPrefix(line, []byte("-----BEGIN ")) && label == nil && len(out) == 0:
			label = line[len("-----BEGIN "):]
		case bytes.HasPrefix(line, []byte("-----END ")) && label != nil:
			if !bytes.Equal(line[len("-----END "):], label) {
				return nil, fail(ErrText, "end line does not fit the begin line")
			}
			ended = true
		default:
			for _, c := range line {
				if c != ' ' && c != '\t' {
					out = append(out, c)
				}
			}
		}
	}
	if label != nil && !ended {
		return nil, fail(ErrText, "end line missing")
	}
	return out, nil
}
