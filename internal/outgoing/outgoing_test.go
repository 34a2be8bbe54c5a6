package outgoing_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/internal/testkit"
)

func note(as string) string { return "note of " + as + "\n" }

// tree lists what is in a directory and below: every file with its content.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	found := []string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found = append(found, filepath.ToSlash(rel)+"="+strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		"10.xml", "2.xml", "Dimona.XML", "FI.DMFA.101380.20261125.00001.R.2.1", "FI.broken", ".hidden.xml", "~$2.xml",
		"a.xml.part", "a.xml.tmp", "b.crdownload", "c.filepart", "d.xml~", "list.pdf", "2.xml.txt", "FI.DMFA.101380.20261125.00001.R.2.1.txt",
		"FO.NOTI.999999.20261125.00001.R", "CO.NOTI.999999.20261125.00002.R", "FO.PUBP.999999.20261125.00001.R.1.1.pdf", // replies, to be told
		"FS.NOTI.999999.20261125.00001.R", "GO.NOTI.999999.20261125.00001.R", "FO.NOTI.999999.20261125.00001.R.txt", "CO.pdf",
		"sub/inside.xml", "sent/old.xml", "failed/bad.xml", "failed/bad.xml.txt",
	} {
		testkit.WriteFile(t, dir, name, []byte("x"))
	}
	d := outgoing.New(dir, &durable.Disk{})
	want := []string{
		"2.xml", "10.xml", "CO.NOTI.999999.20261125.00002.R", "Dimona.XML", "FI.DMFA.101380.20261125.00001.R.2.1", "FI.broken",
		"FO.NOTI.999999.20261125.00001.R", "FO.PUBP.999999.20261125.00001.R.1.1.pdf",
	}
	ready, left, err := d.List()
	if err != nil || !slices.Equal(ready, want) {
		t.Errorf("ready: %q, %v", ready, err)
	}
	why := map[outgoing.Reason][]string{}
	for _, l := range left {
		why[l.Why] = append(why[l.Why], l.Name)
	}
	if got, want := fmt.Sprint(why), fmt.Sprint(map[outgoing.Reason][]string{
		outgoing.Temporary: {"a.xml.part", "a.xml.tmp", "b.crdownload", "c.filepart", "d.xml~", "~$2.xml"},
		outgoing.Other: {
			"2.xml.txt", "CO.pdf", "FI.DMFA.101380.20261125.00001.R.2.1.txt", "FO.NOTI.999999.20261125.00001.R.txt",
			"FS.NOTI.999999.20261125.00001.R", "GO.NOTI.999999.20261125.00001.R", "list.pdf",
		},
	}); got != want {
		t.Errorf("left\n%s\nwant\n%s", got, want)
	}
	if n, err := d.Count(outgoing.Failed); n != 1 || err != nil {
		t.Errorf("%d failed, %v", n, err)
	}
	if n, err := outgoing.New(filepath.Join(dir, "sub"), nil).Count(outgoing.Failed); n != 0 || err != nil {
		t.Errorf("%d failed, %v", n, err)
	}
	if _, _, err := outgoing.New(filepath.Join(dir, "none"), nil).List(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestListPassesLinksOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := testkit.WriteFile(t, t.TempDir(), "x.xml", []byte("x"))
	if err := os.Symlink(target, filepath.Join(dir, "link.xml")); err != nil {
		t.Skip(err) // Windows asks for a right
	}
	ready, left, err := outgoing.New(dir, nil).List()
	if runtime.GOOS == "windows" {
		left = append(left[:0:0], outgoing.Left{Name: "link.xml", Why: outgoing.NoFile}) // there a link may be hidden
	}
	if err != nil || len(ready) > 0 || !slices.Equal(left, []outgoing.Left{{Name: "link.xml", Why: outgoing.NoFile}}) {
		t.Errorf("got %q, %v, %v", ready, left, err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	sorted := []string{"", "01.xml", "1.xml", "2", "2.xml", "2a.xml", "10.xml", "99999999999999999998.xml", "99999999999999999999.xml", "A.xml", "a.xml", "a1b2", "a1b10", "a02b1", "é.xml"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := outgoing.Compare(a, b)
			if i < j && got >= 0 || i == j && got != 0 || i > j && got <= 0 {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := outgoing.New(dir, &durable.Disk{})
	put := func(p outgoing.Place, name, content, want string) {
		t.Helper()
		testkit.WriteFile(t, dir, name, []byte(content))
		to, err := d.Put(p, name, of(content), note)
		if err != nil || to != filepath.Join(dir, string(p), want) {
			t.Errorf("moved to %s, %v", to, err)
		}
	}
	if err := d.Prepare(); err != nil {
		t.Fatal(err)
	}
	const fi = "FI.DMFA.101380.20261125.00001.R.2.1"
	put(outgoing.Sent, "a.xml", "1", "a.xml")
	put(outgoing.Sent, "a.xml", "2", "a-2.xml")
	put(outgoing.Sent, "a.xml", "3", "a-3.xml")
	put(outgoing.Failed, "a.xml", "4", "a.xml")
	put(outgoing.Failed, fi, "5", fi)
	put(outgoing.Failed, fi, "6", fi+"-2")
	put(outgoing.Failed, "empty.xml", "", "empty.xml")
	put(outgoing.Failed, "empty.xml", "7", "empty.xml") // nothing is lost
	want := []string{
		"failed/" + fi + "=5", "failed/" + fi + "-2=6", "failed/" + fi + "-2.txt=note of " + fi + "-2", "failed/" + fi + ".txt=note of " + fi,
		"failed/a.xml=4", "failed/a.xml.txt=note of a.xml", "failed/empty.xml=7", "failed/empty.xml.txt=note of empty.xml",
		"sent/a-2.xml=2", "sent/a-2.xml.txt=note of a-2.xml", "sent/a-3.xml=3", "sent/a-3.xml.txt=note of a-3.xml", "sent/a.xml=1", "sent/a.xml.txt=note of a.xml",
	}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	// The note of a long name would be too long for the file system.
	long := strings.Repeat("x", 247) + "é"
	put(outgoing.Sent, long+".xml", "8", strings.Repeat("x", 247)+".xml")
	put(outgoing.Sent, long+".xml", "9", strings.Repeat("x", 245)+"-2.xml")
	if _, err := d.Put(outgoing.Sent, "none.xml", of(""), note); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Whoever may read a declaration may read its note, and nobody else.
func TestPutKeepsRights(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("rights come from the directory")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o770); err != nil { //nolint:gosec // shared with a group
		t.Fatal(err)
	}
	d := outgoing.New(dir, &durable.Disk{})
	if err := d.Prepare(); err != nil {
		t.Fatal(err)
	}
	file := testkit.WriteFile(t, dir, "a.xml", []byte("x"))
	if err := os.Chmod(file, 0o640); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	to, err := d.Put(outgoing.Failed, "a.xml", of("x"), note)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{d.Place(outgoing.Sent): 0o770, d.Place(outgoing.Failed): 0o770, to: 0o640, to + ".txt": 0o640} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// stopping fails at a step and at every later one, as for a program that was
// killed there.
func stopping(at int) (*durable.Disk, *int) {
	n := new(int)
	return &durable.Disk{Fault: func(step, path string) error {
		if *n++; *n >= at {
			return errStopped
		}
		return nil
	}}, n
}

var errStopped = errors.New("stopped")

// A move that ends at any of its steps has lost nothing, overwritten nothing,
// and is finished by the next one.
func TestPutStoppedAnywhere(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		dir := t.TempDir()
		real := outgoing.New(dir, &durable.Disk{})
		testkit.WriteFile(t, dir, "a.xml", []byte("old"))
		if err := real.Prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := real.Put(outgoing.Sent, "a.xml", of("old"), note); err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, dir, "a.xml", []byte("new"))
		disk, steps := stopping(at)
		_, err := outgoing.New(dir, disk).Put(outgoing.Sent, "a.xml", of("new"), note)
		if *steps < at {
			if err != nil || at < 11 { // hold of three, name, note of four steps, move of three
				t.Fatalf("%d steps, %v", *steps, err)
			}
			return
		}
		if !errors.Is(err, errStopped) {
			t.Fatalf("step %d: got %v", at, err)
		}
		if err := real.Recover(); err != nil { // as the next run does first
			t.Fatal(err)
		}
		files := tree(t, dir)
		here, there := slices.Contains(files, "a.xml=new"), slices.Contains(files, "sent/a-2.xml=new")
		if here == there || there && !slices.Contains(files, "sent/a-2.xml.txt=note of a-2.xml") {
			t.Fatalf("step %d: %q", at, files)
		}
		if here {
			if _, err := real.Put(outgoing.Sent, "a.xml", of("new"), note); err != nil {
				t.Fatalf("step %d: the second time: %v", at, err)
			}
		}
		want := []string{"sent/a-2.xml=new", "sent/a-2.xml.txt=note of a-2.xml", "sent/a.xml=old", "sent/a.xml.txt=note of a.xml"}
		if got := tree(t, dir); !slices.Equal(got, want) {
			t.Errorf("step %d: %q", at, got)
		}
	}
}

// A run that was killed leaves an empty file and a note; its name is taken up
// again.
func TestPutAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := outgoing.New(dir, &durable.Disk{})
	testkit.WriteFile(t, dir, "sent/a.xml", nil)
	testkit.WriteFile(t, dir, "sent/a.xml.txt", []byte("half"))
	old := testkit.WriteFile(t, dir, "sent/.socbatch-1", []byte("half"))
	fresh := testkit.WriteFile(t, dir, ".socbatch-2", []byte("half"))
	if err := os.Chtimes(old, time.Time{}, time.Now().AddDate(0, 0, -2)); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, dir, "a.xml", []byte("x"))
	if err := d.Prepare(); err != nil {
		t.Fatal(err)
	}
	if to, err := d.Put(outgoing.Sent, "a.xml", of("x"), note); err != nil || filepath.Base(to) != "a.xml" {
		t.Errorf("moved to %s, %v", to, err)
	}
	want := []string{filepath.Base(fresh) + "=half", "sent/a.xml=x", "sent/a.xml.txt=note of a.xml"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := outgoing.New(filepath.Join(dir, "none"), &durable.Disk{}).Prepare(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	testkit.WriteFile(t, dir, "failed", []byte("in the way"))
	if err := outgoing.New(dir, &durable.Disk{}).Prepare(); err == nil {
		t.Error("a file in place of a directory is not noticed")
	}
	for _, step := range []string{"mkdir", "create", "rename"} {
		disk := &durable.Disk{Fault: func(s, _ string) error {
			if s == step {
				return errStopped
			}
			return nil
		}}
		dir := t.TempDir()
		if err := outgoing.New(dir, disk).Prepare(); !errors.Is(err, errStopped) {
			t.Errorf("%s: %v", step, err)
		}
		if got := tree(t, dir); len(got) > 0 {
			t.Errorf("%s: left %q", step, got)
		}
	}
}
