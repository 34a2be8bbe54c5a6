package cli

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// Every relative link of a document leads to a file, and to a heading where it
// names one.
func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	const root = "../.."
	documents := map[string]document{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		documents[path] = readDocument(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) < 25 {
		t.Errorf("there are %d documents", len(documents))
	}
	for path, d := range documents {
		for _, l := range d.links {
			target, err := url.Parse(l.target)
			if err != nil {
				t.Errorf("%s:%d: %s: %v", path, l.line, l.target, err)
				continue
			}
			if target.IsAbs() {
				continue
			}
			to := path
			if target.Path != "" {
				to = filepath.Join(filepath.Dir(path), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s:%d: %s: %v", path, l.line, l.target, err)
			} else if target.Fragment != "" && !documents[to].anchors[target.Fragment] {
				t.Errorf("%s:%d: %s: there is no such heading", path, l.line, l.target)
			}
		}
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	got := readDocument("# A `b_c`: d, “e” (f) – g-h & [é](x.md#y)\n```\n# no\n```\n## Same\n### Same\nfree `[no](no.md)` text\n").anchors
	for _, want := range []string{"a-b_c-d-e-f--g-h--é", "same", "same-1"} {
		if !got[want] {
			t.Errorf("no %q in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("anchors %v", got)
	}
}

type document struct {
	anchors map[string]bool
	links   []docLink
}

type docLink struct {
	line   int
	target string
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	inlineLink = regexp.MustCompile(`\]\(<?([^)\s>]+)>?\)`)
	linkedText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// readDocument finds the headings, by the anchors that GitHub gives them, and
// the links. What stands in code is neither.
func readDocument(text string) document {
	d := document{anchors: map[string]bool{}}
	code := false
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code || strings.HasPrefix(line, "    ") {
			continue
		}
		if level := strings.IndexFunc(line, func(r rune) bool { return r != '#' }); level > 0 && line[level] == ' ' {
			a := anchor(linkedText.ReplaceAllString(line[level:], "$1"))
			for free, i := a, 1; ; i++ {
				if !d.anchors[free] {
					d.anchors[free] = true
					break
				}
				free = a + "-" + strconv.Itoa(i)
			}
		}
		for _, m := range inlineLink.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
			d.links = append(d.links, docLink{n, m[1]})
		}
	}
	return d
}

// anchor is a heading in lower case, with hyphens for spaces, and without
// punctuation.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
