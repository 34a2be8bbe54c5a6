package sandbox

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds a login.
const handshakeTime = 30 * time.Second

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

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.failed("accept", err)
			continue
		}
		s.connMu.Lock()
		if s.ended {
			s.connMu.Unlock()
			c.Close()
			return
		}
		s.lastConn++
		n := s.lastConn
		s.conns[c] = struct{}{}
		s.running.Add(1)
		s.connMu.Unlock()
		go func() {
			defer s.running.Done()
			s.serve(c, n)
			s.connMu.Lock()
			delete(s.conns, c)
			s.connMu.Unlock()
		}()
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

// disconnect stops listening and ends all connections.
func (s *Server) disconnect() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	s.ended = true
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
}

// CutConnections ends all connections without a word, as a network failure
// would. New ones are accepted.
func (s *Server) CutConnections() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	for c := range s.conns {
		cutOff(c)
	}
}

func cutOff(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}
