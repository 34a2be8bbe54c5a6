package sandbox

import (
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds a login.
const handshakeTime = 30 * time.Second

// connections are those of a server, with what it listens on.
type connections struct {
	mu       sync.Mutex
	listener net.Listener // nil before listen
	open     map[net.Conn]struct{}
	last     int  // number of the last one
	ended    bool // none is accepted any more
}

func (c *connections) listen(port int) error {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener = l
	return nil
}

// address is empty before listen.
func (c *connections) address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener == nil {
		return ""
	}
	return c.listener.Addr().String()
}

// accept waits for a connection, and gives it a number. After end it fails with
// net.ErrClosed.
func (c *connections) accept() (net.Conn, int, error) {
	conn, err := c.listener.Accept()
	if err != nil {
		return nil, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		conn.Close()
		return nil, 0, net.ErrClosed
	}
	c.last++
	c.open[conn] = struct{}{}
	return conn, c.last, nil
}

func (c *connections) forget(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// end stops listening and ends all connections.
func (c *connections) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.listener.Close()
	for conn := range c.open {
		conn.Close()
	}
}

// cut ends all connections without a word.
func (c *connections) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		cutOff(conn)
	}
}

// fingerprint is the key of Permissions.Extensions that holds the login key.
const fingerprint = "fingerprint"

func (s *Server) login(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if meta.User() != s.cfg.User {
		return nil, errors.New("unknown user")
	}
	known := slices.ContainsFunc(s.cfg.AuthorizedKeys, func(k ssh.PublicKey) bool {
		return string(k.Marshal()) == string(key.Marshal())
	})
	if !known && !s.cfg.AcceptAnyKey {
		return nil, errors.New("unknown key")
	}
	return &ssh.Permissions{Extensions: map[string]string{fingerprint: ssh.FingerprintSHA256(key)}}, nil
}

func (s *Server) accept() {
	for {
		c, n, err := s.conns.accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.failed("accept", err)
			continue
		}
		s.running.Go(func() {
			defer s.conns.forget(c)
			s.serve(c, n)
		})
	}
}

// serve runs one connection.
func (s *Server) serve(c net.Conn, n int) {
	defer c.Close()
	s.journal.add(Event{Kind: Connected, Conn: n})
	defer s.journal.add(Event{Kind: Disconnected, Conn: n})
	c.SetDeadline(time.Now().Add(handshakeTime))
	conn, channels, requests, err := ssh.NewServerConn(c, s.ssh)
	if err != nil {
		s.journal.add(Event{Kind: LoginRefused, Conn: n, Detail: err.Error()})
		return
	}
	c.SetDeadline(time.Time{})
	s.journal.add(Event{Kind: Authenticated, Conn: n, Name: conn.User(), Detail: conn.Permissions.Extensions[fingerprint]})
	var sessions sync.WaitGroup
	defer sessions.Wait()
	sessions.Go(func() { ssh.DiscardRequests(requests) })
	for offer := range channels {
		if offer.ChannelType() != "session" {
			offer.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := offer.Accept()
		if err != nil {
			return
		}
		sessions.Go(func() { s.session(c, n, channel, requests) })
	}
}

// session waits for the request for SFTP, and serves it; anything else is
// refused.
func (s *Server) session(c net.Conn, n int, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	started := false
	for r := range requests {
		ok := !started && r.Type == "subsystem" && string(r.Payload) == "\x00\x00\x00\x04sftp"
		if r.WantReply {
			r.Reply(ok, nil)
		}
		if !ok {
			continue
		}
		started = true
		serving.Go(func() {
			defer channel.Close()
			t := newTap(s, n, channel, func() { cutOff(c) })
			defer t.Close()
			server := sftp.NewRequestServer(t, (&session{srv: s, conn: n}).handlers())
			if err := server.Serve(); err == nil || errors.Is(err, io.EOF) {
				channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
			}
		})
	}
}

// CutConnections ends all connections without a word, as a network failure
// would. New ones are accepted.
func (s *Server) CutConnections() { s.conns.cut() }

func cutOff(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}
