package reply

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
)

type entry struct{ name, content string }

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.name, "/") {
			if _, err := io.WriteString(f, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(content string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, content)
	w.Close()
	return b.Bytes()
}

func openAll(l ArchiveLimits, b []byte) (string, Info, error) {
	rc, info, err := l.Open("CO.NOTI.999999.20260302.00001.T", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return "", info, err
	}
	defer rc.Close()
	out, err := io.ReadAll(rc)
	return string(out), info, err
}

func TestOpen(t *testing.T) {
	content := strings.Repeat("<ACRF/>", 100)
	z, g := zipOf(t, entry{"FO.NOTI.999999.20260302.00001.T", content}), gzipOf(content)
	for _, c := range []struct {
		name string
		in   []byte
		want string
		info Info
	}{
		{"plain", []byte(content), content, Info{Plain, "", 700, 700}},
		{"empty", nil, "", Info{Plain, "", 0, 0}},
		{"three bytes", []byte("abc"), "abc", Info{Plain, "", 3, 3}},
		{"gzip", g, content, Info{Gzip, "", int64(len(g)), -1}},
		{"two gzip members", append(bytes.Clone(g), g...), content + content, Info{Gzip, "", int64(2 * len(g)), -1}},
		{"zip", z, content, Info{Zip, "FO.NOTI.999999.20260302.00001.T", int64(len(z)), 700}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, info, err := openAll(ArchiveLimits{}, c.in)
			if err != nil || got != c.want || info != c.info {
				t.Errorf("got %d bytes, %+v, %v", len(got), info, err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	one := zipOf(t, entry{"a.xml", strings.Repeat("content", 50)})
	encrypted := bytes.Clone(one)
	encrypted[bytes.Index(encrypted, []byte("PK\x01\x02"))+8] |= 1
	method := bytes.Clone(one)
	method[bytes.Index(method, []byte("PK\x01\x02"))+10] = 99
	damaged := bytes.Clone(one)
	damaged[40] ^= 0xFF
	crc := bytes.Clone(one)
	crc[bytes.Index(crc, []byte("PK\x01\x02"))+16] ^= 0xFF
	crc[bytes.Index(crc, []byte("PK\x07\x08"))+4] ^= 0xFF
	link := zipWithMode(t, os.ModeSymlink|0o777)
	gz := gzipOf("content of some length, to be cut")
	zeros := strings.Repeat("\x00", 1000)
	lie := zipThatLies(strings.Repeat("\x00", 100_000), 10)

	for _, c := range []struct {
		name string
		l    ArchiveLimits
		in   []byte
		err  error
	}{
		{"no entry", ArchiveLimits{}, zipOf(t), ErrEntries},
		{"two entries", ArchiveLimits{}, zipOf(t, entry{"a", "1"}, entry{"b", "2"}), ErrEntries},
		{"entry and directory", ArchiveLimits{}, zipOf(t, entry{"d/", ""}, entry{"d/a", "1"}), ErrEntries},
		{"directory", ArchiveLimits{}, zipOf(t, entry{"d/", ""}), ErrEntryName},
		{"parent", ArchiveLimits{}, zipOf(t, entry{"../a", "1"}), ErrEntryName},
		{"absolute", ArchiveLimits{}, zipOf(t, entry{"/etc/passwd", "1"}), ErrEntryName},
		{"backslash", ArchiveLimits{}, zipOf(t, entry{`..\a`, "1"}), ErrEntryName},
		{"drive", ArchiveLimits{}, zipOf(t, entry{"C:a", "1"}), ErrEntryName},
		{"device", ArchiveLimits{}, zipOf(t, entry{"NUL.xml", "1"}), ErrEntryName},
		{"device number", ArchiveLimits{}, zipOf(t, entry{"com1", "1"}), ErrEntryName},
		{"hidden", ArchiveLimits{}, zipOf(t, entry{".bashrc", "1"}), ErrEntryName},
		{"no name", ArchiveLimits{}, zipOf(t, entry{"", "1"}), ErrEntryName},
		{"line feed", ArchiveLimits{}, zipOf(t, entry{"a\nb", "1"}), ErrEntryName},
		{"escape", ArchiveLimits{}, zipOf(t, entry{"a\x1b[2J", "1"}), ErrEntryName},
		{"turned writing", ArchiveLimits{}, zipOf(t, entry{"a\u202elmx", "1"}), ErrEntryName},
		{"long name", ArchiveLimits{}, zipOf(t, entry{strings.Repeat("a", 256), "1"}), ErrEntryName},
		{"symbolic link", ArchiveLimits{}, link, ErrEntryName},
		{"encrypted", ArchiveLimits{}, encrypted, ErrArchive},
		{"unknown method", ArchiveLimits{}, method, ErrArchive},
		{"damaged", ArchiveLimits{}, damaged, ErrArchive},
		{"wrong checksum", ArchiveLimits{}, crc, ErrArchive},
		{"cut zip", ArchiveLimits{}, one[:len(one)-10], ErrArchive},
		{"only a local header", ArchiveLimits{}, []byte("PK\x03\x04"), ErrArchive},
		{"cut gzip", ArchiveLimits{}, gz[:len(gz)-6], ErrArchive},
		{"only a gzip header", ArchiveLimits{}, gz[:5], ErrArchive},
		{"zip over the size", ArchiveLimits{MaxBytes: 999}, zipOf(t, entry{"a", zeros}), ErrBomb},
		{"gzip over the size", ArchiveLimits{MaxBytes: 999}, gzipOf(zeros), ErrBomb},
		{"ratio", ArchiveLimits{MaxRatio: 100}, gzipOf(strings.Repeat("\x00", ratioFrom+1<<20)), ErrBomb},
		{"more than the zip says", ArchiveLimits{MaxBytes: 1000}, lie, ErrArchive},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _, err := openAll(c.l, c.in)
			if !errors.Is(err, c.err) {
				t.Errorf("got %d bytes, %v; want %v", len(out), err, c.err)
			}
			if c.l.MaxBytes > 0 && int64(len(out)) > c.l.MaxBytes {
				t.Errorf("%d bytes came out", len(out))
			}
		})
	}
	if out, _, err := openAll(ArchiveLimits{MaxBytes: 1000}, gzipOf(zeros)); err != nil || len(out) != 1000 {
		t.Errorf("exactly the limit: %d bytes, %v", len(out), err)
	}
}

func zipWithMode(t *testing.T, mode os.FileMode) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "a"}
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "/etc/passwd")
	w.Close()
	return b.Bytes()
}

// zipThatLies stores content under a header that gives another size.
func zipThatLies(content string, size uint32) []byte {
	b := new(bytes.Buffer)
	w := zip.NewWriter(b)
	g := gzipOf(content)
	deflated := g[10 : len(g)-8]
	f, _ := w.CreateRaw(&zip.FileHeader{
		Name: "a", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(content)),
		CompressedSize64: uint64(len(deflated)), UncompressedSize64: uint64(size),
	})
	f.Write(deflated)
	w.Close()
	return b.Bytes()
}

// A directory of a million entries would be held in memory by archive/zip.
func TestOpenLongDirectory(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("PK\x03\x04")
	start := b.Len()
	header := make([]byte, 46+1)
	copy(header, "PK\x01\x02")
	header[28] = 1
	header[46] = 'a'
	for range 200_000 {
		b.Write(header)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], 1)
	binary.LittleEndian.PutUint16(end[10:], 1)
	binary.LittleEndian.PutUint32(end[12:], uint32(b.Len()-start))
	binary.LittleEndian.PutUint32(end[16:], uint32(start))
	b.Write(end)
	if _, _, err := openAll(ArchiveLimits{}, b.Bytes()); !errors.Is(err, ErrEntries) {
		t.Errorf("got %v", err)
	}
}

type brokenFile struct {
	b   []byte
	end int64
	err error
}

func (f brokenFile) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.end {
		return 0, f.err
	}
	return copy(p, f.b[off:]), nil
}

func TestOpenPassesOnFileErrors(t *testing.T) {
	broken := errors.New("broken")
	_, _, err := Open("x", brokenFile{zipOf(t, entry{"a", "1"}), 4, broken}, 100)
	if !errors.Is(err, broken) || errors.Is(err, ErrArchive) {
		t.Errorf("zip: %v", err)
	}
	var noise strings.Builder
	for i := range 100_000 {
		noise.WriteString(string(rune(i*7919%0xD000 + 32)))
	}
	g := gzipOf(noise.String())
	rc, _, err := Open("x", brokenFile{g, 8192, broken}, int64(len(g)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, broken) || errors.Is(err, ErrArchive) {
		t.Errorf("gzip: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("<ACRF/>"))
	f.Add(zipOf(f, entry{"a.xml", "<ACRF/>"}))
	f.Add(zipOf(f, entry{"a", "1"}, entry{"../b", "2"}))
	f.Add(zipOf(f))
	f.Add(gzipOf("<ACRF/>"))
	f.Add(append(gzipOf("<ACRF/>"), "rest"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		const maxBytes = 1 << 20
		out, info, err := openAll(ArchiveLimits{MaxBytes: maxBytes}, b)
		if info.Container != Plain && len(out) > maxBytes {
			t.Errorf("%d bytes", len(out))
		}
		if info.Container == Plain && out != string(b) {
			t.Error("plain content changed")
		}
		if info.Entry != "" && !safeEntry(info.Entry) {
			t.Errorf("entry %q", info.Entry)
		}
		if err == nil || errors.Is(err, ErrArchive) || errors.Is(err, ErrEntries) || errors.Is(err, ErrEntryName) || errors.Is(err, ErrBomb) {
			return
		}
		t.Errorf("untyped error %v", err)
	})
}
