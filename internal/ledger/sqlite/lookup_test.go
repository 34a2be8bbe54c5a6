package sqlite_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/testkit"
)

// filesOf are the names, times and contents of the files of a directory. The
// memory that the processes with a ledger open share is no content.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") {
			list = append(list, e.Name())
			continue
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		list = append(list, e.Name()+" "+info.ModTime().Format(time.RFC3339Nano)+" "+string(sum[:]))
	}
	return list
}

// Names are found while others have the ledger open and after they closed it;
// looking changes no file and makes none.
func TestLookup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	if _, err := sqlite.SetNames(t.Context(), path, "", nil, 9); err == nil {
		t.Error("a ledger that is not there gives no error")
	}
	if left := filesOf(t, dir); len(left) > 0 {
		t.Errorf("looking made %q", left)
	}
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: testkit.Now})
	if err != nil {
		t.Fatal(err)
	}
	first := testkit.Reserve(t, l, testkit.Draft([]string{"1"})).Set.String()
	second := testkit.Sent(t, l, testkit.Draft([]string{"2"}, []string{"3"})).Set.String()

	look := func(prefix string, states []inbox.State, most int) []string {
		t.Helper()
		before := filesOf(t, dir)
		found, err := sqlite.SetNames(t.Context(), path, prefix, states, most)
		if err != nil {
			t.Fatal(err)
		}
		if after := filesOf(t, dir); !slices.Equal(before, after) {
			t.Errorf("looking changed %q\ninto %q", before, after)
		}
		var names []string
		for _, n := range found {
			names = append(names, n.Name+" "+n.Word)
		}
		return names
	}
	all := func() {
		t.Helper()
		for _, c := range []struct {
			prefix string
			states []inbox.State
			most   int
			want   []string
		}{
			{"", nil, 9, []string{second + " sent", first + " prepared"}},
			{"", nil, 1, []string{second + " sent"}},
			{first, nil, 9, []string{first + " prepared"}},
			{"DIMN%", nil, 9, nil},
			{"", []inbox.State{inbox.Prepared, inbox.Failed}, 9, []string{first + " prepared"}},
			{"", []inbox.State{inbox.Unknown}, 9, nil},
		} {
			if got := look(c.prefix, c.states, c.most); !slices.Equal(got, c.want) {
				t.Errorf("%q in %q: %q instead of %q", c.prefix, c.states, got, c.want)
			}
		}
	}
	all()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all()
	if replies, err := sqlite.ReplyNames(t.Context(), path, "FO.", 9); err != nil || len(replies) > 0 {
		t.Errorf("%v, %v", replies, err)
	}
	if err := os.WriteFile(path, []byte("no ledger"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.SetNames(t.Context(), path, "", nil, 9); err == nil {
		t.Error("a damaged ledger gives no error")
	}
}
