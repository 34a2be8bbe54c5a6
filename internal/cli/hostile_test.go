package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/hostile"
)

// Servers that are hostile or broken, tried on the whole program. Every run
// promises: it ends, takes less than 128 MiB, writes nowhere but in its
// directories, says "sent" and "stored" of nothing else, asks to remove nothing
// that is not stored, and leaves the terminal alone; see trial.holds. Many small
// cases run in this process, where memory is not measured; SOCBATCH_HOSTILE=all
// runs each as a process.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	program := builtProgram(t)
	t.Run("stalls", func(t *testing.T) { testStalls(t, program) })
	for _, group := range []struct {
		name   string
		inside bool
		cases  []hostileCase
	}{
		{"host key", false, hostKeyCases()},
		{"before the login", false, greetingCases()},
		{"login", false, loginCases()},
		{"ssh", false, sshCases()},
		{"sftp nonsense", true, nonsenseCases()},
		{"listing", false, listingCases()},
		{"lies when sending", true, sendingLieCases()},
		{"lies when fetching", false, fetchingLieCases()},
		{"cut", true, cutCases()},
		{"refusal", true, refusalCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					x := newTrial(t, program)
					if err := c.try(x, group.inside && os.Getenv("SOCBATCH_HOSTILE") != "all"); err != nil {
						t.Error(err)
					}
					t.Logf("%d MiB; %q", x.peak>>20, x.outputs)
				})
			}
		})
	}
}

func hostKeyCases() []hostileCase {
	// rekeyed makes the server show another key from the n-th connection on, and
	// counts the logins that are tried there.
	rekeyed := func(x *trial, from int) *atomic.Int64 {
		var logins atomic.Int64
		x.server.Login = func(n int, c *ssh.ServerConfig) {
			if n >= from {
				c.AddHostKey(hostile.NewSigner()) // takes the place of the first
				c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
					logins.Add(1)
					return nil, nil
				}
			}
		}
		return &logins
	}
	var atFirst, later, accepted *atomic.Int64
	none := func(logins **atomic.Int64) func(*trial) error {
		return func(x *trial) error {
			if n := (*logins).Load(); n > 0 || len(x.files.Taken()) > 0 {
				return fmt.Errorf("%d logins at a server with a wrong key, taken %v", n, x.files.Taken())
			}
			return nil
		}
	}
	changed := `host key has changed.*before anything was sent`
	return []hostileCase{
		{
			name: "wrong at first", make: func(x *trial) { atFirst = rekeyed(x, 1) },
			steps: []step{
				{command: "submit", code: exitCredentials, says: changed},
				{command: "fetch", code: exitCredentials, says: changed},
				{command: "resume", code: exitCredentials, says: changed},
			},
			check: none(&atFirst),
		},
		{
			name: "wrong on reconnect", make: func(x *trial) {
				later = rekeyed(x, 3)
				x.files.Hook = func(r *hostile.Request) bool {
					if r.Type == hostile.Readdir && r.N == 1 {
						x.server.Cut()
						return true
					}
					return false
				}
			},
			steps: []step{
				{command: "submit", code: exitDone, says: "^sent"},
				{command: "fetch --wait 1m --interval 1ms", code: exitCredentials, says: changed},
			},
			check: func(x *trial) error {
				if n := later.Load(); n > 0 || x.server.Connections() < 3 {
					return fmt.Errorf("%d logins, %d connections", n, x.server.Connections())
				}
				return nil
			},
		},
		{
			name: "changed since it was accepted", make: func(x *trial) {
				x.unpinned()
				accepted = rekeyed(x, 4)
			},
			steps: []step{
				{command: "submit", code: exitCredentials, says: `host key is not known.*\n.*hostkey accept SHA256`},
				{command: "hostkey accept KEY", code: exitDone, says: "^accepted"},
				{command: "fetch", code: exitDone, says: "nothing new"},
				{command: "submit", code: exitCredentials, says: changed},
				{command: "fetch", code: exitCredentials, says: "somebody in between poses as the server"},
				{command: "hostkey accept KEY", code: exitCredentials, says: "not the key that you gave; nothing was accepted"},
			},
			check: none(&accepted),
		},
	}
}

// fromTCP makes a server that speaks no SSH.
func fromTCP(f func(c net.Conn)) func(*trial) {
	return func(x *trial) {
		x.server.TCP = func(_ int, c net.Conn) bool { f(c); return true }
	}
}

// pour writes the same until nobody takes it.
func pour(w io.Writer, b []byte) {
	for {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

func greetingCases() []hostileCase {
	fails := func(command string, code int, says string) []step {
		return []step{{command: command, code: code, says: says}}
	}
	const broken = `malformed answer from the server.*\n.*what answers is not the server that was meant`
	kexInit := func(lists string) []byte {
		return hostile.Fields(byte(hostile.MsgKexInit), make([]byte, 16), lists, lists, lists, lists, lists, lists, lists, lists, "", "", byte(0), 0)
	}
	plain := func(payload []byte) []byte {
		pad := 8 + 8 - (5+len(payload))%8
		return hostile.Fields(len(payload)+1+pad, byte(pad), payload, make([]byte, pad))
	}
	return []hostileCase{
		{name: "lines without end", make: fromTCP(func(c net.Conn) { pour(c, bytes.Repeat([]byte("hello\r\n"), 4096)) }), steps: fails("fetch", exitFailed, broken)},
		{name: "one line without end", make: fromTCP(func(c net.Conn) { pour(c, make([]byte, 32<<10)) }), steps: fails("submit", exitFailed, broken)},
		{name: "huge version", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-")
			pour(c, bytes.Repeat([]byte("x"), 32<<10))
		}), steps: fails("fetch", exitFailed, broken)},
		{name: "huge version, at hostkey accept", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-")
			pour(c, bytes.Repeat([]byte("x"), 32<<10))
		}), steps: fails("hostkey accept KEY", exitFailed, broken)},
		{name: "a web server", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nServer: \x1b[31mx\r\n\r\n")
		}), steps: fails("fetch", exitTemporary, "closed by the server during the handshake|connection failed")},
		{name: "closes at once", make: fromTCP(func(net.Conn) {}), steps: fails("submit", exitTemporary, "connection failed")},
		{name: "ssh packet of 4 GB", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n\xff\xff\xff\xff\x04")
			pour(c, make([]byte, 32<<10))
		}), steps: fails("fetch", exitFailed, broken)},
		{name: "ssh packets of nonsense", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			pour(c, plain([]byte("\x99nonsense")))
		}), steps: fails("fetch", exitFailed, broken)},
		{name: "damaged list of algorithms", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_, _ = c.Write(plain(hostile.Fields(byte(hostile.MsgKexInit), make([]byte, 16), 0x7fffffff)))
			_, _ = io.Copy(io.Discard, c)
		}), steps: fails("fetch", exitFailed, broken)},
		{name: "only weak algorithms", make: func(x *trial) {
			x.server.Login = func(_ int, c *ssh.ServerConfig) {
				c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1}
				c.Ciphers = []string{ssh.InsecureCipherAES128CBC}
			}
		}, steps: fails("submit", exitFailed, `no common algorithm.*diffie-hellman-group1-sha1.*\n.*docs/connection.md`)},
		{name: "thousands of algorithms, with escapes", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_, _ = c.Write(plain(kexInit(strings.Repeat("\x1b]0;x\a\u202e,", 2500))))
			_, _ = io.Copy(io.Discard, c)
		}), steps: fails("fetch", exitFailed, "no common algorithm")},
		{name: "says goodbye with escapes", make: fromTCP(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_, _ = c.Write(plain(hostile.Fields(byte(hostile.MsgDisconnect), 11, "\x1b[2J\n\rsent  everything \u202e"+strings.Repeat("x", 30000), "")))
			_, _ = io.Copy(io.Discard, c)
		}), steps: fails("fetch", exitFailed, `\\x1b\[2J`)},
	}
}

// bare makes a server of the messages that f sends behind the key exchange.
func bare(f func(b *hostile.Bare)) func(*trial) {
	return func(x *trial) {
		x.server.TCP = func(_ int, c net.Conn) bool {
			if b, err := hostile.NewBare(c, x.server.Key); err == nil {
				f(b)
			}
			return true
		}
	}
}

func loginCases() []hostileCase {
	refused := []step{{command: "fetch", code: exitCredentials, says: `login refused.*\n.*registered on the portal`}}
	ended := []step{{command: "fetch", code: exitFailed, says: "malformed answer from the server"}}
	// asks answers the first try with the methods that are left, and the next one
	// with a message.
	asks := func(methods string, message []byte) func(*trial) {
		return bare(func(b *hostile.Bare) {
			err := b.StartLogin()
			for err == nil {
				if err = b.Send(hostile.Fields(byte(hostile.MsgAuthFailure), methods, byte(0))); err != nil {
					return
				}
				if _, err = b.Await(hostile.MsgAuthRequest); err == nil && message != nil {
					err = b.Send(message)
				}
			}
		})
	}
	questions := hostile.Fields(byte(hostile.MsgAuth60), "\x1b[2J", "\u202e", "", 5000, bytes.Repeat(hostile.Fields("your PIN\x1b[31m", byte(1)), 5000))
	return []hostileCase{
		{name: "refuses the key", make: func(x *trial) {
			x.server.Login = func(_ int, c *ssh.ServerConfig) {
				c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, errors.New("no") }
			}
		}, steps: refused},
		{name: "offers questions only", make: asks("keyboard-interactive", nil), steps: refused},
		{name: "asks thousands of questions unasked", make: asks("publickey", questions), steps: ended},
		{name: "wants the password changed", make: asks("publickey,password", hostile.Fields(byte(hostile.MsgAuth60), "your new password:\x1b[2J", "")), steps: refused},
		{name: "partial success without end", make: bare(func(b *hostile.Bare) {
			err := b.StartLogin()
			for err == nil {
				if err = b.Send(hostile.Fields(byte(hostile.MsgAuthFailure), "publickey", byte(1))); err == nil {
					_, err = b.Await(hostile.MsgAuthRequest)
				}
			}
		}), steps: refused},
		{name: "nonsense in the login", make: asks("publickey", []byte("\xc8nonsense")), steps: ended},
	}
}

func sshCases() []hostileCase {
	return []hostileCase{
		{name: "no sftp", make: func(x *trial) {
			x.server.Subsystem = func(string) bool { return false }
		}, steps: []step{{command: "submit", code: exitFailed, says: "the sftp subsystem was refused"}}},
		{name: "no channel", make: func(x *trial) {
			x.server.Open = func(_ int, c ssh.NewChannel) bool {
				return c.Reject(ssh.Prohibited, "\x1b[2J\u202egone") == nil
			}
		}, steps: []step{{command: "submit", code: exitFailed, says: `start sftp`}}},
		{name: "opens channels and asks for things en masse", make: func(x *trial) {
			x.reply(1, receipt)
			flooded := make(chan struct{})
			x.server.LoggedIn = func(_ int, c *ssh.ServerConn) {
				defer close(flooded)
				for i := range 3000 {
					if _, _, err := c.SendRequest("\x1b[2J", i%2 == 0, make([]byte, 1000)); err != nil {
						return
					}
					if ch, _, err := c.OpenChannel("x11", make([]byte, 1000)); err == nil {
						_ = ch.Close()
					}
				}
			}
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Readdir {
					<-flooded
				}
				return false
			}
		}, steps: []step{{command: "fetch", code: exitDone, says: "^stored"}}},
		{name: "error output without end", make: func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Readdir && r.N == 1 {
					for range 1000 {
						_, _ = r.Channel.Stderr().Write(bytes.Repeat([]byte("\x1b[2J"), 8<<10))
					}
				}
				return false
			}
		}, steps: []step{{command: "fetch", code: exitDone, says: "^stored"}}},
		{name: "ends its program in the middle of a transfer", make: func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Read && r.N == 1 {
					_, _ = r.Channel.SendRequest("exit-status", false, hostile.Fields(1))
					_ = r.Channel.Close()
					return true
				}
				return false
			}
		}, steps: []step{{command: "fetch", code: exitTemporary, says: "closed by the server"}, {command: "fetch", code: exitDone, says: "^stored"}}},
		{name: "writes more than the window", make: bare(func(b *hostile.Bare) {
			if b.SFTP(1<<20) == nil {
				for b.Data(hostile.Fields(1<<19, make([]byte, 32000))) == nil {
				}
			}
		}), steps: []step{{command: "submit", code: exitFailed, says: "malformed answer"}}},
	}
}

func nonsenseCases() []hostileCase {
	answer := func(typ byte, f func(r *hostile.Request)) func(*trial) {
		return func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == typ {
					f(r)
				}
				return r.Type == typ
			}
		}
	}
	type reply = func(*hostile.Request)
	raw := func(b []byte) reply { return func(r *hostile.Request) { r.Raw(b) } }
	with := func(typ byte, fields ...any) reply { return func(r *hostile.Request) { r.Reply(typ, fields...) } }
	any4 := map[string]reply{
		"length of 4 GB":                      raw(hostile.Fields(uint32(0xffffffff), byte(hostile.Status))),
		"length zero":                         raw(hostile.Fields(0)),
		"text":                                raw([]byte("This account is currently not available.\r\n")),
		"answer to no request":                raw(hostile.Packet(hostile.Status, 0x77777777, 0, "", "")),
		"packet without an id":                raw(hostile.Packet(hostile.Status)),
		"unknown type":                        with(222, "x"),
		"status cut off":                      with(hostile.Status, byte(0)),
		"status of 4 GB":                      with(hostile.Status, 4, uint32(0xffffffff), "x"),
		"handle of 4 GB":                      with(hostile.Handle, uint32(0xffffffff)),
		"handle of 60 KB":                     with(hostile.Handle, strings.Repeat("h", 60_000)),
		"data of 4 GB":                        with(hostile.Data, uint32(0xffffffff), "x"),
		"4 billion names":                     with(hostile.Names, uint32(0xffffffff)),
		"name of 4 GB":                        with(hostile.Names, 1, uint32(0xffffffff), "x"),
		"attributes cut off":                  with(hostile.Attrs, 1|4, byte(1)),
		"4 billion more attributes":           with(hostile.Attrs, uint32(1<<31), uint32(0xffffffff)),
		"name with 4 billion more attributes": with(hostile.Names, 1, replyName(1), "", uint32(1<<31), uint32(0xffffffff)),
	}
	// OK where something else was asked for is nonsense; where a status is asked
	// for, it is the honest answer.
	var cases []hostileCase
	for _, at := range []struct {
		command, name string
		typ           byte
	}{
		{"submit", "an open", hostile.Open}, {"submit", "a write", hostile.Write}, {"submit", "a close", hostile.CloseReq},
		{"fetch", "an opendir", hostile.Opendir}, {"fetch", "a readdir", hostile.Readdir}, {"fetch", "a read", hostile.Read},
		{"fetch", "a remove", hostile.Remove},
	} {
		for _, what := range slices.Sorted(keys(any4)) {
			if at.typ == hostile.Open && what == "handle of 60 KB" {
				continue // is used as it is
			}
			cases = append(cases, hostileCase{
				name: what + " in answer to " + at.name, make: answer(at.typ, any4[what]),
				steps: []step{{command: at.command, code: exitFailed, says: "^error: "}},
			})
		}
	}
	cases = append(cases,
		hostileCase{name: "version of 4 GB", make: answer(hostile.Init, raw(hostile.Fields(uint32(0xffffffff), byte(hostile.Version)))),
			steps: []step{{command: "fetch", code: exitFailed, says: "malformed answer"}}},
		hostileCase{name: "other version", make: answer(hostile.Init, raw(hostile.Packet(hostile.Version, 6))),
			steps: []step{{command: "fetch", code: exitFailed, says: "no SFTP version 3"}}},
		hostileCase{name: "damaged extensions", make: answer(hostile.Init, raw(hostile.Packet(hostile.Version, 3, uint32(0xffffffff)))),
			steps: []step{{command: "submit", code: exitFailed, says: "damaged version packet"}}},
		hostileCase{name: "damaged limits", make: func(x *trial) {
			x.files.Hook = func(r *hostile.Request) bool {
				switch r.Type {
				case hostile.Init:
					r.Raw(hostile.Packet(hostile.Version, 3, "limits@openssh.com", "1"))
				case hostile.Extended:
					r.Reply(201, byte(1))
				}
				return r.Type == hostile.Init || r.Type == hostile.Extended
			}
		}, steps: []step{{command: "submit", code: exitFailed, says: "damaged limits"}}},
		hostileCase{name: "absurd limits", make: func(x *trial) {
			x.files.Hook = func(r *hostile.Request) bool {
				switch r.Type {
				case hostile.Init:
					r.Raw(hostile.Packet(hostile.Version, 3, "limits@openssh.com", "1"))
				case hostile.Extended:
					most := uint64(1<<64 - 1)
					r.Reply(201, most, most, most, uint64(1))
				}
				return r.Type == hostile.Init || r.Type == hostile.Extended
			}
		}, steps: []step{{command: "submit", code: exitDone, says: "^sent"}}},
		hostileCase{name: "reads without bytes", make: answer(hostile.Read, with(hostile.Data, "")),
			steps: []step{{command: "fetch", code: exitFailed, says: "no bytes in answer to a read"}}},
	)
	return cases
}

func listingCases() []hostileCase {
	// endless answers every READDIR of a folder with more names.
	endless := func(folder string, per int, name func(i int) hostile.Name) func(*trial) {
		return func(x *trial) {
			i := 0
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type != hostile.Readdir || r.Path != folder {
					return false
				}
				names := make([]hostile.Name, per)
				for k := range names {
					names[k] = name(i)
					i++
				}
				r.Names(names...)
				return true
			}
		}
	}
	oneChannel := func(f func(*trial)) func(*trial) {
		return func(x *trial) {
			x.server.Open = func(k int, c ssh.NewChannel) bool {
				return k > 1 && c.Reject(ssh.ResourceShortage, "one is enough") == nil
			}
			f(x)
		}
	}
	numbered := func(format string) func(int) hostile.Name {
		return func(i int) hostile.Name { return hostile.Name{Name: fmt.Sprintf(format, i), Size: 1} }
	}
	const most = "it holds more than the 100000 entries that one run takes"
	done := func(says string) []step { return []step{{command: "fetch", code: exitDone, says: says}} }
	unending := []step{{command: "fetch", code: exitFailed, says: "a listing does not end"}}
	replies := func(kind string) func(int) hostile.Name {
		return func(i int) hostile.Name {
			return hostile.Name{Name: fmt.Sprintf("%s.ACRF.%06d.20260302.%05d.T", kind, i/100_000, i%100_000), Size: 1}
		}
	}
	evil := []string{
		"../FO.ACRF.999999.20260302.00001.T", "/tmp/FO.ACRF.999999.20260302.00001.T", "..", "../../../evil", "/etc/evil", `..\evil`, `C:\evil`,
		"CON", "NUL.txt", "COM1", "nul\x00byte", "new\nline", "FO.ACRF.999999.20260302.00001.T\n", "\x1b[2Jescape", "bell\a", "right\u202eto left",
		"zero\u200bwidth", "line\u2028separator", "\u009b2J", "\xff\xfe", "", "dir/inner", "FO.ACRF.999999.20260302.00001.T/../../evil",
		"fo.acrf.999999.20260302.00001.t", "FO.ACRF.999999.20260302.00001.T.", "FO.ACRF.999999.20260302.00001.T ",
	}
	listed := func(entries ...hostile.Name) func(*trial) {
		return func(x *trial) {
			for _, n := range []int{1, 2} {
				x.reply(n, receipt)
			}
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Readdir {
					r.List(entries...)
				}
				return r.Type == hostile.Readdir
			}
		}
	}
	var evilEntries []hostile.Name
	for _, n := range evil {
		evilEntries = append(evilEntries, hostile.Name{Name: n, Size: 1})
	}
	nothingStored := func(x *trial) error {
		if a := x.archive(); len(a) > 0 || x.files.Count(hostile.Read) > 0 || len(x.files.Removed()) > 0 {
			return fmt.Errorf("stored %q, %d reads, removed %q", a, x.files.Count(hostile.Read), x.files.Removed())
		}
		return nil
	}
	return []hostileCase{
		{name: "names without end", make: endless("OUTTEST", 500, numbered("x%d")), steps: done(most), check: nothingStored},
		{name: "names without end, on one channel", make: oneChannel(endless("OUTTEST", 500, numbered("x%d"))), steps: unending, check: nothingStored},
		{name: "answers without names, without end", make: endless("OUTTEST", 0, nil), steps: []step{{command: "fetch", code: exitFailed, says: "listing without names does not end"}}},
		{name: "answers without names, without end, on one channel", make: oneChannel(endless("OUTTEST", 0, nil)), steps: unending},
		{name: "the same name a million times", make: endless("OUTTEST", 1000, func(int) hostile.Name { return hostile.Name{Name: replyName(1), Size: 1} }), steps: done(most), check: nothingStored},
		{name: "replies without a GO, without end", make: endless("OUTTEST", 500, replies("FO")), steps: done(most), check: nothingStored},
		{name: "names of 64 KiB without end", make: endless("OUTTEST", 4, func(i int) hostile.Name {
			return hostile.Name{Name: fmt.Sprint(i) + strings.Repeat("x\x1b", 32<<10), Size: 1}
		}), steps: done("bytes of names"), check: nothingStored},
		{name: "names of 60 KiB without end, on one channel", make: oneChannel(endless("OUTTEST", 4, func(i int) hostile.Name {
			return hostile.Name{Name: fmt.Sprint(i) + strings.Repeat("x\x1b", 30<<10), Size: 1}
		})), steps: unending, check: nothingStored},
		{name: "a folder without end, when looking what became of a set", make: func(x *trial) {
			names := endless("INTEST", 2000, numbered("x%d"))
			names(x)
			listing := x.files.Hook
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Open && strings.HasPrefix(path.Base(r.Path), "GO.") {
					x.server.Cut()
					return true
				}
				return listing(r)
			}
		}, steps: []step{
			{command: "submit", code: exitUnknown, says: "whether it is processed is not known"},
			{command: "resume", code: exitUnknown, says: "what became of it could not be found out"},
		}},
		{name: "evil names", make: listed(evilEntries...), steps: done("nothing new"), check: nothingStored},
		{name: "evil names, on one channel", make: oneChannel(listed(evilEntries[3:]...)), steps: done("nothing new"), check: nothingStored},
		{name: "links, in a circle", make: listed(hostile.Name{Name: replyName(1), Size: 1, Mode: 0o120777}, hostile.Name{Name: goName(1), Size: 0, Mode: 0o120777}),
			steps: done("it is not a regular file"), check: nothingStored},
		{name: "directories and devices with names of replies", make: listed(hostile.Name{Name: replyName(1), Size: 1, Mode: 0o040777}, hostile.Name{Name: replyName(2), Mode: 0o020777},
			hostile.Name{Name: goName(1), Mode: 0o010777}), steps: done("it is a directory"), check: nothingStored},
	}
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
