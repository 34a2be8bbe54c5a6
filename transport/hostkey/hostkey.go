// Package hostkey decides whether an SSH server is the one that was asked for.
// It fails closed: a key passes only if it equals a pinned fingerprint or a
// line of a known_hosts file, and is not revoked.
//
// Host certificates are not used: @cert-authority lines count for nothing.
package hostkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/socbatch/socbatch/internal/problem"
)

// Reasons why a key is not accepted, for errors.Is on an *Error.
var (
	ErrUnknown = errors.New("host key is not known")
	ErrChanged = errors.New("host key has changed")
	ErrRevoked = errors.New("host key is revoked")
)

// Expected is one key that would have been accepted, or the revoked line.
type Expected struct {
	Fingerprint string // "SHA256:" and base64 without padding
	KeyType     string // "" for a pin, whose key type is not known
	File        string // known_hosts file; "" for a pin
	Line        int    // 1-based; 0 for a pin
}

// String returns the fingerprint and where it is from.
func (e Expected) String() string {
	if e.File == "" {
		return e.Fingerprint + " (pinned)"
	}
	return e.Fingerprint + " (" + e.File + ":" + strconv.Itoa(e.Line) + ")"
}

// Error says that a server showed a key that is not accepted.
type Error struct {
	Reason      error         // ErrUnknown, ErrChanged or ErrRevoked
	Host        string        // host:port as asked for
	KeyType     string        // of the key seen, such as "ssh-ed25519"
	Fingerprint string        // of the key seen
	Key         ssh.PublicKey // the key seen, for Accept
	Expected    []Expected    // empty for ErrUnknown; the revoked line for ErrRevoked
}

// Error names the host, the reason, and the fingerprints seen and expected.
func (e *Error) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *Error) Said() (format string, args []any) { return e.problem().Said() }

func (e *Error) problem() *problem.Error {
	if len(e.Expected) == 0 {
		return problem.New("%s: %s: server showed %s %s", e.Host, e.Reason, e.KeyType, e.Fingerprint)
	}
	var pieces []any
	for _, x := range e.Expected {
		if x.File == "" {
			pieces = append(pieces, problem.New("%s (pinned)", x.Fingerprint))
		} else {
			pieces = append(pieces, x.String())
		}
	}
	expected := problem.New(strings.TrimSuffix(strings.Repeat("%s, ", len(pieces)), ", "), pieces...)
	if errors.Is(e.Reason, ErrRevoked) {
		return problem.New("%s: %s: server showed %s %s, revoked by %s", e.Host, e.Reason, e.KeyType, e.Fingerprint, expected)
	}
	return problem.New("%s: %s: server showed %s %s, expected %s", e.Host, e.Reason, e.KeyType, e.Fingerprint, expected)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// FileError is a known_hosts file that cannot be used. One damaged line makes
// the whole file unusable: it could be the line that revokes a key.
type FileError struct {
	File string
	Line int // 1-based; 0 if the file as a whole cannot be read
	Err  error
}

// Error names the file, the line and the damage.
func (e *FileError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *FileError) Said() (format string, args []any) { return e.problem().Said() }

func (e *FileError) problem() *problem.Error {
	if e.Line == 0 {
		return problem.New("known_hosts file %s: %s", e.File, e.Err)
	}
	return problem.New("known_hosts file %s, line %d: %s", e.File, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Verifier holds the keys that are accepted. A nil *Verifier accepts none. It
// may be used by several goroutines.
type Verifier struct {
	pins  [][sha256.Size]byte
	db    *knownhosts.HostKeyDB // nil without files
	isCA  map[fileLine]bool
	names []string // fingerprints of pins, as given, normalised
}

type fileLine struct {
	file string
	line int
}

// New reads pins and OpenSSH known_hosts files. A pin is "SHA256:" and the
// base64 of the SHA-256 of the public key, as ssh-keygen -l prints it; several
// pins serve a rotation. A file that does not exist counts as empty. Errors in
// a file are *FileError.
func New(pins []string, files ...string) (*Verifier, error) {
	v := &Verifier{isCA: map[fileLine]bool{}}
	for _, p := range pins {
		sum, err := parsePin(p)
		if err != nil {
			return nil, err
		}
		v.pins = append(v.pins, sum)
		v.names = append(v.names, formatSum(sum))
	}
	var present []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &FileError{File: f, Err: err}
		}
		if err := v.scan(f, data); err != nil {
			return nil, err
		}
		present = append(present, f)
	}
	if len(present) > 0 {
		db, err := knownhosts.NewDB(present...)
		if err != nil {
			return nil, &FileError{File: strings.Join(present, ", "), Err: err}
		}
		v.db = db
	}
	return v, nil
}

// scan finds damaged lines, which x/crypto skips in silence, and notes the
// certificate authorities, which it would take for host keys.
func (v *Verifier) scan(file string, data []byte) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		fields := strings.Fields(string(line))
		if fields[0] == "@cert-authority" {
			v.isCA[fileLine{file, n}] = true
		}
		if strings.HasPrefix(fields[0], "@") {
			if fields[0] != "@cert-authority" && fields[0] != "@revoked" {
				return &FileError{file, n, problem.New("unknown marker %.20q", fields[0])}
			}
			fields = fields[1:]
		}
		if err := checkFields(fields); err != nil {
			return &FileError{file, n, err}
		}
	}
	return nil
}

// checkFields accepts a line of a key type that is not supported here as long
// as it is whole: such a key is never asked for.
func checkFields(fields []string) error {
	if len(fields) < 3 {
		return problem.New("want host names, key type and key")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return problem.New("the key is not base64")
	}
	var head struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(blob, &head); err != nil {
		return problem.New("the key is damaged")
	}
	if head.Type != fields[1] {
		return problem.New("the key is of type %.40q, the line says %.40q", head.Type, fields[1])
	}
	if _, err := ssh.ParsePublicKey(blob); err != nil && supportedType(head.Type) {
		return problem.New("the key is damaged")
	}
	if strings.HasPrefix(fields[0], "|") {
		parts := strings.Split(fields[0], "|")
		if len(parts) != 4 || parts[1] != "1" {
			return problem.New("the hashed host name is damaged")
		}
		for _, p := range parts[2:] {
			if b, err := base64.StdEncoding.DecodeString(p); err != nil || len(b) != 20 {
				return problem.New("the hashed host name is damaged")
			}
		}
	}
	return nil
}

// CheckPin says whether New would take the pin.
func CheckPin(pin string) error {
	_, err := parsePin(pin)
	return err
}

func parsePin(pin string) (sum [sha256.Size]byte, err error) {
	b64, ok := strings.CutPrefix(strings.TrimSpace(pin), "SHA256:")
	if !ok {
		return sum, problem.New("host key pin %.60q: want SHA256: and base64, as ssh-keygen -l prints it", pin)
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(b64, "="))
	if err != nil || len(raw) != len(sum) {
		return sum, problem.New("host key pin %.60q: not the base64 of 32 bytes", pin)
	}
	return [sha256.Size]byte(raw), nil
}

func formatSum(sum [sha256.Size]byte) string {
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Fingerprint returns the SHA-256 fingerprint of key in the form of a pin.
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// Check returns nil if key is accepted for hostport ("host:port", as
// net.JoinHostPort writes it), and otherwise an *Error. A revoked key is
// refused also where it is pinned.
func (v *Verifier) Check(hostport string, key ssh.PublicKey) error {
	refuse := func(reason error, expected []Expected) error {
		return &Error{Reason: reason, Host: hostport, KeyType: key.Type(),
			Fingerprint: Fingerprint(key), Key: key, Expected: expected}
	}
	if v == nil {
		return refuse(ErrUnknown, nil)
	}
	if v.db != nil {
		var revoked *xknownhosts.RevokedError
		if errors.As(v.db.HostKeyCallback()(hostport, noAddr, key), &revoked) {
			return refuse(ErrRevoked, []Expected{expectedOf(revoked.Revoked)})
		}
	}
	sum := sha256.Sum256(key.Marshal())
	if slices.Contains(v.pins, sum) {
		return nil
	}
	var expected []Expected
	for _, name := range v.names {
		expected = append(expected, Expected{Fingerprint: name})
	}
	for _, k := range v.known(hostport) {
		if bytes.Equal(k.Key.Marshal(), key.Marshal()) {
			return nil
		}
		expected = append(expected, expectedOf(k))
	}
	if len(expected) == 0 {
		return refuse(ErrUnknown, nil)
	}
	return refuse(ErrChanged, expected)
}

// Accepted gives what accepts key for hostport: a pin, or a line. A key that
// Check refuses has none.
func (v *Verifier) Accepted(hostport string, key ssh.PublicKey) (Expected, bool) {
	if v.Check(hostport, key) != nil {
		return Expected{}, false
	}
	if slices.Contains(v.pins, sha256.Sum256(key.Marshal())) {
		return Expected{Fingerprint: Fingerprint(key)}, true
	}
	for _, k := range v.known(hostport) {
		if bytes.Equal(k.Key.Marshal(), key.Marshal()) {
			return expectedOf(k), true
		}
	}
	return Expected{}, false
}

func expectedOf(k xknownhosts.KnownKey) Expected {
	return Expected{Fingerprint: Fingerprint(k.Key), KeyType: k.Key.Type(), File: k.Filename, Line: k.Line}
}

// known returns the lines for hostport. Asking for a key that no file can hold
// is the only way to get them out of x/crypto with file and line.
func (v *Verifier) known(hostport string) []xknownhosts.KnownKey {
	if v.db == nil {
		return nil
	}
	var keyErr *xknownhosts.KeyError
	if !errors.As(v.db.HostKeyCallback()(hostport, noAddr, noKey{}), &keyErr) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(keyErr.Want), func(k xknownhosts.KnownKey) bool {
		return v.isCA[fileLine{k.Filename, k.Line}]
	})
}

var noAddr net.Addr = &net.TCPAddr{IP: net.IPv4zero}

type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
