package hostile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Types of SFTP packets (draft-ietf-secsh-filexfer-02).
const (
	Init     = 1
	Version  = 2
	Open     = 3
	CloseReq = 4
	Read     = 5
	Write    = 6
	Lstat    = 7
	Fstat    = 8
	Opendir  = 11
	Readdir  = 12
	Remove   = 13
	Stat     = 17
	Extended = 200
	Status   = 101
	Handle   = 102
	Data     = 103
	Names    = 104
	Attrs    = 105
)

// Status codes.
const (
	OK         = 0
	EOF        = 1
	NoSuchFile = 2
	Denied     = 3
	Failure    = 4
	BadMessage = 5
	OpUnsupp   = 8
)

// Fields writes uint8 (as byte), uint32, uint64, string (with its length) and
// []byte (as it is).
func Fields(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch v := f.(type) {
		case byte:
			b = append(b, v)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v)) //nolint:gosec // a test knows what it writes
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) //nolint:gosec // as above
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("%T", f))
		}
	}
	return b
}

// Packet writes a packet with its length in front.
func Packet(typ byte, fields ...any) []byte {
	body := Fields(fields...)
	return append(Fields(uint32(len(body)+1), typ), body...) //nolint:gosec // as above
}

func readPacket(r io.Reader) (typ byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n > 1<<20 {
		return 0, nil, fmt.Errorf("packet of %d bytes", n)
	}
	body = make([]byte, n-1)
	_, err = io.ReadFull(r, body)
	return head[4], body, err
}

// take gives the next fields of a body; missing ones are zero.
type take struct{ b []byte }

func (t *take) uint32() uint32 {
	if len(t.b) < 4 {
		return 0
	}
	v := binary.BigEndian.Uint32(t.b)
	t.b = t.b[4:]
	return v
}

func (t *take) uint64() uint64 { return uint64(t.uint32())<<32 | uint64(t.uint32()) }

func (t *take) string() string {
	n := min(int(t.uint32()), len(t.b))
	s := string(t.b[:n])
	t.b = t.b[n:]
	return s
}
