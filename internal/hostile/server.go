// Package hostile is an SSH and SFTP server that misbehaves where a test tells it
// to, and is honest elsewhere. Nothing but tests imports it.
package hostile

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Server is an SSH server. Hooks that are nil leave it honest; they are set
// before the first connection, and may run for several connections at once. A
// hook that waits must end with Done.
type Server struct {
	Key ssh.Signer // of the host

	// TCP gets a connection before anything else, the n-th (from 1). true: it
	// has dealt with it, and it is closed.
	TCP func(n int, c net.Conn) bool
	// Login changes the configuration of the n-th connection, which lets
	// everybody in and whose host key is Key.
	Login func(n int, c *ssh.ServerConfig)
	// LoggedIn runs beside a session.
	LoggedIn func(n int, c *ssh.ServerConn)
	// Ignore leaves global requests, such as signs of life, unanswered.
	Ignore bool
	// Open gets the k-th channel of a connection before it is accepted. true: it
	// has dealt with it.
	Open func(k int, c ssh.NewChannel) bool
	// Subsystem says whether a request for a subsystem is granted.
	Subsystem func(name string) bool
	// SFTP serves the k-th channel of a connection.
	SFTP func(k int, c ssh.Channel)

	once     sync.Once
	done     chan struct{}
	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	wg       sync.WaitGroup
}

// NewSigner makes a key.
func NewSigner() ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	return s
}

// Done is closed when the server ends.
func (s *Server) Done() <-chan struct{} {
	s.once.Do(func() { s.done = make(chan struct{}) })
	return s.done
}

// Listen takes a port of the loopback address and returns it. Until Start
// nobody is served there.
func (s *Server) Listen() (port int, err error) {
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return 0, err
	}
	return s.listener.Addr().(*net.TCPAddr).Port, nil
}

// Start serves the port. What the server does must be set by then.
func (s *Server) Start() {
	s.wg.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.Go(c)
		}
	})
}

// Go serves a connection.
func (s *Server) Go(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.Done():
		_ = c.Close()
		return
	default:
	}
	s.conns = append(s.conns, c)
	n := len(s.conns)
	s.wg.Go(func() { s.serve(n, c) })
}

// Connections is how many were made.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Cut ends every connection.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// Close ends the server and waits for all of it.
func (s *Server) Close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.mu.Lock()
	s.Done()
	close(s.done)
	s.mu.Unlock()
	s.Cut()
	s.wg.Wait()
}

func (s *Server) serve(n int, c net.Conn) {
	defer c.Close() //nolint:errcheck // its client sees it end
	if s.TCP != nil && s.TCP(n, c) {
		return
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}
	if s.Key != nil {
		config.AddHostKey(s.Key)
	}
	if s.Login != nil {
		s.Login(n, config)
	}
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // its client sees it end
	s.wg.Go(func() { s.answer(requests, func(*ssh.Request) bool { return false }, s.Ignore) })
	if s.LoggedIn != nil {
		s.wg.Go(func() { s.LoggedIn(n, conn) })
	}
	k := 0
	for nc := range channels {
		k++
		s.channel(k, nc)
	}
}

func (s *Server) channel(k int, nc ssh.NewChannel) {
	if s.Open != nil && s.Open(k, nc) {
		return
	}
	c, requests, err := nc.Accept()
	if err != nil {
		return
	}
	granted := make(chan bool, 1)
	s.wg.Go(func() {
		s.answer(requests, func(r *ssh.Request) bool {
			var name struct{ Name string }
			ok := r.Type == "subsystem" && ssh.Unmarshal(r.Payload, &name) == nil && (s.Subsystem == nil || s.Subsystem(name.Name))
			select {
			case granted <- ok:
			default:
			}
			return ok
		}, false)
		close(granted)
	})
	s.wg.Go(func() {
		defer c.Close() //nolint:errcheck // its client sees it end
		if <-granted {
			s.SFTP(k, c)
		}
	})
}

func (s *Server) answer(requests <-chan *ssh.Request, grant func(*ssh.Request) bool, ignore bool) {
	for r := range requests {
		if ok := grant(r); r.WantReply && !ignore {
			_ = r.Reply(ok, nil)
		}
	}
}
