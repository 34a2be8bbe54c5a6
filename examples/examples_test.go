package examples

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/declaration"
)

func TestDeclarations(t *testing.T) {
	want := map[string]struct {
		root, schema, fault string
		forms               int
	}{
		"consultation-ecor.xml": {"GenericXmlDocument", "20224", "", 1},
		"dimona-in.xml":         {"Dimona", "20231", "", 1},
		"dimona-out.xml":        {"Dimona", "20231", "", 1},
		"dimona-refused.xml":    {"Dimona", "20231", declaration.NoDeclaration, 0},
		"dmfa-part1.xml":        {"DmfAOriginal", "20223", "", 1},
		"dmfa-part2.xml":        {"DmfAOriginal", "20223", "", 1},
	}
	entries, err := fs.ReadDir(Declarations, "declarations")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Errorf("%d declarations, want %d", len(entries), len(want))
	}
	nationalNumber := regexp.MustCompile(`<INSS>([0-9]*)<`)
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			text, err := fs.ReadFile(Declarations, "declarations/"+e.Name())
			if err != nil {
				t.Fatal(err)
			}
			lines := bytes.Count(text, []byte("\r\n"))
			if lines == 0 || lines != bytes.Count(text, []byte("\n")) || lines != bytes.Count(text, []byte("\r")) {
				t.Error("line ends are not all CRLF")
			}
			for _, n := range nationalNumber.FindAllSubmatch(text, -1) {
				if len(n[1]) != 11 || string(n[1][2:4]) != "99" {
					t.Errorf("national number %s may be somebody's: its month is not 99", n[1])
				}
			}
			info, err := declaration.Inspect(bytes.NewReader(text), declaration.Options{})
			if err != nil {
				t.Fatal(err)
			}
			fault := ""
			for _, f := range info.Faults {
				fault += f.ID
			}
			w := want[e.Name()]
			if info.Root != w.root || info.SchemaVersion != w.schema || info.Forms != w.forms || fault != w.fault {
				t.Errorf("root %s, schema %s, %d forms, faults %q, want %+v", info.Root, info.SchemaVersion, info.Forms, fault, w)
			}
		})
	}
}

// The configuration is valid as it is and with every comment taken away, shows
// every setting that there is, and tells the true defaults.
func TestConfiguration(t *testing.T) {
	none := func(string) string { return "" }
	c, _, err := config.Load("socbatch.toml", none)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("socbatch.toml")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^# ([a-z_0-9]+ = |\[\[)`).ReplaceAllString(string(text), "$1")
	path := filepath.Join(t.TempDir(), "socbatch.toml")
	if err := os.WriteFile(path, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	uncommented, _, err := config.Load(path, none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Endpoint.Host != uncommented.Endpoint.Host || c.Endpoint.Port != uncommented.Endpoint.Port ||
		c.Endpoint.Timeout != uncommented.Endpoint.Timeout || c.Endpoint.Parallel != uncommented.Endpoint.Parallel ||
		c.Endpoint.Agent != uncommented.Endpoint.Agent || c.Endpoint.AllowSSHRSA != uncommented.Endpoint.AllowSSHRSA ||
		c.Declaration.MaxSize != uncommented.Declaration.MaxSize || c.Declaration.Settle != uncommented.Declaration.Settle || c.Secrets != uncommented.Secrets || c.Replies.IncompleteAfter != uncommented.Replies.IncompleteAfter || c.Identity.Text != uncommented.Identity.Text ||
		c.Identity.IncludeChain != uncommented.Identity.IncludeChain || c.Identity.SignAlways != uncommented.Identity.SignAlways {
		t.Errorf("a default in a comment is not the default:\n%+v\n%+v", c, uncommented)
	}
	settings(reflect.TypeOf(c), "", func(table, key string) {
		_, body, found := strings.Cut(strings.NewReplacer("\n[[", "\n[", "]]\n", "]\n").Replace("\n"+all), "\n["+table+"]\n")
		if table == "" {
			body, found = all, true
		}
		body, _, _ = strings.Cut(body, "\n[")
		if !found || !regexp.MustCompile(`(?m)^`+key+` = `).MatchString(body) {
			t.Errorf("setting %s of [%s] is not shown", key, table)
		}
	})
}

// settings walks over every setting with the table that it is in.
func settings(of reflect.Type, table string, f func(table, key string)) {
	for field := range of.Fields() {
		key := field.Tag.Get("toml")
		switch {
		case key == "-":
		case field.Type.Kind() == reflect.Struct:
			settings(field.Type, strings.TrimPrefix(table+"."+key, "."), f)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			settings(field.Type.Elem(), strings.TrimPrefix(table+"."+key, "."), f)
		default:
			f(table, key)
		}
	}
}
