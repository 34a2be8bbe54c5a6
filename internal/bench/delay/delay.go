// Package delay joins two network interfaces in such a way that every packet
// arrives a fixed time after it was sent: real TCP over a long line, without a
// limit on its speed. It stands in for "tc netem", which not every kernel has.
package delay

import (
	"errors"
	"io"
	"runtime"
	"time"
)

// maxPacket is the largest packet that passes, in bytes.
const maxPacket = 1 << 16

// queued bounds the packets on the line in one direction. It is far more than
// TCP's windows let out, so that nothing is ever held up here.
const queued = 1 << 16

type packet struct {
	due  time.Time
	data []byte
}

// Forward reads packets from src, one per Read, and writes each to dst after
// hold has passed. It ends with the error of src.
func Forward(dst io.Writer, src io.Reader, hold time.Duration) error {
	line := make(chan packet, queued)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The runtime's timers wake up to a millisecond late; a thread that
		// sleeps by itself is more punctual.
		runtime.LockOSThread()
		for p := range line {
			sleepUntil(p.due)
			_, _ = dst.Write(p.data) // a packet that is lost is sent again by TCP
		}
	}()
	buf := make([]byte, maxPacket)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			line <- packet{time.Now().Add(hold), append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			close(line)
			<-done
			return err
		}
	}
}

// Run joins two interfaces until one of them fails. hold is the time in one
// direction: half of a round trip.
func Run(a, b io.ReadWriter, hold time.Duration) error {
	errs := make(chan error, 2)
	go func() { errs <- Forward(a, b, hold) }()
	go func() { errs <- Forward(b, a, hold) }()
	return <-errs
}

// ErrUnsupported says that this system has no TUN devices.
var ErrUnsupported = errors.New("no TUN devices on this system")
