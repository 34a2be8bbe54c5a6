package sign

import (
	"errors"
	"math/bits"
	"slices"
)

// maxDepth bounds the nesting of ASN.1 that is read. A reply with a time stamp
// inside needs about 25 levels.
const maxDepth = 64

var (
	errShort     = errors.New("truncated or impossible length")
	errDeep      = errors.New("nested too deeply")
	errTag       = errors.New("unexpected tag")
	errPrimitive = errors.New("primitive element of indefinite length")
)

// element is the head of one BER element.
type element struct {
	tag         []byte // identifier octets
	constructed bool
	length      int // -1: indefinite
}

// Identifier octets that the BER reader has to know.
const (
	tagSequence       = 0x30
	tagSet            = 0x31
	tagExternal       = 0x28
	tagOctets         = 0x04
	tagOctetsInPieces = 0x24
)

// readElement reads an element's head; body begins right behind it and, for a
// definite length, holds at least that many bytes.
func readElement(in []byte) (e element, body []byte, err error) {
	if len(in) < 2 || in[0] == 0 { // tag 0 only ends an indefinite length
		return e, nil, errShort
	}
	n := 1
	if in[0]&0x1f == 0x1f {
		for ; n < len(in) && n < 5 && in[n]&0x80 != 0; n++ {
		}
		n++
	}
	if n >= len(in) {
		return e, nil, errShort
	}
	e.tag, e.constructed = in[:n], in[0]&0x20 != 0
	first, body := in[n], in[n+1:]
	switch {
	case first < 0x80:
		e.length = int(first)
	case first == 0x80:
		if !e.constructed {
			return e, nil, errPrimitive
		}
		e.length = -1
	default:
		size := int(first & 0x7f)
		if size > len(body) {
			return e, nil, errShort
		}
		for _, b := range body[:size] {
			if e.length > len(in) {
				return e, nil, errShort
			}
			e.length = e.length<<8 | int(b)
		}
		body = body[size:]
	}
	if e.length > len(body) {
		return e, nil, errShort
	}
	return e, body, nil
}

// toDER re-encodes the first BER element of in with definite, shortest lengths and
// octet strings in one piece, and gives what follows the element. DER comes out
// unchanged. The order of a SET and the contents of primitive elements stay as they
// are. Its work is bounded by len(in) times maxDepth.
func toDER(in []byte) (der, rest []byte, err error) {
	return appendDER(make([]byte, 0, len(in)), in, 0)
}

func appendDER(dst, in []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, errDeep
	}
	e, body, err := readElement(in)
	if err != nil {
		return nil, nil, err
	}
	if !e.constructed {
		dst = append(append(dst, e.tag...), derLength(e.length)...)
		return append(dst, body[:e.length]...), body[e.length:], nil
	}

	inPieces := e.tag[0] == tagOctetsInPieces
	switch e.tag[0] {
	case tagSequence, tagSet, tagExternal, tagOctetsInPieces:
	default:
		if e.tag[0]&0xc0 == 0 { // another universal type, such as a string in pieces
			return nil, nil, errTag
		}
	}

	start := len(dst)
	if e.length >= 0 {
		body, rest = body[:e.length], body[e.length:]
	}
	for {
		if e.length >= 0 && len(body) == 0 {
			break
		}
		if e.length < 0 && len(body) >= 2 && body[0] == 0 && body[1] == 0 {
			rest = body[2:]
			break
		}
		piece := len(dst)
		if dst, body, err = appendDER(dst, body, depth+1); err != nil {
			return nil, nil, err
		}
		if inPieces {
			if dst[piece] != tagOctets {
				return nil, nil, errTag
			}
			_, content, err := readElement(dst[piece:])
			if err != nil {
				return nil, nil, err
			}
			dst = append(dst[:piece], content...)
		}
	}
	head := append(slices.Clone(e.tag), derLength(len(dst)-start)...)
	if inPieces {
		head[0] = tagOctets
	}
	return slices.Insert(dst, start, head...), rest, nil
}

// derLength encodes a length in its shortest form.
func derLength(n int) []byte {
	if n < 0x80 {
		return []byte{byte(n)}
	}
	size := (bits.Len(uint(n)) + 7) / 8
	out := []byte{0x80 | byte(size)}
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(n>>(8*i)))
	}
	return out
}
