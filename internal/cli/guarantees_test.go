package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the documents name is there.
func TestGuaranteesNameTests(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (?:\(kit suite\) )?((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".build" {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".txtar"):
			have[d.Name()] = true
		case strings.HasSuffix(path, "_test.go"), filepath.Base(filepath.Dir(path)) == "ledgertest":
			text, err := os.ReadFile(path)
			for _, m := range function.FindAllSubmatch(text, -1) {
				have[string(m[1])] = true
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+|\\w+\\.txtar)`")
	for doc, least := range map[string]int{"guarantees": 70, "security": 1, "delivery": 0} {
		text, err := os.ReadFile("../../docs/" + doc + ".md")
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllStringSubmatch(string(text), -1)
		if len(names) < least {
			t.Errorf("%s.md names %d tests", doc, len(names))
		}
		for _, m := range names {
			if !have[m[1]] {
				t.Errorf("%s.md names %s, which is not there", doc, m[1])
			}
		}
	}
}
