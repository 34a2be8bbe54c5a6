//go:build unix

package inbox

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/socbatch/socbatch/internal/durable"
)

// What is not a file is refused without waiting for it, also when it comes in
// the place of a file at the last moment.
func TestFreezeRefusesSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skipf("no FIFO here: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	spool := NewSpool(filepath.Join(dir, "spool"), &durable.Disk{})
	for _, file := range []string{fifo, link, socket, "/dev/zero", "/dev/null"} {
		_, _, err := spool.Freeze(t.Context(), []string{file}, FreezeOptions{})
		var source *SourceError
		if !errors.Is(err, ErrNotRegular) || !errors.As(err, &source) || source.Path != file {
			t.Errorf("%s: got %v", file, err)
		}
	}
	if _, _, err := openNow(fifo, 0); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a FIFO that came later: %v", err)
	}
}

func TestFreezeRefusesUnreadable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret.xml")
	if err := os.WriteFile(file, []byte("<x/>"), 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // may read all but what the kernel only writes
		found, err := filepath.Glob("/sys/bus/*/drivers_probe")
		if err != nil || len(found) == 0 {
			t.Skip("as root every file can be read")
		}
		file = found[0]
	}
	_, _, err := NewSpool(filepath.Join(dir, "spool"), &durable.Disk{}).Freeze(t.Context(), []string{file}, FreezeOptions{})
	var source *SourceError
	if !errors.Is(err, os.ErrPermission) || !errors.As(err, &source) || source.Path != file {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "spool"))
	if err != nil || len(left) > 0 {
		t.Errorf("in the spool: %v, %v", left, err)
	}
}
