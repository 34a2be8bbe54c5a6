package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
)

var (
	addNext = config.Change{Table: "endpoint", Key: "next_key", Value: "new", After: "key"}
	finish  = []config.Change{
		{Table: "endpoint", Key: "key", Remove: true}, {Table: "endpoint", Key: "key_passphrase_file", Remove: true},
		{Table: "endpoint", Key: "next_key", Rename: "key"}, {Table: "endpoint", Key: "next_key_passphrase_file", Rename: "key_passphrase_file"},
	}
)

func TestEdit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		changes    []config.Change
		want       string
	}{
		{
			"a new setting", "# mine\n[endpoint] # e\nkey = \"old\" # k\n\n[identity]\nkey = 1\n", []config.Change{addNext},
			"# mine\n[endpoint] # e\nkey = \"old\" # k\nnext_key = \"new\"\n\n[identity]\nkey = 1\n",
		},
		{"line ends of Windows and a mark", "\ufeff[endpoint]\r\n\tkey = 'o'\r\n", []config.Change{addNext}, "\ufeff[endpoint]\r\n\tkey = 'o'\r\n\tnext_key = \"new\"\r\n"},
		{"no last line end", "[endpoint]\nkey='o'", []config.Change{addNext}, "[endpoint]\nkey='o'\nnext_key = \"new\""},
		{
			"one takes the place of the other", "[endpoint]\nkey = 'o'\nkey_passphrase_file = 'p'\n# next\nnext_key = 'n' # made in May\nport = 1\n", finish,
			"[endpoint]\n# next\nkey = 'n' # made in May\nport = 1\n",
		},
		{
			"with its passphrase", "[endpoint]\nnext_key_passphrase_file = 'q'\nkey = 'o'\nnext_key = 'n'\n", finish,
			"[endpoint]\nkey_passphrase_file = 'q'\nkey = 'n'\n",
		},
		{
			"a comment and a text that look like it", "[endpoint]\n#key = 'x'\nuser = '''\nb'''\nkey = 'o'\n", []config.Change{addNext},
			"[endpoint]\n#key = 'x'\nuser = '''\nb'''\nkey = 'o'\nnext_key = \"new\"\n",
		},
	} {
		got, err := config.Edit(c.text, c.changes...)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.name, err, got, c.want)
		}
	}
}

// What is written in another way is left to the person.
func TestEditRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a dotted key":       "endpoint.key = 'o'\n",
		"an inline table":    "endpoint = {key = 'o'}\n",
		"a quoted key":       "[endpoint]\n'key' = 'o'\n",
		"no such setting":    "[endpoint]\nport = 1\n",
		"no such table":      "sender = '1'\n",
		"inside a long text": "[endpoint]\nuser = '''\nkey = 1\n'''\n'key' = 'o'\n",
		"there already":      "[endpoint]\nkey = 'o'\nnext_key = 'n'\n",
		"broken":             "[endpoint\nkey = 'o'\n",
		"over several lines": "[endpoint]\nkey = '''o\n'''\n",
	} {
		if got, err := config.Edit(text, addNext); !errors.Is(err, config.ErrNotEdited) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{`a b`: `"a b"`, `C:\keys\id`: `'C:\keys\id'`, `it's\x`: `"it's\\x"`, `a"b`: `"a\"b"`} {
		if got := config.Quote(in); got != want {
			t.Errorf("%s: %s instead of %s", in, got, want)
		}
	}
}

func TestEditFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file.toml")
	link := filepath.Join(dir, "link.toml")
	const text = "[endpoint]\nkey = 'o'\n"
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	path := file
	if runtime.GOOS != "windows" {
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		path = link
	}
	broken := errors.New("disk full")
	for _, step := range []string{"create", "write", "sync", "rename"} {
		disk := &durable.Disk{Fault: func(s, _ string) error {
			if s == step {
				return broken
			}
			return nil
		}}
		if err := config.EditFile(disk, path, addNext); !errors.Is(err, broken) {
			t.Errorf("%s: %v", step, err)
		}
		if got, err := os.ReadFile(file); string(got) != text || err != nil {
			t.Errorf("%s: %q, %v", step, got, err)
		}
	}
	if err := config.EditFile(&durable.Disk{}, path, addNext); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || !strings.HasSuffix(string(got), "next_key = \"new\"\n") {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Lstat(path); err != nil || path == link && info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := config.EditFile(&durable.Disk{}, dir, addNext); err == nil {
		t.Error("a directory is edited")
	}
}
