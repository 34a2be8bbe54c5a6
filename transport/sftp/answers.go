package sftp

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/socbatch/socbatch/transport"
)

// maxCollected bounds the entries that pkg/sftp collects of one listing, and
// with bytesPerEntry their bytes.
const (
	maxCollected  = 200_000
	bytesPerEntry = 160
)

// answerReader passes on what a server sends on an SFTP channel, and watches
// over the packets in it: it notes when one is whole, since a server that sends
// a byte now and then answers nothing, and refuses answers on which pkg/sftp
// would wait or collect for ever.
type answerReader struct {
	io.Reader
	last *atomic.Int64 // Unix nanoseconds

	head [13 + maxHandle]byte // length, type, request id, the first number behind it, a handle
	have int                  // of head, in the packet that is passing
	left uint32               // bytes of that packet after its length

	traffic   *traffic     // nil: nobody follows it
	collects  bool         // the client behind it keeps listings in memory
	collected atomic.Int64 // entries of the listing under way
}

// begin says that a listing begins.
func (r *answerReader) begin() { r.collected.Store(0) }

func (r *answerReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if werr := r.pass(b[:n]); werr != nil {
		return 0, werr
	}
	return n, err
}

func (r *answerReader) pass(b []byte) error {
	for len(b) > 0 {
		if r.have < 4 {
			n := copy(r.head[r.have:4], b)
			r.have, b = r.have+n, b[n:]
			if r.have == 4 {
				r.left = binary.BigEndian.Uint32(r.head[:])
			}
		} else {
			n := min(uint32(len(b)), r.left) //nolint:gosec // a buffer is small
			r.have += copy(r.head[r.have:], b[:n])
			r.left, b = r.left-n, b[n:]
		}
		if r.have >= 4 && r.left == 0 {
			if err := r.whole(); err != nil {
				return err
			}
			r.have = 0
		}
	}
	return nil
}

// whole looks at a packet that has passed.
func (r *answerReader) whole() error {
	r.last.Store(time.Now().UnixNano())
	if r.have < 13 {
		return nil
	}
	typ, number := r.head[4], int64(binary.BigEndian.Uint32(r.head[9:]))
	if r.traffic != nil && (typ == fxpHandle || typ == fxpStatus) {
		handle := r.head[13:r.have]
		r.traffic.comes(typ, binary.BigEndian.Uint32(r.head[5:]), handle[:min(int64(len(handle)), number)])
	}
	switch {
	case typ == fxpData && number == 0: // pkg/sftp would ask again
		return fmt.Errorf("%w: no bytes in answer to a read", transport.ErrProtocol)
	case typ == fxpName && r.collects:
		// Long names count for more, and so do answers without any.
		length := int64(binary.BigEndian.Uint32(r.head[:]))
		entries := max(number, length/bytesPerEntry)
		if number == 0 {
			entries = maxCollected / maxEmpty
		}
		if r.collected.Add(entries) > maxCollected {
			return fmt.Errorf("%w: a listing does not end", transport.ErrProtocol)
		}
	}
	return nil
}
