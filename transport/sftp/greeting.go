package sftp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxGreeting is how much of what a server says first is kept: lines may come
// before the version, and the list of algorithms comes after it.
const maxGreeting = 32 << 10

// greetingConn keeps the beginning of what the server says, in the clear: who
// it is, and what it offers.
type greetingConn struct {
	net.Conn

	mu    sync.Mutex
	first []byte
	done  bool // the rest is not kept
}

func (g *greetingConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.done {
		g.first = append(g.first, p[:min(n, maxGreeting-len(g.first))]...)
		g.done = len(g.first) == maxGreeting
	}
	return n, err
}

// forget ends the keeping.
func (g *greetingConn) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first, g.done = nil, true
}

// version splits what was said into the line with the version and what follows.
func (g *greetingConn) version() (line string, rest []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := 0
	for l := range bytes.Lines(g.first) {
		at += len(l)
		if bytes.HasPrefix(l, []byte("SSH-")) {
			return string(bytes.TrimRight(l, "\r\n")), bytes.Clone(g.first[at:])
		}
	}
	return "", nil
}

// offers reads the algorithms that the server announces; none where it did not
// come to that.
func (g *greetingConn) offers() Algorithms {
	_, b := g.version()
	// A packet that is not encrypted: length, length of the padding, payload.
	if len(b) < 5 {
		return Algorithms{}
	}
	length, padding := int64(binary.BigEndian.Uint32(b)), int64(b[4])
	if length > int64(len(b)-4) || padding+1 > length {
		return Algorithms{}
	}
	var m struct {
		Cookie                  [16]byte `sshtype:"20"`
		KeyExchanges, HostKeys  []string
		CiphersOut, CiphersIn   []string
		MACsOut, MACsIn         []string
		CompressOut, CompressIn []string
		LanguagesOut, Languages []string
		Follows                 bool
		Reserved                uint32
	}
	if err := ssh.Unmarshal(b[5:4+length-padding], &m); err != nil {
		return Algorithms{}
	}
	return Algorithms{KeyExchanges: m.KeyExchanges, HostKeys: m.HostKeys, Ciphers: m.CiphersOut, MACs: m.MACsOut}
}

// maxQuoted bounds what an error repeats of what answered.
const maxQuoted = 60

// stranger says what answers where it is no SSH server; "" where it is one, or
// has said nothing.
func (g *greetingConn) stranger() string {
	if line, _ := g.version(); strings.HasPrefix(line, "SSH-2.") || strings.HasPrefix(line, "SSH-1.99-") {
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	first, _, _ := bytes.Cut(g.first, []byte("\n"))
	first = bytes.TrimRight(first, "\r")
	low := bytes.ToLower(first)
	switch {
	case len(g.first) == 0, bytes.HasPrefix([]byte("SSH-2.0-"), g.first): // cut off too early to tell
		return ""
	case bytes.HasPrefix(low, []byte("http/")), bytes.HasPrefix(low, []byte("<!doctype")), bytes.HasPrefix(low, []byte("<html")):
		return fmt.Sprintf("a web server or a web proxy: %s", quoted(first))
	case len(first) > 1 && (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3:
		return "something that speaks TLS, as web servers do, and firewalls that look into connections"
	case bytes.HasPrefix(first, []byte("SSH-1.")):
		return "it knows only the first version of SSH, which is broken"
	}
	return "it says " + quoted(first)
}

func quoted(b []byte) string { return strconv.QuoteToASCII(string(b[:min(len(b), maxQuoted)])) }
