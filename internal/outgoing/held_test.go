package outgoing_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/internal/testkit"
)

// of is what a file with some contents is judged as.
func of(content string) outgoing.Judged {
	return outgoing.Judged{Hash: sha256.Sum256([]byte(content))}
}

// What is moved is what was judged, and never another file that has its name by
// then.
func TestPutReplaced(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		judged func(info os.FileInfo) outgoing.Judged
		change func(t *testing.T, file string)
		moved  bool
	}{
		{"the same", func(os.FileInfo) outgoing.Judged { return of("old") }, func(*testing.T, string) {}, true},
		{"a copy of the same", func(os.FileInfo) outgoing.Judged { return of("old") }, replace("old", at), true},
		{"of the same size and time", func(os.FileInfo) outgoing.Judged { return of("old") }, replace("new", at), false},
		{"longer", func(os.FileInfo) outgoing.Judged { return of("old") }, replace("older", at), false},
		{"emptied", func(os.FileInfo) outgoing.Judged { return of("old") }, replace("", at), false},
		{"the old one and more, in place", func(os.FileInfo) outgoing.Judged { return of("old") }, func(t *testing.T, file string) {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("+")
			}
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a directory", func(os.FileInfo) outgoing.Judged { return of("old") }, func(t *testing.T, file string) {
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"hash not known, the same", func(i os.FileInfo) outgoing.Judged { return outgoing.Judged{Info: i} }, func(*testing.T, string) {}, true},
		{"hash not known, another time", func(i os.FileInfo) outgoing.Judged { return outgoing.Judged{Info: i} }, replace("new", at.Add(time.Second)), false},
		{"hash not known, another size", func(i os.FileInfo) outgoing.Judged { return outgoing.Judged{Info: i} }, replace("other", at), false},
		{"nothing known", func(os.FileInfo) outgoing.Judged { return outgoing.Judged{} }, func(*testing.T, string) {}, false},
	} {
		for _, place := range []outgoing.Place{outgoing.Sent, outgoing.Failed} {
			t.Run(c.name+" "+string(place), func(t *testing.T) {
				dir := t.TempDir()
				d := outgoing.New(dir, &durable.Disk{})
				if err := d.Prepare(); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, "a.xml")
				replace("old", at)(t, file)
				info, err := os.Lstat(file)
				if err != nil {
					t.Fatal(err)
				}
				c.change(t, file)
				to, err := d.Put(place, "a.xml", c.judged(info), note)
				if c.moved {
					if err != nil || to != filepath.Join(d.Place(place), "a.xml") {
						t.Errorf("moved to %q, %v", to, err)
					}
					return
				}
				var replaced *outgoing.ReplacedError
				if !errors.As(err, &replaced) || to != "" || replaced.Name != "a.xml" || replaced.Now != "a.xml" {
					t.Errorf("got %q, %v", to, err)
				}
				if _, err := os.Lstat(file); err != nil {
					t.Error(err)
				}
				if left, err := os.ReadDir(d.Place(place)); err != nil || len(left) > 0 {
					t.Errorf("there is %v (%v)", left, err)
				}
				if _, err := os.Lstat(filepath.Join(dir, ".moving")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the directory for files that are held is left (%v)", err)
				}
			})
		}
	}
}

// replace puts a file with that time in the place of another.
func replace(content string, at time.Time) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file+".new", []byte(content), 0o600), os.Chtimes(file+".new", at, at), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
}

// Another file may take the name at any step of a move, and the move may end
// there: neither file is lost, and none is moved for the other.
func TestPutMeetsAnotherFileAnywhere(t *testing.T) {
	t.Parallel()
	for _, stop := range []bool{false, true} {
		for at := 1; ; at++ {
			dir := t.TempDir()
			real := outgoing.New(dir, &durable.Disk{})
			if err := real.Prepare(); err != nil {
				t.Fatal(err)
			}
			testkit.WriteFile(t, dir, "a.xml", []byte("judged"))
			steps := 0
			disk := &durable.Disk{Fault: func(string, string) error {
				if steps++; steps == at {
					replace("another", time.Now())(t, filepath.Join(dir, "a.xml"))
				}
				if steps >= at && stop {
					return errStopped
				}
				return nil
			}}
			_, err := outgoing.New(dir, disk).Put(outgoing.Sent, "a.xml", of("judged"), note)
			if steps < at {
				if err != nil || at < 11 {
					t.Fatalf("%d steps, %v", steps, err)
				}
				break
			}
			if err := real.Recover(); err != nil {
				t.Fatalf("step %d: %v", at, err)
			}
			files := tree(t, dir)
			var contents []string
			for _, f := range files {
				contents = append(contents, content(f))
				if content(f) == "another" && filepath.Dir(f) != "." {
					t.Errorf("stop %t, step %d: the other file was moved: %q", stop, at, files)
				}
			}
			// Replacing is the doing of the other program as long as the file lies
			// there: the first step is the one that takes it out of reach.
			want := []string{"another"}
			if at > 1 {
				want = append(want, "judged")
			}
			for _, w := range want {
				if !slices.Contains(contents, w) {
					t.Errorf("stop %t, step %d: %q is lost: %q", stop, at, w, files)
				}
			}
		}
	}
}

// content is what a line of tree says that a file holds.
func content(line string) string {
	_, c, _ := strings.Cut(line, "=")
	return c
}

// What a killed run held is found again under its name, or beside the file that
// has taken it.
func TestRecover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, now, want string
	}{
		{"its name is free", "", "[a.xml=held]"},
		{"its name is taken", "another", "[a-2.xml=held a.xml=another]"},
	} {
		dir := t.TempDir()
		testkit.WriteFile(t, dir, ".moving/a.xml", []byte("held"))
		if c.now != "" {
			testkit.WriteFile(t, dir, "a.xml", []byte(c.now))
		}
		d := outgoing.New(dir, &durable.Disk{})
		for range 2 { // the second time there is nothing to do
			if err := d.Recover(); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(tree(t, dir)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	// Between the link and the removal it has both names.
	dir := t.TempDir()
	testkit.WriteFile(t, dir, ".moving/a.xml", []byte("held"))
	if err := os.Link(filepath.Join(dir, ".moving/a.xml"), filepath.Join(dir, "a.xml")); err != nil {
		t.Skip(err)
	}
	if err := outgoing.New(dir, &durable.Disk{}).Recover(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tree(t, dir)); got != "[a.xml=held]" {
		t.Errorf("got %s", got)
	}
}
