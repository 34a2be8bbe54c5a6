package reply

import (
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Errors of Open and of reading what it returns, for errors.Is. Each means that
// the file is better kept as it came.
var (
	// ErrArchive means a ZIP or gzip that is damaged, encrypted or compressed in
	// an unknown way.
	ErrArchive = errors.New("compressed file cannot be read")
	// ErrEntries means a ZIP with no entry or with several.
	ErrEntries = errors.New("compressed file does not hold exactly one file")
	// ErrEntryName means a ZIP entry that is no plain file with a plain name.
	ErrEntryName = errors.New("compressed file holds an unsafe name")
	// ErrBomb means content that is larger than the limits.
	ErrBomb = errors.New("compressed file is suspiciously large when opened")
)

// Container is how a received file is packed.
type Container uint8

// The containers.
const (
	Plain Container = iota
	Gzip
	Zip
)

func (c Container) String() string {
	switch c {
	case Gzip:
		return "gzip"
	case Zip:
		return "zip"
	}
	return "plain"
}

// Info describes an opened file.
type Info struct {
	Container Container
	// Entry is the name of the file inside, or empty: a plain base name, checked
	// to be safe on every system.
	Entry string
	// Packed and Unpacked are sizes in bytes; Unpacked is what the ZIP states,
	// and -1 where nothing is stated.
	Packed, Unpacked int64
}

// ArchiveLimits bound what comes out of a compressed file. A zero field stands
// for its default.
type ArchiveLimits struct {
	// MaxBytes is the size of the content. Default 2 GiB.
	MaxBytes int64
	// MaxRatio is how many times larger than the file the content may be, looked
	// at beyond the first 16 MiB. Default 500; deflate itself ends near 1030, and
	// notifications with thousands of like forms reach about 100.
	MaxRatio int64
}

const (
	ratioFrom = 16 << 20
	// directoryBudget is how much may be read to find the one entry of a ZIP: the
	// end record with its comment, and one directory header with the longest
	// fields. archive/zip would hold a directory of any length in memory.
	directoryBudget = 1 << 20
)

// Open opens a received file of the given size in bytes with the default
// limits. See ArchiveLimits.Open.
func Open(name string, r io.ReaderAt, size int64) (io.ReadCloser, Info, error) {
	return ArchiveLimits{}.Open(name, r, size)
}

// Open returns the content of a received file, FO or CO. What it is packed in is
// seen from its first bytes, not from its name, which serves for errors only: a
// ZIP, a gzip, or else the content itself. Closing the result does not close r.
//
// Damage and size show only while reading: Read then returns an error that
// matches ErrArchive or ErrBomb, and what came before it is not to be used.
func (l ArchiveLimits) Open(name string, r io.ReaderAt, size int64) (io.ReadCloser, Info, error) {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 2 << 30
	}
	if l.MaxRatio <= 0 {
		l.MaxRatio = 500
	}
	src := &source{r: r, left: -1}
	rc, info, err := l.open(src, size)
	if src.err != nil {
		err = src.err
	}
	if err != nil {
		return nil, info, fmt.Errorf("open %s: %w", name, err)
	}
	if info.Container == Plain {
		return rc, info, nil
	}
	return &limited{rc: rc, src: src, name: name, left: l.MaxBytes, size: size, ratio: l.MaxRatio}, info, nil
}

func (l ArchiveLimits) open(r *source, size int64) (io.ReadCloser, Info, error) {
	info := Info{Packed: size, Unpacked: -1}
	var magic [4]byte
	n, err := r.ReadAt(magic[:min(size, 4)], 0)
	if err != nil && err != io.EOF {
		return nil, info, err
	}
	switch m := string(magic[:n]); {
	case m == "PK\x03\x04", m == "PK\x05\x06":
		info.Container = Zip
		return l.openZip(r, size, info)
	case strings.HasPrefix(m, "\x1f\x8b"):
		info.Container = Gzip
		zr, err := gzip.NewReader(bufio.NewReader(io.NewSectionReader(r, 0, size)))
		if err != nil {
			return nil, info, fmt.Errorf("%w: %w", ErrArchive, err)
		}
		return zr, info, nil
	}
	info.Unpacked = size
	return io.NopCloser(io.NewSectionReader(r, 0, size)), info, nil
}

func (l ArchiveLimits) openZip(r *source, size int64, info Info) (io.ReadCloser, Info, error) {
	r.left = directoryBudget
	zr, err := zip.NewReader(r, size)
	switch {
	case errors.Is(err, errBudget):
		return nil, info, fmt.Errorf("%w: the list of files is too long", ErrEntries)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, info, fmt.Errorf("%w: %w", ErrArchive, err)
	case len(zr.File) != 1:
		return nil, info, fmt.Errorf("%w: it holds %d", ErrEntries, len(zr.File))
	}
	r.left = -1
	f := zr.File[0]
	if !f.Mode().IsRegular() || !safeEntry(f.Name) {
		return nil, info, ErrEntryName
	}
	if f.Flags&1 != 0 {
		return nil, info, fmt.Errorf("%w: encrypted", ErrArchive)
	}
	if f.UncompressedSize64 > uint64(l.MaxBytes) {
		return nil, info, fmt.Errorf("%w: over %d bytes", ErrBomb, l.MaxBytes)
	}
	info.Entry, info.Unpacked = f.Name, int64(f.UncompressedSize64)
	rc, err := f.Open()
	if err != nil {
		return nil, info, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	return rc, info, nil
}

// safeEntry accepts names that are a file name and nothing else, on Windows too.
func safeEntry(name string) bool {
	if name == "" || len(name) > 255 || !utf8.ValidString(name) || strings.HasPrefix(name, ".") ||
		strings.ContainsAny(name, `/\:*?"<>|`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return false
	}
	for _, c := range name {
		if c < 0x20 || c >= 0x7F && c < 0xA0 || c >= 0x200B && c <= 0x200F || c >= 0x2028 && c <= 0x202E ||
			c >= 0x2066 && c <= 0x2069 || c == 0xFEFF {
			return false
		}
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimRight(base, " "); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	if (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && utf8.RuneCountInString(base) == 4 {
		return false
	}
	return true
}

var (
	errBudget = errors.New("too much read")
	errOffset = errors.New("offset before the start")
)

// source remembers an error of the file itself, so that a failing disk is not
// taken for a damaged archive, and ends after left bytes unless left is negative.
type source struct {
	r    io.ReaderAt
	left int64
	err  error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	// A ZIP may point anywhere. That is the archive's fault, not the file's.
	if off < 0 {
		return 0, errOffset
	}
	if s.left >= 0 {
		if s.left -= int64(len(p)); s.left < 0 {
			s.left = 0
			return 0, errBudget
		}
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// limited ends a content that is larger than it may be, and gives the errors of
// the decompressors their type.
type limited struct {
	rc    io.ReadCloser
	src   *source
	name  string
	left  int64
	out   int64
	size  int64
	ratio int64
	err   error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.rc.Read(p)
	l.out += int64(n)
	l.left -= int64(n)
	switch {
	case l.left < 0:
		l.err = fmt.Errorf("read %s: %w: over %d bytes", l.name, ErrBomb, l.out+l.left)
		return 0, l.err
	case l.out > ratioFrom && l.out/l.ratio > l.size:
		l.err = fmt.Errorf("read %s: %w: more than %d times its size", l.name, ErrBomb, l.ratio)
		return 0, l.err
	case err == nil || err == io.EOF:
		l.err = err
		return n, err
	case l.src.err != nil:
		l.err = fmt.Errorf("read %s: %w", l.name, l.src.err)
		return n, l.err
	}
	l.err = fmt.Errorf("read %s: %w: %w", l.name, ErrArchive, err)
	return n, l.err
}

func (l *limited) Close() error { return l.rc.Close() }
