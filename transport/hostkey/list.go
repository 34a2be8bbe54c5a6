package hostkey

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// Line is a line of a known_hosts file.
type Line struct {
	File        string
	Number      int      // 1-based
	Marker      string   // "", "@revoked" or "@cert-authority"
	Hosts       []string // as they stand there; a hashed one begins with "|1|"
	KeyType     string
	Fingerprint string // empty for a key of a type that is not known here
}

// Names tells whether the line stands for host:port. Patterns count by their
// letters, and hashed names are not looked into.
func (l Line) Names(hostport string) bool {
	return slices.Contains(l.Hosts, knownhosts.Normalize(hostport))
}

// Host gives a name of a line as people write it: "host:port", also for the
// standard port. Hashed names and patterns stay as they are.
func Host(name string) string {
	if strings.HasPrefix(name, "|") || strings.ContainsAny(name, "*?!") {
		return name
	}
	if host, port, err := net.SplitHostPort(name); err == nil {
		return net.JoinHostPort(host, port)
	}
	return net.JoinHostPort(strings.Trim(name, "[]"), "22")
}

// List reads the lines of a known_hosts file. A file that does not exist has
// none; a damaged line is a *FileError.
func List(file string) ([]Line, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &FileError{File: file, Err: err}
	}
	return linesOf(file, data)
}

func linesOf(file string, data []byte) ([]Line, error) {
	if err := (&Verifier{isCA: map[fileLine]bool{}}).scan(file, data); err != nil {
		return nil, err
	}
	var out []Line
	n := 0
	for text := range bytes.Lines(data) {
		n++
		fields := strings.Fields(string(text))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		l := Line{File: file, Number: n}
		if strings.HasPrefix(fields[0], "@") {
			l.Marker, fields = fields[0], fields[1:]
		}
		l.Hosts, l.KeyType = strings.Split(fields[0], ","), fields[1]
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.Join(fields[1:3], " "))); err == nil {
			l.Fingerprint = Fingerprint(key)
		}
		out = append(out, l)
	}
	return out, nil
}

// OldSuffix is added to the name of the file that Remove keeps as it was.
const OldSuffix = ".old"

// Remove takes the lines that which picks out of a known_hosts file, and gives
// them. Lines with a marker stay: taking back a revocation is a person's work.
// The file is replaced as a whole, and kept as it was beside it, with OldSuffix.
// Where no line is picked nothing is touched.
func Remove(file string, which func(Line) bool) ([]Line, error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &FileError{File: file, Err: err}
	}
	lines, err := linesOf(file, data)
	if err != nil {
		return nil, err
	}
	var gone []Line
	numbers := map[int]bool{}
	for _, l := range lines {
		if l.Marker == "" && which(l) {
			gone = append(gone, l)
			numbers[l.Number] = true
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	fi, err := os.Stat(file)
	if err != nil {
		return nil, &FileError{File: file, Err: err}
	}
	var rest bytes.Buffer
	n := 0
	for text := range bytes.Lines(data) {
		if n++; !numbers[n] {
			rest.Write(text)
		}
	}
	dir, mode := filepath.Dir(file), fi.Mode().Perm()
	if err := replace(dir, file+OldSuffix, data, mode); err != nil {
		return nil, err
	}
	if err := replace(dir, file, rest.Bytes(), mode); err != nil {
		return nil, err
	}
	return gone, nil
}
