package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// watch starts an office for folders that another server shows.
func watch(t *testing.T) *Server {
	t.Helper()
	return start(t, func(c *Config) { c.Watch = time.Hour }) // it looks when it is told to
}

// lay puts files into a folder without the office's knowing.
func lay(t *testing.T, s *Server, folder string, contents map[string]string) {
	t.Helper()
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(s.Dir(), folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWatchedFolderIsProcessedOnGO(t *testing.T) {
	s := watch(t)
	if s.Addr() != "" {
		t.Errorf("an office that only watches listens on %s", s.Addr())
	}
	x := set("DIMN", "00001", naming.Test, 1)
	lay(t, s, "INTEST", map[string]string{x.FI(1).String(): dimona(1)})
	s.Flush()
	if n := len(s.Processed()); n != 0 {
		t.Fatalf("%d sets were processed before the GO", n)
	}
	lay(t, s, "INTEST", map[string]string{x.GO().String(): ""})
	s.Flush()
	sets := s.Processed()
	if len(sets) != 1 || sets[0].Outcome != Accepted {
		t.Fatalf("processed %+v", sets)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "INTEST")); err != nil || len(left) > 0 {
		t.Errorf("left in INTEST: %v, %v", left, err)
	}
	for _, e := range s.Journal() {
		if e.Kind != Replied {
			continue
		}
		for i, f := range e.Files {
			text, err := os.ReadFile(filepath.Join(s.Dir(), e.Folder, f.Name))
			if err != nil || int64(len(text)) != f.Size || (i == 0) != (f.Name == e.Name) {
				t.Errorf("the journal has %+v for %s: %v", f, e.Name, err)
			}
		}
		if len(e.Files) != 2 {
			t.Errorf("the journal has %d files of %s", len(e.Files), e.Name)
		}
	}
}

func TestWatchedGOBeforeItsFilesIsRefused(t *testing.T) {
	s := watch(t)
	x := set("DIMN", "00001", naming.Test, 1)
	lay(t, s, "INTEST", map[string]string{x.GO().String(): ""})
	s.Flush()
	lay(t, s, "INTEST", map[string]string{x.FI(1).String(): dimona(1)})
	s.Flush()
	sets := s.Processed()
	if len(sets) != 1 || !slices.Equal(sets[0].Errors, []string{wrongCountFI}) {
		t.Errorf("processed %+v", sets)
	}
}

// A set that is given a second time is seen, before the first was taken and
// after.
func TestWatchedGOGivenTwice(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Watch = time.Hour
		c.Scenario.Rules = []Rule{{Process: "manual"}}
	})
	x := set("DIMN", "00001", naming.Test, 1)
	given := func(age time.Duration) int {
		lay(t, s, "INTEST", map[string]string{x.FI(1).String(): dimona(1)})
		lay(t, s, ".", map[string]string{"new": ""})
		at := time.Now().Add(-age)
		file := filepath.Join(s.Dir(), "new")
		if err := errors.Join(os.Chtimes(file, at, at), os.Rename(file, filepath.Join(s.Dir(), "INTEST", x.GO().String()))); err != nil {
			t.Fatal(err)
		}
		s.Look()
		s.Look()
		return kinds(s.Journal())[GoCreated]
	}
	if n := given(3 * time.Second); n != 1 {
		t.Errorf("the first GO counts %d times", n)
	}
	if n := given(2 * time.Second); n != 2 {
		t.Errorf("a GO that was opened again makes %d", n)
	}
	s.Process()
	if n := given(time.Second); n != 3 {
		t.Errorf("a GO after the set was taken makes %d", n)
	}
	s.Process()
	if sets := s.Processed(); len(sets) != 2 || !slices.Equal(sets[1].Errors, []string{usedName}) {
		t.Errorf("processed %+v", sets)
	}
}

func TestWatchedTDCancels(t *testing.T) {
	s := watch(t)
	x := set("DIMN", "00001", naming.Test, 1)
	lay(t, s, "INTEST", map[string]string{x.FI(1).String(): dimona(1)})
	s.Look()
	lay(t, s, "INTEST", map[string]string{x.TD().String(): ""})
	s.Look()
	if n := kinds(s.Journal()); n[Cancelled] != 1 || n[CancelLate] != 0 {
		t.Errorf("journal %v", n)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "INTEST")); err != nil || len(left) > 0 {
		t.Errorf("left in INTEST: %v, %v", left, err)
	}
}
