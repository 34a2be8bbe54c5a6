package transport

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrUnsafeName is the kind of every error of [SafeName].
var ErrUnsafeName = errors.New("unsafe file name")

// MaxNameBytes is the longest name that SafeName accepts, in bytes; it is the
// limit of the common file systems.
const MaxNameBytes = 255

// SafeName returns nil only if name can be used as the name of a file in a
// local directory on every supported system: no path separator (/ or \), not
// empty, not "." or "..", no control or invisible formatting character, valid
// UTF-8, at most 255 bytes, and nothing that Windows reserves (CON, NUL,
// COM1…, with or without an extension; the characters < > : " | ? *; a final
// dot or space). The answer is the same on all systems. Errors wrap
// ErrUnsafeName and quote the name.
func SafeName(name string) error {
	bad := func(why string) error {
		shown := name
		if len(shown) > 80 {
			shown = shown[:80] + "…"
		}
		return fmt.Errorf("%w %q: %s", ErrUnsafeName, shown, why)
	}
	switch {
	case name == "":
		return bad("empty")
	case name == "." || name == "..":
		return bad("names a directory")
	case len(name) > MaxNameBytes:
		return bad(fmt.Sprintf("longer than %d bytes", MaxNameBytes))
	case !utf8.ValidString(name):
		return bad("not valid UTF-8")
	}
	for _, r := range name {
		switch {
		case r == '/' || r == '\\':
			return bad("path separator")
		case unicode.IsControl(r) || isFormat(r):
			return bad("control character")
		case strings.ContainsRune(`<>:"|?*`, r):
			return bad("character reserved by Windows")
		}
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return bad("ends in a dot or space")
	}
	stem, _, _ := strings.Cut(name, ".")
	if windowsDevice(strings.ToUpper(strings.TrimRight(stem, " "))) {
		return bad("device name on Windows")
	}
	return nil
}

// isFormat reports invisible characters that could make a name look like
// another one: bidirectional controls, zero-width characters, line and
// paragraph separators.
func isFormat(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

func windowsDevice(s string) bool {
	switch s {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	for _, p := range []string{"COM", "LPT"} {
		if d, ok := strings.CutPrefix(s, p); ok {
			switch d {
			case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
				return true
			}
		}
	}
	return false
}
