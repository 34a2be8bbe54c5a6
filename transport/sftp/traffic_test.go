package sftp

import (
	"fmt"
	"strings"
	"testing"
)

// Which files share a handle is told by what left and came, and in which order.
func TestTrafficFindsSharedHandles(t *testing.T) {
	for _, c := range []struct {
		name   string
		passes string // "open 1", "close 1" leave; "h 1" gives the handle, "refused 1", "closed 1" come
		shared string // the files
	}{
		{"one after the other", "open 1, h 1, close 1, closed 1, open 2, h 2", ""},
		{"opened behind the close", "open 1, h 1, close 1, open 2, closed 1, h 2", ""},
		{"opened behind the close, answered before", "open 1, h 1, close 1, open 2, h 2, closed 1", ""},
		{"both open", "open 1, h 1, open 2, h 2", "1 2"},
		{"both asked for at once", "open 1, open 2, h 1, h 2", "1 2"},
		{"closed after the other was asked for", "open 1, h 1, open 2, close 1, h 2, closed 1", "1 2"},
		{"closed before the other was given", "open 1, h 1, open 2, close 1, closed 1, h 2", ""},
		{"three", "open 1, open 2, open 3, h 1, h 2, h 3", "1 2 3"},
		{"the third when the first is gone", "open 1, open 2, h 1, h 2, close 1, closed 1, open 3, h 3", "1 2 3"},
		{"a refused one", "open 1, open 2, refused 1, h 2, open 3, refused 3", ""},
		{"a folder and a file", "opendir 1, h 1, open 2, h 2", "1 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			traffic := newTraffic()
			files := map[string]*opened{}
			ids := map[string]uint32{}
			id := uint32(0)
			leave := func(typ byte, arg, n string) {
				id++
				ids[n] = id
				p := newPacket(typ)
				p.uint32(id)
				p.string(arg)
				traffic.leaves(p.bytes())()
			}
			for _, step := range strings.Split(c.passes, ", ") {
				what, n, _ := strings.Cut(step, " ")
				switch what {
				case "open", "opendir":
					o, done, err := traffic.claim(t.Context(), n)
					if err != nil {
						t.Fatal(err)
					}
					files[n] = o
					typ := byte(fxpOpen)
					if what == "opendir" {
						typ = fxpOpendir
					}
					leave(typ, n, n)
					done()
				case "close":
					leave(fxpClose, "h", n)
				case "h":
					traffic.comes(fxpHandle, ids[n], []byte("h"))
				default:
					traffic.comes(fxpStatus, ids[n], nil)
				}
			}
			var shared []string
			for n := 1; n <= 3; n++ {
				if o := files[fmt.Sprint(n)]; o != nil && traffic.isShared(o) {
					shared = append(shared, fmt.Sprint(n))
				}
			}
			if got := strings.Join(shared, " "); got != c.shared {
				t.Errorf("shared: %q, want %q", got, c.shared)
			}
		})
	}
}

// Nothing is kept of what is over.
func TestTrafficForgets(t *testing.T) {
	m, f := newMemory(t)
	m.files["/OUT/x"] = []byte("x")
	s := f.dialed()
	for i := range 10 {
		if err := s.Put(t.Context(), fmt.Sprint("/IN/", i), strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), "/OUT/x", &strings.Builder{}, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), "/OUT/none", &strings.Builder{}, 1); err == nil {
			t.Fatal("there is nothing")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tr := s.traffic
	if n := len(tr.opening) + len(tr.closing) + len(tr.open) + len(tr.claims) + len(tr.awaited); n > 0 {
		t.Errorf("%d entries are left: %+v", n, tr)
	}
}
