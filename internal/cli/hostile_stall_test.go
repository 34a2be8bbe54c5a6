package cli

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/hostile"
)

// reached notes that a server came as far as it is about.
type reached struct {
	once sync.Once
	c    chan struct{}
}

func newReached() *reached { return &reached{c: make(chan struct{})} }
func (r *reached) here()   { r.once.Do(func() { close(r.c) }) }
func (r *reached) reached() bool {
	select {
	case <-r.c:
		return true
	default:
		return false
	}
}

// testStalls: whatever a server waits with, every command ends by itself, as a
// temporary failure. All of them wait side by side.
func testStalls(t *testing.T, program string) {
	// On a busy machine our own server may miss a sign of life; either end is right.
	const (
		fetch, submit = "fetch", "submit"
		unanswered    = `no (request answered|answer from the server) within`
	)
	drip := func(x *trial, every time.Duration, send func() error) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for send() == nil {
			select {
			case <-tick.C:
			case <-x.server.Done():
				return
			}
		}
	}
	// stop leaves the n-th request of a type unanswered, and everything after it.
	stop := func(typ byte, n int) func(*trial, *reached) {
		return func(x *trial, r *reached) {
			x.reply(1, receipt)
			x.files.Hook = func(q *hostile.Request) bool {
				if q.Type == typ && q.N >= n {
					r.here()
					return true
				}
				return false
			}
		}
	}
	tcp := func(f func(x *trial, c net.Conn, r *reached)) func(*trial, *reached) {
		return func(x *trial, r *reached) {
			x.server.TCP = func(_ int, c net.Conn) bool { f(x, c, r); return true }
		}
	}
	bare := func(f func(x *trial, b *hostile.Bare, r *reached)) func(*trial, *reached) {
		return tcp(func(x *trial, c net.Conn, r *reached) {
			if b, err := hostile.NewBare(c, x.server.Key); err == nil {
				f(x, b, r)
			}
		})
	}
	cases := []struct {
		name, command string
		make          func(*trial, *reached)
		says          string
		code          int // 0: exitTemporary
	}{
		{name: "accepts and is silent", command: fetch, make: tcp(func(_ *trial, c net.Conn, r *reached) {
			r.here()
			_, _ = io.Copy(io.Discard, c)
		}), says: "handshake took too long"},
		{name: "hostkey accept from a silent server", command: "hostkey accept SHA256:x", make: tcp(func(_ *trial, c net.Conn, r *reached) {
			r.here()
			_, _ = io.Copy(io.Discard, c)
		}), says: "handshake took too long"},
		{name: "a byte of its version now and then", command: fetch, make: tcp(func(x *trial, c net.Conn, r *reached) {
			r.here()
			drip(x, 100*time.Millisecond, func() error { _, err := c.Write([]byte("S")); return err })
		}), says: "handshake took too long"},
		{name: "lines before its version now and then", command: submit, make: tcp(func(x *trial, c net.Conn, r *reached) {
			r.here()
			drip(x, 20*time.Millisecond, func() error { _, err := io.WriteString(c, "welcome\r\n"); return err })
		}), says: "handshake took too long"},
		{name: "login banners without end", command: fetch, make: bare(func(_ *trial, b *hostile.Bare, r *reached) {
			if b.StartLogin() != nil {
				return
			}
			r.here()
			for b.Send(hostile.Fields(byte(hostile.MsgAuthBanner), "\x1b[2J beware \u202e", "")) == nil {
			}
		}), says: "handshake took too long"},
		{name: "silent in the login", command: submit, make: func(x *trial, r *reached) {
			x.server.Login = func(_ int, c *ssh.ServerConfig) {
				c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
					r.here()
					<-x.server.Done()
					return nil, nil
				}
			}
		}, says: "handshake took too long"},
		{name: "no answer to the start of sftp", command: fetch, make: stop(hostile.Init, 1), says: "handshake took too long"},
		{name: "no answer to a listing", command: fetch, make: stop(hostile.Readdir, 1), says: unanswered},
		{name: "no answer to a read", command: fetch, make: stop(hostile.Read, 1), says: unanswered},
		{name: "no answer to a remove", command: fetch, make: stop(hostile.Remove, 1), says: unanswered},
		{name: "no answer to a write", command: submit, make: stop(hostile.Write, 1), says: unanswered},
		{name: "no answer to the end of a file", command: submit, make: stop(hostile.CloseReq, 1), says: unanswered},
		{name: "no answer to the GO", command: submit, make: stop(hostile.Open, 2), says: "whether it is processed is not known", code: exitUnknown},
		{name: "no second channel and no refusal of one", command: fetch, make: func(x *trial, r *reached) {
			x.server.Open = func(k int, _ ssh.NewChannel) bool {
				if k == 2 {
					r.here()
				}
				return k == 2
			}
		}, says: unanswered},
		{name: "signs of life ignored", command: fetch, make: func(x *trial, r *reached) {
			x.server.Ignore = true
			stop(hostile.Readdir, 1)(x, r)
		}, says: unanswered},
		{name: "signs of life ignored, while it talks of other things", command: submit, make: func(x *trial, r *reached) {
			x.server.Ignore = true
			x.server.LoggedIn = func(_ int, c *ssh.ServerConn) {
				drip(x, 50*time.Millisecond, func() error { _, _, err := c.SendRequest("weather@example.org", false, nil); return err })
			}
			stop(hostile.Write, 1)(x, r)
		}, says: unanswered},
		{name: "a byte of a listing now and then", command: fetch, make: func(x *trial, r *reached) {
			x.files.Hook = func(q *hostile.Request) bool {
				if q.Type != hostile.Readdir {
					return false
				}
				r.here()
				q.Raw(hostile.Fields(1000))
				drip(x, 100*time.Millisecond, func() error { _, err := q.Channel.Write([]byte{hostile.Names}); return err })
				return true
			}
		}, says: unanswered},
		{name: "a byte of a file now and then", command: fetch, make: func(x *trial, r *reached) {
			x.reply(1, receipt)
			x.files.Hook = func(q *hostile.Request) bool {
				if q.Type != hostile.Read {
					return false
				}
				r.here()
				q.Raw(hostile.Fields(1000))
				drip(x, 100*time.Millisecond, func() error { _, err := q.Channel.Write([]byte{hostile.Data}); return err })
				return true
			}
		}, says: unanswered},
		{name: "a window without room", command: submit, make: bare(func(_ *trial, b *hostile.Bare, r *reached) {
			if b.SFTP(0) != nil {
				return
			}
			r.here()
			_, _ = b.Await(0)
		}), says: "handshake took too long"},
		{name: "a window that is never enlarged", command: submit, make: bare(func(_ *trial, b *hostile.Bare, r *reached) {
			// Enough for the start of sftp and the first bytes of what follows.
			if b.SFTP(9+10) != nil || b.Data(hostile.Packet(hostile.Version, 3)) != nil {
				return
			}
			r.here()
			_ = b.Alive()
		}), says: unanswered},
	}
	errs := make([]error, len(cases))
	late := make([]bool, len(cases)) // to be tried with more time
	for i := range late {
		late[i] = true
	}
	// On a busy machine a time-out may strike before the server got to where it
	// stalls: such a case is tried again with a longer one.
	for timeout := time.Second; slices.Contains(late, true) && timeout <= 16*time.Second; timeout *= 2 {
		var wg sync.WaitGroup
		for i, c := range cases {
			if !late[i] {
				continue
			}
			x, r := newTrial(t, program), newReached()
			code := c.code
			if code == 0 {
				code = exitTemporary
			}
			command := c.command + " --timeout " + timeout.String()
			wg.Go(func() {
				errs[i] = hostileCase{
					make: func(x *trial) { c.make(x, r) }, steps: []step{{command: command, code: code, says: c.says}},
				}.try(x, false)
				late[i] = !r.reached()
			})
		}
		wg.Wait()
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if errs[i] != nil {
				t.Error(errs[i])
			}
			if late[i] {
				t.Error("the server never got there")
			}
		})
	}
}
