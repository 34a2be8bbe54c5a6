package sftp

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/transport"
)

// nameBody builds the body of a NAME packet behind the id.
func nameBody(count uint32, entries ...func(*packet)) []byte {
	p := &packet{}
	p.uint32(count)
	for _, e := range entries {
		e(p)
	}
	return p.b
}

func entry(name, long string, attrs ...uint32) func(*packet) {
	return func(p *packet) {
		p.string(name)
		p.string(long)
		for _, a := range attrs {
			p.uint32(a)
		}
	}
}

func TestParseNames(t *testing.T) {
	full := entry("full", "", 0xf, 0, 7, 1, 1, 0o100644, 5, 6)
	tests := []struct {
		name string
		body []byte
		want []transport.Entry // nil: an error
	}{
		{"all attributes", nameBody(1, full), []transport.Entry{{Name: "full", Size: 7, ModTime: time.Unix(6, 0).UTC(), Type: transport.TypeFile}}},
		{"no attributes", nameBody(1, entry("x", "", 0)), []transport.Entry{{Name: "x", Size: -1}}},
		{"type from the long name", nameBody(2, entry("x", "-rw-r--r-- 1 a b", 0), entry("d", "drwxr-xr-x 1 a b", 0)),
			[]transport.Entry{{Name: "x", Size: -1, Type: transport.TypeFile}, {Name: "d", Size: -1, Type: transport.TypeDir}}},
		{"link", nameBody(1, entry("l", "", 4, 0o120777)), []transport.Entry{{Name: "l", Size: -1, Type: transport.TypeOther}}},
		{"extended attributes", nameBody(1, entry("e", "", 1<<31, 1, 0, 0)), []transport.Entry{{Name: "e", Size: -1}}},
		{"dots left out", nameBody(3, entry(".", "", 0), entry("..", "", 0), entry("x", "", 0)), []transport.Entry{{Name: "x", Size: -1}}},
		{"size beyond int64", nameBody(1, entry("x", "", 1, 0xffffffff, 0)), []transport.Entry{{Name: "x", Size: -1}}},
		{"count too high", nameBody(2, full), nil},
		{"count huge", nameBody(0xffffffff, full), nil},
		{"extended count huge", nameBody(1, entry("e", "", 1<<31, 0xffffffff)), nil},
		{"cut off", nameBody(1, full)[:20], nil},
		{"empty", nil, nil},
	}
	for _, tt := range tests {
		var got []transport.Entry
		_, err := parseNames(tt.body, func(e transport.Entry) error { got = append(got, e); return nil })
		if tt.want == nil {
			if !errors.Is(err, transport.ErrProtocol) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: got %+v, want %+v", tt.name, got[i], tt.want[i])
			}
		}
	}
}

func FuzzParseNames(f *testing.F) {
	f.Add(nameBody(1, entry("full", "-rw-r--r--", 0xf, 0, 7, 1, 1, 0o100644, 5, 6)))
	f.Add(nameBody(2, entry(".", "", 0), entry("e", "", 1<<31, 1, 0, 0)))
	f.Add(nameBody(0xffffffff))
	f.Fuzz(func(t *testing.T, body []byte) {
		total := 0
		_, err := parseNames(body, func(e transport.Entry) error {
			if e.Size < -1 || e.Type > transport.TypeDir || e.Name == "." || e.Name == ".." {
				t.Errorf("entry %+v", e)
			}
			total += len(e.Name)
			return nil
		})
		if total > len(body) {
			t.Error("more names than bytes")
		}
		if err != nil && !errors.Is(err, transport.ErrProtocol) {
			t.Error(err)
		}
		_ = parseStatus(body)
		_, _ = parseHandle(reply{typ: fxpHandle, body: body})
	})
}

func TestLoginAttempts(t *testing.T) {
	srv := testsshd.Start(t, testsshd.Options{})
	rsa := srv.UserSigner
	_, f := newMemory(t)
	ed := f.signer
	tests := []struct {
		name string
		keys []ssh.Signer
		e    Endpoint
		want []string
		each []int // keys per attempt
	}{
		{"no RSA key", []ssh.Signer{ed}, Endpoint{AllowSSHRSA: true}, []string{"keys"}, []int{1}},
		{"RSA", []ssh.Signer{rsa}, Endpoint{}, []string{"rsa-sha2-512", "rsa-sha2-256"}, []int{1, 1}},
		{"both", []ssh.Signer{ed, rsa}, Endpoint{AllowSSHRSA: true}, []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"}, []int{2, 1, 1}},
		{"remembered", []ssh.Signer{rsa}, Endpoint{AllowSSHRSA: true, PreferLogin: "ssh-rsa"}, []string{"ssh-rsa", "rsa-sha2-512", "rsa-sha2-256"}, []int{1, 1, 1}},
		{"remembered, no longer allowed", []ssh.Signer{rsa}, Endpoint{PreferLogin: "ssh-rsa"}, []string{"rsa-sha2-512", "rsa-sha2-256"}, []int{1, 1}},
	}
	for _, tt := range tests {
		attempts := loginAttempts(tt.keys, tt.e)
		if len(attempts) != len(tt.want) {
			t.Errorf("%s: %d attempts", tt.name, len(attempts))
			continue
		}
		for i, r := range attempts {
			if r.name != tt.want[i] || len(r.keys) != tt.each[i] {
				t.Errorf("%s: attempt %d is %s with %d keys", tt.name, i, r.name, len(r.keys))
			}
		}
	}
	// The forced signer is for servers that do not announce their algorithms;
	// what it puts on the wire must be what any server expects.
	for _, algorithm := range []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} {
		var used login
		signers := loginAttempt{rsa: algorithm, keys: []ssh.Signer{rsa}}.signers(&used)
		forced := signers[len(signers)-1]
		c, err := ssh.Dial("tcp", endpointOf(t, srv).Address(), &ssh.ClientConfig{
			User: srv.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(forced)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		if used.algorithm != algorithm {
			t.Errorf("signed with %s", used.algorithm)
		}
		_ = c.Close()
		_ = c.Wait()
	}
}
