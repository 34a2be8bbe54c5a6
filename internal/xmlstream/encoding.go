package xmlstream

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Encoding tells how the bytes of a document were read.
type Encoding struct {
	// Declared is the name in the XML declaration as written, or empty. A name
	// that is no encoding name at all (characters, length) is given as "…".
	Declared string
	// Actual is the encoding used: UTF-8, UTF-16LE, UTF-16BE, ISO-8859-1,
	// ISO-8859-15 or windows-1252. Empty when there is none for Declared.
	Actual string
	// BOM is true if the document starts with a byte order mark.
	BOM bool
	// Mismatch is true if Declared names another encoding than the bytes show.
	// The bytes win.
	Mismatch bool
}

const (
	utf8Name    = "UTF-8"
	utf16LEName = "UTF-16LE"
	utf16BEName = "UTF-16BE"
)

// canonical maps the names that XML producers use to the ones of Encoding.Actual.
// ISO-8859-1 is not widened to windows-1252 as browsers do: in XML it means what
// it says.
func canonical(name string) string {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return utf8Name
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "iso8859_1", "latin1", "latin-1", "l1":
		return "ISO-8859-1"
	case "iso-8859-15", "iso8859-15", "iso_8859-15", "iso8859_15", "latin9", "latin-9":
		return "ISO-8859-15"
	case "windows-1252", "cp1252", "cp-1252":
		return "windows-1252"
	case "utf-16", "utf16", "iso-10646-ucs-2", "ucs-2":
		return "UTF-16"
	case "utf-16le":
		return utf16LEName
	case "utf-16be":
		return utf16BEName
	}
	return ""
}

func sameEncoding(declared, actual string) bool {
	c := canonical(declared)
	return declared == "" || c == actual || c == "UTF-16" && strings.HasPrefix(actual, c)
}

var (
	declRE = regexp.MustCompile(`^<\?xml[ \t\r\n][^<>]*?[ \t\r\n]?encoding[ \t\r\n]*=[ \t\r\n]*(?:"([^"<>]*)"|'([^'<>]*)')`)
	nameRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._:-]{0,39}$`)
)

func declaredName(head []byte) string {
	m := declRE.FindSubmatch(head)
	if m == nil {
		return ""
	}
	name := string(m[1]) + string(m[2])
	if !nameRE.MatchString(name) {
		return "…"
	}
	return name
}

// headSize is how far the XML declaration is looked for.
const headSize = 1024

// toUTF8 finds the encoding of r and returns a reader of its text in UTF-8
// without byte order mark. ok is false if the encoding is not supported.
func toUTF8(r io.Reader) (out io.Reader, enc Encoding, ok bool, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, enc, false, err
	}
	skip := 0
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE, 0, 0}),
		bytes.HasPrefix(head, []byte{0, 0, 0xFE, 0xFF}),
		bytes.HasPrefix(head, []byte{'<', 0, 0, 0}),
		bytes.HasPrefix(head, []byte{0, 0, 0, '<'}),
		bytes.HasPrefix(head, []byte{0x4C, 0x6F, 0xA7, 0x94}):
		return nil, enc, false, nil // UTF-32, EBCDIC
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		enc.Actual, enc.BOM, skip = utf8Name, true, 3
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		enc.Actual, enc.BOM, skip = utf16LEName, true, 2
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		enc.Actual, enc.BOM, skip = utf16BEName, true, 2
	case bytes.HasPrefix(head, []byte{'<', 0}):
		enc.Actual = utf16LEName
	case bytes.HasPrefix(head, []byte{0, '<'}):
		enc.Actual = utf16BEName
	}
	head = head[skip:]

	var dec encoding.Encoding
	switch enc.Actual {
	case utf16LEName:
		dec = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case utf16BEName:
		dec = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	if dec != nil {
		// A cut character at the end of head does not matter here.
		head, _ = dec.NewDecoder().Bytes(head)
	}
	enc.Declared = declaredName(head)
	if enc.Actual == "" {
		switch c := canonical(enc.Declared); c {
		case "":
			return nil, enc, false, nil
		case "UTF-16", utf16LEName, utf16BEName:
			// Text that was converted after its declaration had been written.
			enc.Actual = utf8Name
		default:
			enc.Actual = c
		}
	}
	switch enc.Actual {
	case "ISO-8859-1":
		dec = charmap.ISO8859_1
	case "ISO-8859-15":
		dec = charmap.ISO8859_15
	case "windows-1252":
		dec = charmap.Windows1252
	}
	enc.Mismatch = !sameEncoding(enc.Declared, enc.Actual)
	if _, err := br.Discard(skip); err != nil {
		return nil, enc, false, err
	}
	if dec == nil {
		return br, enc, true, nil
	}
	return dec.NewDecoder().Reader(br), enc, true, nil
}
