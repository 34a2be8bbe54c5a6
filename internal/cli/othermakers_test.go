package cli

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/examples"
	"github.com/socbatch/socbatch/internal/testpeers"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// client makes a client of a server that is no stand-in.
func client(t *testing.T, s *testpeers.Server) *stand {
	t.Helper()
	kit, err := sharedKit()
	if err != nil {
		t.Fatal(err)
	}
	st := &stand{dir: t.TempDir(), t: t}
	st.config = filepath.Join(st.dir, "socbatch.toml")
	if err := os.CopyFS(st.dir, os.DirFS(kit)); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`sender = %q
environment = "T"
state_dir = "state"
[endpoint]
host = %q
port = %d
user = %q
key = %q
known_hosts = [%q]
[identity]
p12 = "signer.p12"
password_file = "signer.password"
issuers = ["Test CA of *"]
[declaration]
settle = "0s"
[replies]
archive = "replies"
`, sandboxSender, s.Host, s.Port, s.User, s.UserKey, s.KnownHosts)
	if err := os.WriteFile(st.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signer.p12", "signer.password"} {
		if err := os.Chmod(filepath.Join(st.dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range naming.Environments() {
		for _, folder := range []string{env.Inbox(), env.Outbox()} {
			if err := os.Mkdir(filepath.Join(s.Dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return st
}

// manyDeclarations writes one declaration of about each size into a directory, every
// one with other contents, and gives the hashes.
func manyDeclarations(t *testing.T, dir string, sizes []int) map[[sha256.Size]byte]bool {
	t.Helper()
	example, err := examples.Declarations.ReadFile("declarations/dimona-in.xml")
	if err != nil {
		t.Fatal(err)
	}
	root := bytes.Index(example, []byte("\n<")) + 1 // behind the XML declaration
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	hashes := map[[sha256.Size]byte]bool{}
	for i, size := range sizes {
		random := rand.New(rand.NewPCG(uint64(i), uint64(size)))
		var b bytes.Buffer
		b.Write(example[:root])
		fmt.Fprintf(&b, "<!-- number %d -->\n", i)
		for b.Len() < size {
			fmt.Fprintf(&b, "<!-- %x -->\n", random.Uint64())
		}
		b.Write(example[root:])
		hashes[sha256.Sum256(b.Bytes())] = true
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("declaration-%03d.xml", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return hashes
}

// What is sent to a server of another maker is there byte for byte, with a
// signature that fits, and a GO for each.
func TestSubmitToOtherMakers(t *testing.T) {
	t.Parallel()
	small := func(n int) []int { return make([]int, n) }
	for _, maker := range testpeers.Makers {
		for name, sizes := range map[string][]int{
			"twelve small, one of 3 MB, one of 40 MB": append(small(12), 3_000_000, 40_000_000),
			"300 small":     small(300),
			"around limits": {32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 300_000, 300_001, 300_002, 300_003},
		} {
			t.Run(maker.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				server := maker.Start(t)
				st := client(t, server)
				want := manyDeclarations(t, filepath.Join(st.dir, "outgoing"), sizes)
				code, out := runClient(t, st, "submit", filepath.Join(st.dir, "outgoing"), "--env", "R")
				if code != 0 {
					t.Fatalf("code %d: %s", code, out)
				}
				inbox := filepath.Join(server.Dir, naming.Production.Inbox())
				entries, err := os.ReadDir(inbox)
				if err != nil {
					t.Fatal(err)
				}
				gos := 0
				for _, e := range entries {
					switch {
					case strings.HasPrefix(e.Name(), "GO."):
						gos++
					case strings.HasPrefix(e.Name(), "FI."):
						b, err := os.ReadFile(filepath.Join(inbox, e.Name()))
						if err != nil {
							t.Fatal(err)
						}
						sum := sha256.Sum256(b)
						if !want[sum] {
							t.Errorf("%s holds other bytes than any declaration", e.Name())
						}
						delete(want, sum)
						fs, err := os.ReadFile(filepath.Join(inbox, "FS."+strings.TrimPrefix(e.Name(), "FI.")))
						if err != nil {
							t.Fatal(err)
						}
						if _, err := sign.Verify(bytes.NewReader(b), fs, sign.VerifyOptions{SkipChain: true}); err != nil {
							t.Errorf("%s: %v", e.Name(), err)
						}
					}
				}
				if len(want) > 0 || gos != len(sizes) {
					t.Errorf("%d declarations are not there, %d GO for %d", len(want), gos, len(sizes))
				}
			})
		}
	}
}

// Replies are stored byte for byte before they are deleted.
func TestFetchFromOtherMakers(t *testing.T) {
	t.Parallel()
	for _, maker := range testpeers.Makers {
		t.Run(maker.Name, func(t *testing.T) {
			t.Parallel()
			server := maker.Start(t)
			st := client(t, server)
			outbox := filepath.Join(server.Dir, naming.Test.Outbox())
			want := map[string][]byte{}
			for i := range 12 {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				var b bytes.Buffer
				b.WriteString("<ACRF>")
				for b.Len() < i*i*i*400 {
					fmt.Fprintf(&b, "<!-- %x -->\n", random.Uint64())
				}
				b.WriteString("</ACRF>")
				tail := fmt.Sprintf("ACRF.%s.%s.%05d.T", sandboxSender, time.Now().In(naming.Brussels()).Format("20060102"), i+1)
				want["FO."+tail] = b.Bytes()
				for name, contents := range map[string][]byte{"FO." + tail: b.Bytes(), "GO." + tail: nil} {
					if err := os.WriteFile(filepath.Join(outbox, name), contents, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, out := runClient(t, st, "fetch", "--env", "T")
			if left, err := os.ReadDir(outbox); err != nil || len(left) > 0 {
				t.Errorf("%d files are left, %v\n%s", len(left), err, out)
			}
			for name, contents := range want {
				stored, err := filepath.Glob(filepath.Join(st.dir, "replies", "T", "*", name))
				if err != nil || len(stored) != 1 {
					t.Errorf("%s: %v, %v\n%s", name, stored, err, out)
					continue
				}
				if b, err := os.ReadFile(stored[0]); err != nil || !bytes.Equal(b, contents) {
					t.Errorf("%s has other bytes (%d of %d), %v", name, len(b), len(contents), err)
				}
			}
		})
	}
}
