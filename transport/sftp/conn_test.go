package sftp

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/transport"
)

// x/crypto closes the connection when the server says goodbye. What it still
// writes then fails, and is not to hide what the server said.
func TestGoodbyeIsNotHidden(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := newLiveConn(c, time.Minute, time.Minute)
	_ = conn.Close()
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write on a closed connection: %v", err)
	}
	err = (&dialer{}).handshakeError(t.Context(), conn, &observed{}, errors.New("ssh: disconnect, reason 12: too many users"))
	if !errors.Is(err, transport.ErrProtocol) || !strings.Contains(err.Error(), "too many users") {
		t.Error(err)
	}
}
