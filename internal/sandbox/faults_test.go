package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/naming"
)

func faulty(t *testing.T, f Faults) *Server {
	return start(t, func(c *Config) { c.Scenario.Faults = f })
}

func TestCut(t *testing.T) {
	content := strings.Repeat("x", 600)
	const fi = "INTEST/FI.DIMN.101380.20261125.00001.T.1.1"
	for _, each := range []bool{false, true} {
		t.Run(fmt.Sprintf("each=%t", each), func(t *testing.T) {
			s := faulty(t, Faults{CutAfterBytes: 1000, CutEach: each})
			c := connect(t, s)
			mustPut(t, c, fi, content)
			if err := put(c, fi, content); err == nil {
				t.Fatal("the connection was not cut")
			}
			wait(t, s, func(n map[EventKind]int) bool { return n[Disconnected] == 1 && n[Put] == 2 })
			events := s.Journal()
			i := slices.IndexFunc(events, func(e Event) bool { return e.Kind == Put && e.Broken })
			if i < 0 || *events[i].Size != 0 { // the second upload had truncated the file
				t.Errorf("events %+v", events)
			}
			c = connect(t, s)
			mustPut(t, c, fi, content)
			if err := put(c, fi, content); (err != nil) != each {
				t.Errorf("on the second connection: %v", err)
			}
		})
	}
}

func TestRefusedWrites(t *testing.T) {
	content := strings.Repeat("x", 100)
	const fi, other = "INTEST/FI.DIMN.101380.20261125.00001.T.1.1", "INTEST/FI.DIMN.101380.20261125.00002.T.1.1"
	t.Run("open", func(t *testing.T) {
		c := connect(t, faulty(t, Faults{RefuseWrite: "*.00001.*"}))
		if err := put(c, fi, content); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
		mustPut(t, c, other, content)
	})
	t.Run("close", func(t *testing.T) {
		c := connect(t, faulty(t, Faults{RefuseClose: "*.00001.*"}))
		if err := put(c, fi, content); err == nil || !strings.Contains(err.Error(), "quota") {
			t.Errorf("error %v", err)
		}
		mustPut(t, c, other, content)
	})
	t.Run("no space", func(t *testing.T) {
		c := connect(t, faulty(t, Faults{NoSpace: true, NoSpaceAfter: 50}))
		if err := put(c, fi, content); err == nil || !strings.Contains(err.Error(), "no space") {
			t.Errorf("error %v", err)
		}
		mustPut(t, c, other, content[:50])
	})
	t.Run("stores less", func(t *testing.T) {
		c := connect(t, faulty(t, Faults{StoreAtMost: 60}))
		f, err := c.Create(fi)
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk([]byte(content), 40) {
			if n, err := f.Write(part); err != nil || n != len(part) {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		if info, err := f.Stat(); err != nil || info.Size() != 60 {
			t.Errorf("fstat gives %v, %v", info, err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestForbidden(t *testing.T) {
	all := []string{"stat", "list", "delete", "read", "write"}
	const in, out = "INTEST/FI.DIMN.101380.20261125.00009.T.1.1", "OUTTEST/" + foACRF
	for _, action := range all {
		for _, inbox := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s inbox=%t", action, inbox), func(t *testing.T) {
				s := start(t, nil)
				c := connect(t, s)
				send(t, c, set("DIMN", "00001", naming.Test, 1), nil, dimona(1))
				s.Flush()
				mustPut(t, c, in, "x")
				f := Faults{ForbidOut: []string{action}}
				if inbox {
					f = Faults{ForbidIn: []string{action}}
				}
				if err := s.SetScenario(Scenario{Faults: f}); err != nil {
					t.Fatal(err)
				}
				try := func(path string) map[string]error {
					folder, _, _ := strings.Cut(path, "/")
					r := map[string]error{}
					_, r["stat"] = c.Stat(path)
					_, r["list"] = c.ReadDir(folder)
					var file interface{ Close() error }
					if file, r["read"] = c.Open(path); r["read"] == nil {
						file.Close()
					}
					r["write"] = put(c, path, "x")
					r["delete"] = c.Remove(path)
					return r
				}
				for path, here := range map[string]bool{in: inbox, out: !inbox} {
					for a, err := range try(path) {
						want := a == action && here || a == "write" && path == out
						if errors.Is(err, os.ErrPermission) != want || (err != nil) != want {
							t.Errorf("%s of %s: %v", a, path, err)
						}
					}
				}
			})
		}
	}
}

func TestVanish(t *testing.T) {
	s := faulty(t, Faults{Vanish: true})
	if err := s.SetScenario(Scenario{Rules: []Rule{{Process: "manual"}}, Faults: Faults{Vanish: true}}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s)
	s1 := set("DIMN", "00001", naming.Test, 1)
	mustPut(t, c, "INTEST/"+s1.FI(1).String(), dimona(1))
	if _, err := c.Stat("INTEST/" + s1.FI(1).String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of the FI: %v", err)
	}
	mustPut(t, c, "INTEST/"+s1.GO().String(), "")
	if _, err := c.Stat("INTEST/" + s1.GO().String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of the GO: %v", err)
	}
	s.Flush()
	if p := s.Processed(); len(p) != 1 || p[0].Outcome != Accepted {
		t.Errorf("processed %+v", p)
	}
}

func TestHalfWrittenReplies(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Scenario = Scenario{Rules: []Rule{{Notification: "none"}}, Faults: Faults{HalfWrittenReplies: true}}
	})
	c := connect(t, s)
	send(t, c, set("DIMN", "00001", naming.Test, 1), nil, dimona(1))
	s.Flush()
	look := func() (names []string, foSize int64) {
		list, err := c.ReadDir("OUTTEST")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			names = append(names, i.Name())
			if kindOf(i.Name()) == naming.FO {
				foSize = i.Size()
			}
		}
		return names, foSize
	}
	tail := foACRF[2:]
	first, half := look()
	second, whole := look()
	third, _ := look()
	if !slices.Equal(first, []string{"FO" + tail}) || !slices.Equal(second, []string{"FO" + tail, "GO" + tail}) ||
		!slices.Equal(third, []string{"FO" + tail, "FS" + tail, "GO" + tail}) || half >= whole {
		t.Errorf("listings %q (%d bytes), %q (%d bytes), %q", first, half, second, whole, third)
	}
	if n := kinds(s.Journal())[Replied]; n != 1 {
		t.Errorf("%d replies in the journal", n)
	}
}

func TestSlow(t *testing.T) {
	const delay = 30 * time.Millisecond
	s := start(t, nil)
	c := connect(t, s)
	if err := s.SetScenario(Scenario{Faults: Faults{Slow: Duration(delay)}}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := c.Stat("OUT"); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < delay {
		t.Errorf("answer after %v", d)
	}
	// Requests in flight together wait together: in a row these would take 64 delays.
	begin = time.Now()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := c.Stat("OUT"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(begin); d > 32*delay {
		t.Errorf("64 requests at once took %v", d)
	}
}

func TestSetScenarioChecks(t *testing.T) {
	s := start(t, nil)
	if err := s.SetScenario(Scenario{Rules: []Rule{{Process: "soon"}}}); err == nil {
		t.Error("a scenario that does not hold was taken")
	}
}
