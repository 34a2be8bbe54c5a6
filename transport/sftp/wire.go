package sftp

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/socbatch/socbatch/transport"
)

// The part of SFTP version 3 (draft-ietf-secsh-filexfer-02) that pkg/sftp does
// not cover. What a server sends is hostile input: every length is checked
// against what is there, and nothing here panics.

const (
	fxpInit          = 1
	fxpVersion       = 2
	fxpOpen          = 3
	fxpClose         = 4
	fxpRead          = 5
	fxpWrite         = 6
	fxpOpendir       = 11
	fxpReaddir       = 12
	fxpRemove        = 13
	fxpStatus        = 101
	fxpHandle        = 102
	fxpData          = 103
	fxpName          = 104
	fxpExtended      = 200
	fxpExtendedReply = 201
)

// maxPacket bounds a packet from the server, in bytes. OpenSSH sends at most
// 256 KiB.
const maxPacket = 1 << 20

// maxHandle is the longest handle that the draft allows, in bytes.
const maxHandle = 256

type packet struct{ b []byte }

func newPacket(typ byte) *packet { return &packet{b: []byte{0, 0, 0, 0, typ}} }

func (p *packet) uint32(v uint32) { p.b = binary.BigEndian.AppendUint32(p.b, v) }

func (p *packet) string(s string) {
	p.uint32(uint32(len(s)))
	p.b = append(p.b, s...)
}

// bytes returns the packet with its length in front.
func (p *packet) bytes() []byte {
	binary.BigEndian.PutUint32(p.b, uint32(len(p.b)-4))
	return p.b
}

func readPacket(r io.Reader) (typ byte, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n > maxPacket {
		return 0, nil, fmt.Errorf("%w: packet of %d bytes", transport.ErrProtocol, n)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return body[0], body[1:], nil
}

// decoder takes fields off b; ok is false where b is too short.
type decoder struct{ b []byte }

func (d *decoder) uint32() (v uint32, ok bool) {
	if len(d.b) < 4 {
		return 0, false
	}
	v, d.b = binary.BigEndian.Uint32(d.b), d.b[4:]
	return v, true
}

func (d *decoder) uint64() (v uint64, ok bool) {
	if len(d.b) < 8 {
		return 0, false
	}
	v, d.b = binary.BigEndian.Uint64(d.b), d.b[8:]
	return v, true
}

func (d *decoder) string() (s []byte, ok bool) {
	n, ok := d.uint32()
	if !ok || uint64(n) > uint64(len(d.b)) {
		return nil, false
	}
	s, d.b = d.b[:n], d.b[n:]
	return s, true
}

// parseStatus reads the body of a STATUS packet behind the request id.
func parseStatus(b []byte) error {
	d := decoder{b}
	code, ok := d.uint32()
	if !ok {
		return fmt.Errorf("%w: damaged status", transport.ErrProtocol)
	}
	if code == fxOK {
		return nil
	}
	text, _ := d.string() // missing from some servers
	return &statusError{code: code, text: string(text[:min(len(text), 256)])}
}

// parseNames reads the body of a NAME packet behind the request id and hands
// on every entry but "." and "..". An error of yield is returned as is.
func parseNames(b []byte, yield func(transport.Entry) error) (count int, err error) {
	damaged := fmt.Errorf("%w: damaged list of names", transport.ErrProtocol)
	d := decoder{b}
	n, ok := d.uint32()
	// An entry has at least two string lengths and the flags.
	if !ok || uint64(n) > uint64(len(d.b)/12) {
		return 0, damaged
	}
	for range n {
		name, ok1 := d.string()
		long, ok2 := d.string()
		entry, ok3 := d.attrs()
		if !ok1 || !ok2 || !ok3 {
			return 0, damaged
		}
		if string(name) == "." || string(name) == ".." {
			continue
		}
		entry.Name = string(name)
		if entry.Type == typeUnsent {
			entry.Type = typeFromLong(long)
		}
		if err := yield(entry); err != nil {
			return 0, &yieldError{err}
		}
	}
	return int(n), nil
}

// yieldError marks an error of the caller's own function.
type yieldError struct{ err error }

func (e *yieldError) Error() string { return e.err.Error() }

// typeUnsent stands for a missing type while an entry is being read.
const typeUnsent = transport.EntryType(255)

// typeFromLong takes the type from the line in the form of ls -l, which some
// servers send instead of attributes.
func typeFromLong(long []byte) transport.EntryType {
	if len(long) < 10 {
		return transport.TypeOther
	}
	switch long[0] {
	case '-':
		return transport.TypeFile
	case 'd':
		return transport.TypeDir
	}
	return transport.TypeOther
}

func (d *decoder) attrs() (e transport.Entry, ok bool) {
	const (
		hasSize     = 1 << 0
		hasUIDGID   = 1 << 1
		hasMode     = 1 << 2
		hasTime     = 1 << 3
		hasExtended = 1 << 31
	)
	e = transport.Entry{Size: -1, Type: typeUnsent}
	flags, ok := d.uint32()
	if !ok {
		return e, false
	}
	if flags&hasSize != 0 {
		v, ok := d.uint64()
		if !ok {
			return e, false
		}
		if v < 1<<63 {
			e.Size = int64(v)
		}
	}
	if flags&hasUIDGID != 0 {
		if _, ok := d.uint64(); !ok {
			return e, false
		}
	}
	if flags&hasMode != 0 {
		mode, ok := d.uint32()
		if !ok {
			return e, false
		}
		e.Type = typeFromMode(mode)
	}
	if flags&hasTime != 0 {
		_, ok1 := d.uint32()
		mtime, ok2 := d.uint32()
		if !ok1 || !ok2 {
			return e, false
		}
		e.ModTime = time.Unix(int64(mtime), 0).UTC()
	}
	if flags&hasExtended != 0 {
		n, ok := d.uint32()
		if !ok || uint64(n) > uint64(len(d.b)/8) {
			return e, false
		}
		for range 2 * n {
			if _, ok := d.string(); !ok {
				return e, false
			}
		}
	}
	return e, true
}

// typeFromMode takes the type from POSIX mode bits; bits without a type count
// as not sent.
func typeFromMode(mode uint32) transport.EntryType {
	switch mode & 0o170000 {
	case 0o100000:
		return transport.TypeFile
	case 0o040000:
		return transport.TypeDir
	case 0:
		return typeUnsent
	}
	return transport.TypeOther
}
