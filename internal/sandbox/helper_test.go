package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "101380"
	today   = "20261125"
)

func noon() time.Time { return time.Date(2026, 11, 25, 11, 0, 0, 123e6, time.UTC) }

// loginKey is the key that may log in.
var loginKey = sync.OnceValue(func() ssh.Signer {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	return signer
})

func newIdentity() *TestIdentity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	id, err := NewTestIdentity("Jan Test", WithKey(key), WithValidity(noon().AddDate(-1, 0, 0), noon().AddDate(1, 0, 0)))
	if err != nil {
		panic(err)
	}
	return id
}

// registered is the identity whose certificate the tests' servers know.
var registered = sync.OnceValue(newIdentity)

// start runs a server that answers only when it is told to, unless configure
// changes that.
func start(t testing.TB, configure func(*Config)) *Server {
	t.Helper()
	cfg := Config{
		Dir: t.TempDir(), Sender: account, User: "EXP101380", AuthorizedKeys: []ssh.PublicKey{loginKey().PublicKey()},
		Certificate: registered().Certificate, Clock: noon, ReceiptDelay: time.Hour, NotificationDelay: time.Hour,
	}
	if configure != nil {
		configure(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, e := range s.Journal() {
			if e.Kind == ServerFailed {
				t.Errorf("the server failed: %s", e.Detail)
			}
		}
	})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t testing.TB, s *Server) *sftp.Client {
	t.Helper()
	c, err := dial(s, "EXP101380", loginKey())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c.Client
}

type client struct {
	*sftp.Client
	conn *ssh.Client
}

func (c client) close() {
	c.Client.Close()
	c.conn.Close()
	c.conn.Wait()
}

func dial(s *Server, user string, key ssh.Signer) (client, error) {
	raw, err := net.Dial("tcp", s.Addr())
	if err != nil {
		return client{}, err
	}
	conn, channels, requests, err := ssh.NewClientConn(raw, s.Addr(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(s.HostKey()),
	})
	if err != nil {
		raw.Close()
		return client{}, err
	}
	c := ssh.NewClient(conn, channels, requests)
	f, err := sftp.NewClient(c)
	if err != nil {
		c.Close()
		return client{}, err
	}
	return client{f, c}, nil
}

func put(c *sftp.Client, path, content string) error {
	f, err := c.Create(path)
	if err != nil {
		return err
	}
	if content != "" {
		if _, err := f.Write([]byte(content)); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

func mustPut(t testing.TB, c *sftp.Client, path, content string) {
	t.Helper()
	if err := put(c, path, content); err != nil {
		t.Fatalf("put %s: %v", path, err)
	}
}

func get(t testing.TB, c *sftp.Client, path string) string {
	t.Helper()
	f, err := c.Open(path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return string(text)
}

// dimona is a declaration with so many forms; the own reference of each is
// own-1, own-2 …
func dimona(forms int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" +
		`<Dimona xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="Dimona_20231.xsd">` + "\r\n")
	for i := range forms {
		fmt.Fprintf(&b, "<Form><Identification>DIMONA</Identification><FormCreationDate>2026-11-25</FormCreationDate>"+
			"<FormCreationHour>09:30:00.%03d</FormCreationHour><AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm>"+
			"<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>own-%d</ReferenceNbr></Reference></Form>\r\n", i+1, i+1)
	}
	b.WriteString("</Dimona>\r\n")
	return b.String()
}

// signed gives the text of an FS.
func signed(t testing.TB, id *TestIdentity, content string) string {
	t.Helper()
	identity, err := sign.NewIdentity(id.Key, id.Certificate, []*x509.Certificate{id.CA})
	if err != nil {
		t.Fatal(err)
	}
	der, _, err := sign.Sign(t.Context(), strings.NewReader(content), identity, sign.Options{SigningTime: noon()})
	if err != nil {
		t.Fatal(err)
	}
	return string(sign.EncodeText(der, sign.Text64CRLF))
}

// set is a set of the test account.
func set(app, sequence string, env naming.Environment, parts int) naming.Set {
	return naming.Set{Application: app, Sender: account, Date: today, Sequence: naming.Sequence(sequence), Environment: env, Parts: parts}
}

// send uploads a set: contents by part; with an identity also the signatures.
func send(t testing.TB, c *sftp.Client, s naming.Set, id *TestIdentity, contents ...string) {
	t.Helper()
	for i, content := range contents {
		mustPut(t, c, s.Inbox()+"/"+s.FI(i+1).String(), content)
		if id != nil {
			mustPut(t, c, s.Inbox()+"/"+s.FS(i+1).String(), signed(t, id, content))
		}
	}
	mustPut(t, c, s.Inbox()+"/"+s.GO().String(), "")
}

// kinds counts the events by kind.
func kinds(events []Event) map[EventKind]int {
	n := map[EventKind]int{}
	for _, e := range events {
		n[e.Kind]++
	}
	return n
}
