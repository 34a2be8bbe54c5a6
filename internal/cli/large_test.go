package cli

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Replies that are as large as can be, on the whole program: they come home, or
// are kept as they came, in little memory.
//
// SOCBATCH_LARGE=1 makes the large one 2 GiB and the bomb 4 GiB.
func TestFetchLargeReplies(t *testing.T) {
	t.Parallel()
	large, bomb := int64(160<<20), int64(300<<20)
	if os.Getenv("SOCBATCH_LARGE") != "" {
		large, bomb = 2<<30, 4<<30
	}
	program := builtProgram(t)
	for _, c := range []struct {
		name, file string
		write      func(*os.File) error
		says       string
	}{
		{"large", "FO.IDFL.999999." + string(naming.DateOf(time.Now())) + ".00001.T", func(f *os.File) error { return f.Truncate(large) }, "cannot be read"},
		{"bomb", "CO.NOTI.999999." + string(naming.DateOf(time.Now())) + ".00002.T", func(f *os.File) error { return writeBomb(f, bomb) }, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			folder := filepath.Join(dir, "server", naming.Test.Outbox())
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			f, err := os.Create(filepath.Join(folder, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.write(f), f.Close(), os.WriteFile(filepath.Join(folder, "GO"+c.file[2:]), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			st := newStand(t, dir, nil)
			took := filepath.Join(dir, "took")
			out, err := exec.Command("socbatch-measured", took, program, "--config", st.config, "fetch", "--env", "T").CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.says) {
				t.Fatalf("%v\n%s", err, out)
			}
			if left := st.server.Pending(naming.Test); len(left) > 0 {
				t.Errorf("left on the server: %v", left)
			}
			stored, err := filepath.Glob(filepath.Join(st.dir, "replies", "T", "*", c.file))
			if err != nil || len(stored) != 1 {
				t.Fatalf("stored: %v, %v", stored, err)
			}
			if now, err := os.Stat(stored[0]); err != nil || now.Size() != info.Size() {
				t.Errorf("stored with %v, %v", now, err)
			}
			text, err := os.ReadFile(took)
			if err != nil {
				t.Fatal(err)
			}
			peak, err := strconv.ParseInt(string(text), 10, 64)
			if err != nil || peak > mostMemory {
				t.Errorf("%d bytes of memory, %v", peak, err)
			}
			t.Logf("%d bytes, %d MiB of memory", info.Size(), peak>>20)
		})
	}
}

// writeBomb writes a ZIP of which so many bytes come out.
func writeBomb(f *os.File, size int64) error {
	z := zip.NewWriter(f)
	w, err := z.Create("reply.xml")
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.MultiReader(strings.NewReader("<NOTIFICATION>"), io.LimitReader(spaces{}, size)))
	return errors.Join(err, z.Close())
}

// spaces has no end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
