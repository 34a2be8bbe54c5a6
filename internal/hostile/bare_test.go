package hostile

import (
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

// What Bare speaks is SSH: a client gets as far as a channel.
func TestBare(t *testing.T) {
	key := NewSigner()
	s := &Server{Key: key, TCP: func(_ int, c net.Conn) bool {
		b, err := NewBare(c, key)
		if err == nil {
			err = b.SFTP(1 << 20)
		}
		if err != nil {
			t.Error(err)
		}
		_, _ = b.Await(0)
		return true
	}}
	defer s.Close()
	port, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	client, err := ssh.Dial("tcp", addr.String(), &ssh.ClientConfig{HostKeyCallback: ssh.FixedHostKey(key.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		t.Error(err)
	}
}
