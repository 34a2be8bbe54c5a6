package inbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/durable"
)

// What a killed run left is found by its age and by the ledger not knowing it.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"20260228T120000-000000000001", "20260228T120000-000000000002", "20260302T110000-000000000003", "notes", "20260228"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	spool := inbox.NewSpool(dir, &durable.Disk{})
	got, err := spool.Abandoned(now.Add(-24*time.Hour), func() (map[string]bool, error) {
		return map[string]bool{"20260228T120000-000000000001": true}, nil
	})
	if want := []string{"20260228T120000-000000000002"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	got, err = spool.Abandoned(now.AddDate(-1, 0, 0), func() (map[string]bool, error) {
		t.Error("the ledger is asked although nothing is old")
		return nil, nil
	})
	if err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A file that cannot be frozen once took the frozen copies of all other sets
// with it (found by internal/crash).
func TestFailedFreezeLeavesOtherSets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spool := inbox.NewSpool(filepath.Join(dir, "spool"), &durable.Disk{})
	file := filepath.Join(dir, "a.xml")
	if err := os.WriteFile(file, []byte("<a/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, _, err := spool.Freeze(t.Context(), []string{file}, inbox.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := spool.Freeze(t.Context(), []string{filepath.Join(dir, "missing.xml")}, inbox.FreezeOptions{}); err == nil {
		t.Fatal("a file that is not there was frozen")
	}
	if err := spool.Drop(""); err == nil {
		t.Error("the spool itself was dropped")
	}
	left, err := os.ReadDir(filepath.Join(dir, "spool"))
	if err != nil || len(left) != 1 || left[0].Name() != set {
		t.Errorf("left in the spool: %v, %v; want only %s", left, err, set)
	}
}
