package delay

import (
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// tun is the program's end of a TUN device. Its file is used blocking, which
// saves the poller's detour for every packet.
type tun int

// Open makes a TUN device of that name. It lasts as long as the program.
func Open(name string) (io.ReadWriter, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("make interface %s: %w", name, err)
	}
	return tun(fd), nil
}

func (t tun) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(t), b)
		if err != unix.EINTR { //nolint:errorlint // a bare errno
			return max(n, 0), err
		}
	}
}

func (t tun) Write(b []byte) (int, error) { return unix.Write(int(t), b) }

func sleepUntil(t time.Time) {
	for d := time.Until(t); d > 0; d = time.Until(t) {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // interrupted: looked at again
	}
}
