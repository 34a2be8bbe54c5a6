//go:build !linux

package delay

import (
	"io"
	"time"
)

// Open fails: TUN devices are used on Linux only.
func Open(string) (io.ReadWriter, error) { return nil, ErrUnsupported }

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
