package sandbox

import (
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pkg/sftp"

	"github.com/socbatch/socbatch/naming"
)

// session answers the requests of one connection.
type session struct {
	srv  *Server
	conn int
}

func (ss *session) handlers() sftp.Handlers {
	return sftp.Handlers{FileGet: ss, FilePut: ss, FileCmd: ss, FileList: ss}
}

// resolve takes a client's path apart: "/" has no folder, "/IN" no name. There
// is nothing else: no deeper path, no other folder.
func resolve(p string) (folder, name string, err error) {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "", "", nil
	}
	folder, name, _ = strings.Cut(p, "/")
	if !slices.Contains(folders, folder) || strings.ContainsAny(name, "/\\\x00") {
		return "", "", fs.ErrNotExist
	}
	return folder, name, nil
}

func isInbox(folder string) bool { return strings.HasPrefix(folder, "IN") }

// Fileread opens a file for reading.
func (ss *session) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	folder, name, err := resolve(r.Filepath)
	if err != nil || name == "" {
		return nil, fs.ErrNotExist
	}
	if err := ss.srv.forbidden(ss.conn, folder, name, "read"); err != nil {
		return nil, err
	}
	f, err := ss.srv.root.Open(folder + "/" + name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errDenied
	}
	return &download{File: f, ss: ss, folder: folder, name: name, size: info.Size()}, nil
}

// download reports to the journal when its file was read to the end.
type download struct {
	*os.File
	ss           *session
	folder, name string
	size         int64

	mu      sync.Mutex
	read    int64
	fetched bool
}

func (d *download) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.File.ReadAt(p, off)
	d.mu.Lock()
	d.read += int64(n)
	first := !d.fetched && d.read >= d.size && (err == nil || err == io.EOF)
	d.fetched = d.fetched || first
	d.mu.Unlock()
	if first && !isInbox(d.folder) {
		d.ss.srv.journal.add(Event{Kind: ReplyFetched, Conn: d.ss.conn, Folder: d.folder, Name: d.name, Size: size(d.size)})
	}
	return n, err
}

// Filewrite opens or creates a file in a folder IN….
func (ss *session) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	folder, name, err := resolve(r.Filepath)
	switch {
	case err != nil:
		return nil, err
	case !isInbox(folder) || name == "":
		return nil, errDenied
	}
	s := ss.srv
	if err := s.forbidden(ss.conn, folder, name, "write"); err != nil {
		return nil, err
	}
	if strikes(s.faults().RefuseWrite, name) {
		return nil, s.strike(ss.conn, folder, name, "write refused", errDenied)
	}
	want, flags := r.Pflags(), os.O_WRONLY
	if want.Creat {
		flags |= os.O_CREATE
	}
	if want.Trunc {
		flags |= os.O_TRUNC
	}
	if want.Excl {
		flags |= os.O_EXCL
	}
	f, err := s.root.OpenFile(folder+"/"+name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	s.arrived(ss.conn, folder, name)
	return &upload{ss: ss, file: f, folder: folder, name: name}, nil
}

// upload is a file being written.
type upload struct {
	ss           *session
	file         *os.File
	folder, name string
	broken       bool
}

func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	s := u.ss.srv
	f := s.faults()
	if f.full(off + int64(len(p))) {
		return 0, s.strike(u.ss.conn, u.folder, u.name, "no space", errNoSpace)
	}
	if n, err := u.file.WriteAt(p[:f.storable(off, len(p))], off); err != nil {
		return n, err
	}
	return len(p), nil
}

// TransferError is called before Close when the connection ended.
func (u *upload) TransferError(error) { u.broken = true }

// Close is called at the client's CLOSE, or when the connection ended.
func (u *upload) Close() error {
	s := u.ss.srv
	info, err := u.file.Stat()
	if cerr := u.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if !u.broken && strikes(s.faults().RefuseClose, u.name) {
		err = s.strike(u.ss.conn, u.folder, u.name, "close refused", errQuota)
	}
	s.uploaded(u.ss.conn, u.folder, u.name, info.Size(), u.broken)
	return err
}

// Filecmd deletes files; everything else a strict server refuses.
func (ss *session) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Remove":
	case "Link", "Symlink":
		return errUnsupported
	default: // Setstat, Rename, Mkdir, Rmdir
		return errDenied
	}
	folder, name, err := resolve(r.Filepath)
	if err != nil {
		return err
	}
	if name == "" {
		return errDenied
	}
	if err := ss.srv.forbidden(ss.conn, folder, name, "delete"); err != nil {
		return err
	}
	if err := ss.srv.root.Remove(folder + "/" + name); err != nil {
		return err
	}
	if isInbox(folder) {
		ss.srv.removed(folder, name)
		ss.srv.journal.add(Event{Kind: Removed, Conn: ss.conn, Folder: folder, Name: name})
	} else {
		ss.srv.journal.add(Event{Kind: ReplyDeleted, Conn: ss.conn, Folder: folder, Name: name})
	}
	return nil
}

// Filelist answers LIST and STAT.
func (ss *session) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	folder, name, err := resolve(r.Filepath)
	if err != nil {
		return nil, err
	}
	on := path.Join(folder, name)
	if on == "" {
		on = "."
	}
	switch r.Method {
	case "List":
		if err := ss.srv.forbidden(ss.conn, folder, "", "list"); err != nil {
			return nil, err
		}
		if folder == "" {
			return ss.top()
		}
		if name != "" {
			if _, err := ss.srv.root.Lstat(on); err != nil {
				return nil, err
			}
			return nil, errDenied
		}
		dir, err := ss.srv.root.Open(on)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		entries, err := dir.ReadDir(-1)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		return &listing{srv: ss.srv, folder: folder, entries: entries}, nil
	case "Stat", "Lstat":
		if name != "" {
			if err := ss.srv.forbidden(ss.conn, folder, name, "stat"); err != nil {
				return nil, err
			}
		}
		info, err := ss.srv.root.Lstat(on)
		if err != nil {
			return nil, err
		}
		return &listing{ready: []fs.FileInfo{info}}, nil
	}
	return nil, errUnsupported
}

func (ss *session) top() (sftp.ListerAt, error) {
	var found []fs.FileInfo
	for _, folder := range folders {
		info, err := ss.srv.root.Stat(folder)
		if err != nil {
			return nil, err
		}
		found = append(found, info)
	}
	return &listing{ready: found}, nil
}

// listing is what one LIST or STAT answers, in one order. Attributes are looked
// up when an entry is sent; an entry that is gone by then is left out.
type listing struct {
	srv     *Server
	folder  string
	entries []fs.DirEntry
	ready   []fs.FileInfo
}

func (l *listing) ListAt(to []fs.FileInfo, offset int64) (int, error) {
	for int64(len(l.ready)) < offset+int64(len(to)) && len(l.entries) > 0 {
		if info, err := l.entries[0].Info(); err == nil {
			l.ready = append(l.ready, info)
		}
		l.entries = l.entries[1:]
	}
	if offset >= int64(len(l.ready)) {
		return 0, io.EOF
	}
	n := copy(to, l.ready[offset:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// Close is called when the client closes a directory.
func (l *listing) Close() error {
	if l.folder != "" && !isInbox(l.folder) {
		l.srv.growReplies(l.folder)
	}
	return nil
}

// folders are what a client sees below its login directory.
var folders = func() []string {
	var f []string
	for _, e := range naming.Environments() {
		f = append(f, e.Inbox(), e.Outbox())
	}
	slices.Sort(f)
	return f
}()
