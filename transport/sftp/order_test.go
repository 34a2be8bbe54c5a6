package sftp

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// nextByte is a server that takes only the next byte of a file, as those in
// front of an object store do. What comes in another place is refused or, worse,
// appended without a word.
type nextByte struct {
	appends bool

	mu     sync.Mutex
	stored []byte
}

func (s *nextByte) serve(ch ssh.Channel, _ int) {
	answer(ch, func(typ byte, d *decoder, p *packet) {
		switch typ {
		case 3: // OPEN
			p.b[4] = fxpHandle
			p.string("h")
		case 6: // WRITE
			_, _ = d.string()
			off, _ := d.uint64()
			data, _ := d.string()
			p.uint32(s.write(off, data))
		case fxpClose:
			p.uint32(fxOK)
		default:
			p.uint32(fxOpUnsupported)
		}
	})
}

func (s *nextByte) write(off uint64, data []byte) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.appends && off != uint64(len(s.stored)) {
		return fxFailure
	}
	s.stored = append(s.stored, data...)
	return fxOK
}

// The requests of a file leave in the order of their offsets, whatever its size.
func TestWritesLeaveInOrder(t *testing.T) {
	for _, appends := range []bool{false, true} {
		for _, size := range []int{1, kib32, kib32 + 1, 3 * kib32, 3_000_000, 12<<20 + 7} {
			for _, known := range []bool{true, false} {
				t.Run(fmt.Sprintf("appends %v, %d bytes, known %v", appends, size, known), func(t *testing.T) {
					server := &nextByte{appends: appends}
					f := newFake(t, server.serve)
					s := f.dial(f.endpoint())
					data := pattern(size)
					told := int64(-1)
					if known {
						told = int64(size)
					}
					if err := s.Put(t.Context(), "/IN/x", bytes.NewReader(data), told); err != nil {
						t.Fatal(err)
					}
					server.mu.Lock()
					defer server.mu.Unlock()
					if !bytes.Equal(server.stored, data) {
						t.Errorf("the server has other bytes (%d of %d)", len(server.stored), len(data))
					}
				})
			}
		}
	}
}

// So do those that read it, the question for what is behind its end last.
func TestReadsLeaveInOrder(t *testing.T) {
	for _, size := range []int{0, 1, kib32, kib32 + 1, 3 * kib32, 3_000_000, 12<<20 + 7} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d bytes, known %v", size, known), func(t *testing.T) {
				data := pattern(size)
				var mu sync.Mutex
				next, disorder := uint64(0), 0
				f := newFake(t, func(ch ssh.Channel, _ int) {
					answer(ch, func(typ byte, d *decoder, p *packet) {
						switch typ {
						case fxpOpen:
							p.b[4] = fxpHandle
							p.string("h")
						case fxpRead:
							_, _ = d.string()
							off, _ := d.uint64()
							n, _ := d.uint32()
							if off >= uint64(len(data)) {
								p.uint32(fxEOF)
								return
							}
							mu.Lock()
							if off < next {
								disorder++
							}
							next = off
							mu.Unlock()
							p.b[4] = fxpData
							p.string(string(data[off:min(off+uint64(n), uint64(len(data)))]))
						case fxpClose:
							p.uint32(fxOK)
						default:
							p.uint32(fxOpUnsupported)
						}
					})
				})
				s := f.dialed()
				told := int64(-1)
				if known {
					told = int64(size)
				}
				var b bytes.Buffer
				if _, err := s.Get(t.Context(), "/OUT/x", &b, told); err != nil || !bytes.Equal(b.Bytes(), data) {
					t.Errorf("%d bytes, %v", b.Len(), err)
				}
				mu.Lock()
				defer mu.Unlock()
				if disorder > 0 {
					t.Errorf("%d requests came behind later ones", disorder)
				}
			})
		}
	}
}
