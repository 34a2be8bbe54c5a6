package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/failure"
)

const schemaDir = "../../docs/schema"

// schemasOf says which schemas describe what a command prints with --json.
// Every command is here; those without a schema print no JSON.
var schemasOf = map[string][]string{
	"submit": {"submit"}, "resubmit": {"submit"}, "resume": {"resume"}, "cancel": {"change"}, "mark-sent": {"change"}, "clock": {"clock"},
	"fetch": {"fetch"}, "run": {"run"}, "status": {"status", "status-name"}, "name": {"name", "name-build", "applications"},
	"explain": {"explain"}, "report": {"report"}, "replies show": {"replies-show"}, "replies open": {"replies-open"},
	"sign": {"sign"}, "verify": {"verify"}, "hostkey accept": {"hostkey"}, "sandbox": {"sandbox"}, "completion": {"completion"}, "version": {"version"},
	"replies": {"replies"}, "check": {"check"}, "doctor": {"doctor"}, "demo": nil, "init": {"init"}, "help": nil, "man": {"man"},
	"keys": nil, "keys generate": {"keys-new"}, "keys import": {"keys-new"}, "keys show": {"keys-show"}, "keys rotate": {"keys-rotate"},
	"cert": nil, "cert show": {"cert-show"}, "cert export": {"cert-export"},
	"archive": nil, "archive seal": {"archive-seal"}, "prune": {"prune"}, "export": {"export"},
	"secret": nil, "secret set": {"secret"}, "secret delete": {"secret"}, "secret where": {"secret-where"},
	"hostkey": nil, "hostkey show": {"hostkey-show"}, "hostkey list": {"hostkey-list"},
	"hostkey remove": {"hostkey-remove"},
}

func TestEveryCommandHasASchema(t *testing.T) {
	t.Parallel()
	described := map[string]bool{"error": true, "event": true, "common": true, "hook": true}
	var walk func(*cobra.Command, string)
	walk = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			name := strings.TrimSpace(path + " " + sub.Name())
			walk(sub, name)
			if !sub.Runnable() {
				continue
			}
			schemas, ok := schemasOf[name]
			if !ok {
				t.Errorf("nothing says what %s prints with --json", name)
			}
			for _, s := range schemas {
				described[s] = true
			}
		}
	}
	walk(newRootCmd(&program{ui: &ui{}, getenv: os.Getenv, now: time.Now}), "")
	files, err := filepath.Glob(schemaDir + "/*.schema.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d schemas, %v", len(files), err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".schema.json"); !described[name] {
			t.Errorf("no command prints what %s describes", f)
		}
	}
	if _, err := schemas(); err != nil {
		t.Error(err)
	}
}

// schemas reads the schemas. They are open, since fields may be added; for our
// own output they are closed, since every field is to be described.
func schemas() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(schemaDir + "/*.schema.json")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	var ids []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		closeObjects(doc)
		id, _ := doc.(map[string]any)["$id"].(string)
		if err := c.AddResource(id, doc); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		ids = append(ids, id)
	}
	out := map[string]*jsonschema.Schema{}
	for _, id := range ids {
		s, err := c.Compile(id)
		if err != nil {
			return nil, err
		}
		out[strings.TrimSuffix(filepath.Base(id), ".schema.json")] = s
	}
	return out, nil
}

func closeObjects(v any) {
	switch x := v.(type) {
	case map[string]any:
		if _, ok := x["properties"].(map[string]any); ok {
			x["additionalProperties"] = false
		}
		for _, inner := range x {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range x {
			closeObjects(inner)
		}
	}
}

// checkContract compares what was printed with its schema: one object per
// line, events first, the result last.
func checkContract(schemas map[string]*jsonschema.Schema, name, stdout string) error {
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	for i, line := range lines {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		s := schemas["event"]
		if i == len(lines)-1 {
			s = schemas[name]
		}
		if s == nil {
			return fmt.Errorf("there is no schema %q", name)
		}
		if err := s.Validate(v); err != nil {
			return fmt.Errorf("line %d: %w\n%s", i+1, err, line)
		}
	}
	return nil
}

// A test of the test: what the schemas do not say is found.
func TestContractIsChecked(t *testing.T) {
	t.Parallel()
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"contract":1,"version":"v","go":"g","os":"o","arch":"a"}`
	if err := checkContract(all, "version", good+"\n"); err != nil {
		t.Error(err)
	}
	const event = `{"contract":1,"event":"waiting","at":"2026-03-02T10:00:00Z","submissions":1,"most_seconds":60}`
	if err := checkContract(all, "version", event+"\n"+good+"\n"); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]string{
		"a field more":       strings.Replace(good, "}", `,"new":1}`, 1),
		"a field less":       strings.Replace(good, `"os":"o",`, "", 1),
		"another contract":   strings.Replace(good, "1", "2", 1),
		"another type":       strings.Replace(good, `"o"`, "7", 1),
		"no JSON":            "socbatch v",
		"an event last":      event,
		"an unknown event":   strings.Replace(event, "waiting", "dancing", 1) + "\n" + good,
		"a time in no form":  strings.Replace(event, "T10", " 10", 1) + "\n" + good,
		"two objects a line": good + good,
	} {
		if checkContract(all, "version", bad+"\n") == nil {
			t.Errorf("%s is not noticed: %s", name, bad)
		}
	}
}

// Every class of an error that the program gives stands in the schema.
func TestErrorClassesAreListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(schemaDir + "/common.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var common struct {
		Defs struct {
			Error struct {
				Properties struct {
					Class struct{ Examples []string }
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &common); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../internal/wording/explain.go")
	if err != nil {
		t.Fatal(err)
	}
	classes := []string{}
	for class := range codes {
		if class != failure.None {
			classes = append(classes, string(class))
		}
	}
	for _, m := range regexp.MustCompile(`\.Kind = "([^"]*)"`).FindAllSubmatch(source, -1) {
		classes = append(classes, string(m[1]))
	}
	listed := common.Defs.Error.Properties.Class.Examples
	for _, class := range classes {
		if !slices.Contains(listed, class) {
			t.Errorf("class %q is not listed", class)
		}
	}
	for _, class := range listed {
		if !slices.Contains(classes, class) {
			t.Errorf("class %q is listed and never given", class)
		}
	}
}
