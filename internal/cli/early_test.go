package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/testkit"
)

// A command that could not begin tells programs its error and no result, and
// people its error once.
func TestCouldNotBegin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := testkit.WriteFile(t, dir, "s.toml", []byte("sender = \"101380\"\nstate_dir = \"state\"\n"))
	file := testkit.WriteFile(t, dir, "d.xml", testkit.Dimona("1"))
	for _, args := range [][]string{
		{"submit", filepath.Join(dir, "none.xml"), "--env", "T"},
		{"submit", file},
		{"submit", file, "--env", "T"}, // no user, no key
		{"submit", file, "--env", "R", "--dry-run"},
		{"submit", file, "--env", "T", "--strict"},
		{"fetch"},
		{"fetch", "--env", "X"},
		{"fetch", "--env", "T"},
		{"run"},
		{"run", "--env", "T"},
		{"resume"},
		{"resume", "--env", "T"},
		{"cancel", "DIMN.101380.20261125.00001.T.1"},
		{"resubmit", "DIMN.101380.20261125.00001.T.1"},
	} {
		var out, talk bytes.Buffer
		code := testBuild.run(t.Context(), append([]string{"--config", config, "--json"}, args...), streams{strings.NewReader(""), &out, &talk}, func(string) string { return "" })
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Errorf("%v: %v: %s", args, err, &out)
			continue
		}
		if keys := slices.Sorted(maps.Keys(got)); code == 0 || !slices.Equal(keys, []string{"contract", "error"}) {
			t.Errorf("%v: code %d, %v", args, code, keys)
		}
		if n := strings.Count(talk.String(), "error:"); n != 1 {
			t.Errorf("%v: told %d times:\n%s", args, n, &talk)
		}
	}
}
