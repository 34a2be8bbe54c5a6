package hostile

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Files is a file system in memory, served over SFTP.
type Files struct {
	// Hook gets every request first, those of several channels at once. true: it
	// has answered, or leaves the request unanswered.
	Hook func(r *Request) bool

	healed  atomic.Bool
	mu      sync.Mutex
	content map[string][]byte
	handles map[string]*handle
	last    int
	counts  map[byte]int
	taken   []string
	removed []string
}

type handle struct {
	path   string
	listed bool
}

// Request is one request of a client.
type Request struct {
	Type    byte
	Path    string // also where the request has a handle only
	Offset  uint64
	Length  uint32
	Data    []byte
	Channel ssh.Channel
	K       int // number of the channel on its connection
	N       int // number among the requests of its type

	files  *Files
	id     uint32
	handle string
	flags  uint32 // of an open
}

// Heal lets the server be honest from now on: the hook is not asked any more.
func (f *Files) Heal() { f.healed.Store(true) }

// Put gives the server a file.
func (f *Files) Put(name string, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.content == nil {
		f.content = map[string][]byte{}
	}
	f.content[name] = slices.Clone(content)
}

// Get gives a file of the server.
func (f *Files) Get(name string) (content []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, ok = f.content[name]
	return slices.Clone(content), ok
}

// Names are the paths of all files.
func (f *Files) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.content))
}

// Taken are the paths of files that were written and whose close was confirmed.
func (f *Files) Taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
}

// Removed are the paths that a client asked to remove.
func (f *Files) Removed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.removed)
}

// Count is how many requests of a type came.
func (f *Files) Count(typ byte) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[typ]
}

// Serve serves one channel; see Server.SFTP.
func (f *Files) Serve(k int, c ssh.Channel) {
	for {
		typ, body, err := readPacket(c)
		if err != nil {
			return
		}
		r := f.request(typ, body)
		r.K, r.Channel = k, c
		if f.Hook == nil || f.healed.Load() || !f.Hook(r) {
			r.Honest()
		}
	}
}

func (f *Files) request(typ byte, body []byte) *Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[byte]int{}
	}
	f.counts[typ]++
	r := &Request{Type: typ, N: f.counts[typ], files: f}
	if typ == Init {
		return r
	}
	t := take{body}
	r.id = t.uint32()
	switch typ {
	case CloseReq, Read, Write, Fstat, Readdir:
		r.handle = t.string()
		if h := f.handles[r.handle]; h != nil {
			r.Path = h.path
		}
	default:
		r.Path = t.string()
	}
	switch typ {
	case Read:
		r.Offset, r.Length = t.uint64(), t.uint32()
	case Write:
		r.Offset = t.uint64()
		r.Data = []byte(t.string())
	case Open:
		r.flags = t.uint32()
	case Remove:
		f.removed = append(f.removed, r.Path)
	}
	return r
}

// Raw sends bytes as they are.
func (r *Request) Raw(b []byte) { _, _ = r.Channel.Write(b) }

// Reply answers with a packet; the request id is put in front of the fields.
func (r *Request) Reply(typ byte, fields ...any) {
	r.Raw(Packet(typ, append([]any{r.id}, fields...)...))
}

// Status answers with a status.
func (r *Request) Status(code int, text string) { r.Reply(Status, code, text, "") }

// Name is an entry of a listing.
type Name struct {
	Name string
	Size int64  // below 0: not told
	Mode uint32 // 0: an ordinary file
}

func (n Name) fields() []byte {
	mode := n.Mode
	if mode == 0 {
		mode = 0o100600
	}
	if n.Size < 0 {
		return Fields(n.Name, "", 4, mode)
	}
	return Fields(n.Name, "", 1|4, uint64(n.Size), mode)
}

// Names answers with entries of a listing.
func (r *Request) Names(names ...Name) {
	fields := []any{len(names)}
	for _, n := range names {
		fields = append(fields, n.fields())
	}
	r.Reply(Names, fields...)
}

// List answers a whole listing: entries first, then its end. Every channel has
// one directory open at a time.
func (r *Request) List(names ...Name) {
	r.files.mu.Lock()
	h := r.files.handles[r.handle]
	end := h == nil || h.listed
	if h != nil {
		h.listed = true
	}
	r.files.mu.Unlock()
	if end {
		r.Status(EOF, "")
		return
	}
	r.Names(names...)
}

// Honest answers as an honest server does.
func (r *Request) Honest() {
	f := r.files
	switch r.Type {
	case Init:
		r.Raw(Packet(Version, 3))
	case Open, Opendir:
		r.open()
	case CloseReq:
		f.mu.Lock()
		if strings.HasPrefix(r.handle, "w") {
			f.taken = append(f.taken, r.Path)
		}
		f.mu.Unlock()
		r.Status(OK, "")
	case Read:
		content, _ := f.Get(r.Path)
		if r.Offset >= uint64(len(content)) {
			r.Status(EOF, "")
			return
		}
		r.Reply(Data, string(content[r.Offset:min(r.Offset+uint64(r.Length), uint64(len(content)))]))
	case Write:
		r.write()
		r.Status(OK, "")
	case Fstat, Stat, Lstat:
		content, ok := f.Get(r.Path)
		if !ok {
			r.Status(NoSuchFile, "")
			return
		}
		r.Reply(Attrs, 1|4, uint64(len(content)), 0o100600)
	case Readdir:
		r.List(r.entries()...)
	case Remove:
		f.mu.Lock()
		delete(f.content, r.Path)
		f.mu.Unlock()
		r.Status(OK, "")
	default:
		r.Status(OpUnsupp, "")
	}
}

func (r *Request) open() {
	const forWriting = 2
	f := r.files
	f.mu.Lock()
	_, there := f.content[r.Path]
	kind := "r"
	switch {
	case r.Type == Opendir:
		kind = "d"
	case r.flags&forWriting != 0:
		kind = "w"
		if f.content == nil {
			f.content = map[string][]byte{}
		}
		f.content[r.Path] = nil
	case !there:
		f.mu.Unlock()
		r.Status(NoSuchFile, "")
		return
	}
	f.last++
	name := fmt.Sprintf("%s%d", kind, f.last)
	if f.handles == nil {
		f.handles = map[string]*handle{}
	}
	f.handles[name] = &handle{path: r.Path}
	f.mu.Unlock()
	r.Reply(Handle, name)
}

func (r *Request) write() {
	f := r.files
	f.mu.Lock()
	defer f.mu.Unlock()
	content := f.content[r.Path]
	if end := int(r.Offset) + len(r.Data); end > len(content) { //nolint:gosec // a test writes small files
		content = append(content, bytes.Repeat([]byte{0}, end-len(content))...)
	}
	copy(content[r.Offset:], r.Data)
	f.content[r.Path] = content
}

func (r *Request) entries() []Name {
	f := r.files
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []Name
	for p, content := range f.content {
		if path.Dir(p) == path.Clean(r.Path) {
			names = append(names, Name{Name: path.Base(p), Size: int64(len(content))})
		}
	}
	slices.SortFunc(names, func(a, b Name) int { return strings.Compare(a.Name, b.Name) })
	return names
}

// Quietly does what an honest server does, and answers nothing.
func (r *Request) Quietly() {
	quiet := *r
	quiet.Channel = mute{r.Channel}
	quiet.Honest()
}

// mute is a channel on which nothing is said.
type mute struct{ ssh.Channel }

func (mute) Write(p []byte) (int, error) { return len(p), nil }
