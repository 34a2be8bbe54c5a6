package sftp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
)

// Bytes per READ and WRITE. Every server takes 32 KiB; more is used only where
// limits@openssh.com announces it, because a server that answers with less than
// was asked for would cost a round trip for each rest.
const (
	smallChunk = 32 << 10
	largeChunk = 128 << 10
)

type limits struct{ read, write int }

// openChannel starts the SFTP subsystem on a channel of its own.
func openChannel(client *ssh.Client) (ssh.Channel, error) {
	ch, reqs, err := client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(reqs)
	// Unread error output would use up the window of the channel.
	go func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }()
	ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err == nil && !ok {
		err = fmt.Errorf("%w: the sftp subsystem was refused", transport.ErrUnsupported)
	}
	if err != nil {
		_ = ch.Close()
		return nil, err
	}
	return ch, nil
}

// startClient exchanges versions and asks for the limits itself, because
// pkg/sftp must be told its packet size before it starts and cannot ask. The
// client then gets the version packet again. src reads from ch; traffic follows
// what leaves.
func startClient(ch ssh.Channel, src io.Reader, traffic *traffic) (*pkgsftp.Client, limits, error) {
	lim := limits{smallChunk, smallChunk}
	r := bufio.NewReaderSize(src, 64<<10)
	version, ext, err := exchangeVersions(r, ch)
	if err != nil {
		return nil, lim, err
	}
	if ext["limits@openssh.com"] == "1" {
		if lim, err = askLimits(r, ch); err != nil {
			return nil, lim, err
		}
	}
	out := &packetWriter{ch: ch, skip: 1, traffic: traffic}
	client, err := pkgsftp.NewClientPipe(
		io.MultiReader(bytes.NewReader(version), r),
		out,
		pkgsftp.MaxPacketUnchecked(max(lim.read, lim.write)),
		pkgsftp.UseConcurrentWrites(true))
	return client, lim, err
}

// exchangeVersions returns the server's VERSION packet, with its length, and
// the extensions in it.
func exchangeVersions(r io.Reader, w io.Writer) (packet []byte, ext map[string]string, err error) {
	init := newPacket(fxpInit)
	init.uint32(3)
	if _, err := w.Write(init.bytes()); err != nil {
		return nil, nil, err
	}
	typ, body, err := readPacket(r)
	if err != nil {
		return nil, nil, err
	}
	d := decoder{body}
	if v, ok := d.uint32(); typ != fxpVersion || !ok || v != 3 {
		return nil, nil, fmt.Errorf("%w: no SFTP version 3", transport.ErrProtocol)
	}
	ext = map[string]string{}
	for len(d.b) > 0 {
		name, ok1 := d.string()
		data, ok2 := d.string()
		if !ok1 || !ok2 {
			return nil, nil, fmt.Errorf("%w: damaged version packet", transport.ErrProtocol)
		}
		ext[string(name)] = string(data)
	}
	packet = binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	packet = append(packet, typ)
	return append(packet, body...), ext, nil
}

func askLimits(r io.Reader, w io.Writer) (limits, error) {
	lim := limits{smallChunk, smallChunk}
	req := newPacket(fxpExtended)
	req.uint32(0)
	req.string("limits@openssh.com")
	if _, err := w.Write(req.bytes()); err != nil {
		return lim, err
	}
	typ, body, err := readPacket(r)
	if err != nil {
		return lim, err
	}
	if typ != fxpExtendedReply { // a refusal: stay with 32 KiB
		return lim, nil
	}
	d := decoder{body}
	_, _ = d.uint32()
	packet, ok1 := d.uint64()
	read, ok2 := d.uint64()
	write, ok3 := d.uint64()
	if !ok1 || !ok2 || !ok3 {
		return lim, fmt.Errorf("%w: damaged limits", transport.ErrProtocol)
	}
	// 1 KiB is ample for the header of a packet with a handle of 256 bytes.
	const header = 1 << 10
	pick := func(n uint64) int {
		if n == 0 { // "no limit"
			n = largeChunk
		}
		if packet != 0 && n+header > packet {
			n = max(packet, header) - header
		}
		// Below 32 KiB the server contradicts the draft; take it at its word,
		// within reason.
		return int(min(max(n, 1<<10), largeChunk))
	}
	return limits{pick(read), pick(write)}, nil
}

// packetWriter joins the parts in which pkg/sftp writes a packet, so that each
// packet is one SSH message where it fits, and drops the first skip packets. It
// is called under the client's lock.
type packetWriter struct {
	ch      ssh.Channel
	traffic *traffic
	skip    int
	buf     []byte
}

func (w *packetWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	for len(w.buf) >= 4 {
		n := 4 + int(binary.BigEndian.Uint32(w.buf))
		if len(w.buf) < n {
			break
		}
		if w.skip > 0 {
			w.skip--
		} else {
			sent := w.traffic.leaves(w.buf[:n])
			if _, err := w.ch.Write(w.buf[:n]); err != nil {
				return 0, err
			}
			sent()
		}
		w.buf = append(w.buf[:0], w.buf[n:]...)
	}
	return len(b), nil
}

func (w *packetWriter) Close() error { return w.ch.Close() }
