package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/internal/durable"
)

// ErrNotEdited says that a configuration file cannot be changed without a
// person: it is unchanged.
var ErrNotEdited = errors.New("the configuration file cannot be changed by a program")

// Change is a change to one setting of a table.
type Change struct {
	Table, Key string
	// Value is what it is set to, a text. A new setting comes below After.
	Value string
	After string
	// Remove takes the setting out; Rename gives it another name and leaves its
	// value.
	Remove bool
	Rename string
}

// EditFile makes changes to a configuration file and leaves every other byte,
// its mode and its owner. The file is replaced as a whole. Errors that wrap
// ErrNotEdited say that it is not written in a way, or not a file, that can be
// changed so; nothing is changed after any error.
func EditFile(disk *durable.Disk, path string, changes ...Change) error {
	path, err := filepath.EvalSymlinks(path) // a link stays a link
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a file", ErrNotEdited, path)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := Edit(string(old), changes...)
	if err != nil {
		return err
	}
	f, err := disk.Create(filepath.Dir(path), durable.NewPrefix+"*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotEdited, err)
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = keepOwner(info, f.Name())
	}
	if now, rerr := os.ReadFile(path); err == nil && (rerr != nil || !bytes.Equal(now, old)) {
		err = fmt.Errorf("%w: %s is being changed", ErrNotEdited, path)
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Commit(path)
}

// Edit makes changes to the text of a configuration. It works on whole lines;
// the result is compared with what it should mean, so that unusual ways of
// writing lead to ErrNotEdited and never to another configuration.
func Edit(text string, changes ...Change) (string, error) {
	body, mark := strings.CutPrefix(text, "\ufeff")
	want := map[string]any{}
	if _, err := toml.Decode(body, &want); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotEdited, err)
	}
	lines := strings.SplitAfter(body, "\n")
	for _, c := range changes {
		table, ok := want[c.Table].(map[string]any)
		if !ok {
			return "", fmt.Errorf("%w: there is no table [%s]", ErrNotEdited, c.Table)
		}
		at := find(lines, c.Table, c.Key)
		after := find(lines, c.Table, c.After)
		switch {
		case c.Remove && table[c.Key] == nil: // it is as it should be
		case c.Remove && at >= 0:
			lines = slices.Delete(lines, at, at+1)
			delete(table, c.Key)
		case c.Rename != "" && table[c.Key] == nil:
		case c.Rename != "" && at >= 0 && table[c.Rename] == nil:
			lines[at] = strings.Replace(lines[at], c.Key, c.Rename, 1)
			table[c.Rename] = table[c.Key]
			delete(table, c.Key)
		case c.Value != "" && at < 0 && after >= 0:
			table[c.Key] = c.Value
			lines = insert(lines, after+1, c.Key+" = "+Quote(c.Value))
		default:
			return "", fmt.Errorf("%w: no line of %s.%s that could be changed", ErrNotEdited, c.Table, c.Key)
		}
	}
	result := strings.Join(lines, "")
	got := map[string]any{}
	if _, err := toml.Decode(result, &got); err != nil || !reflect.DeepEqual(got, want) {
		return "", fmt.Errorf("%w: it is written in an unusual way", ErrNotEdited)
	}
	if mark {
		result = "\ufeff" + result
	}
	return result, nil
}

// find gives the line of a setting of a table, or -1.
func find(lines []string, table, key string) int {
	in := ""
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			in = strings.TrimSpace(name)
			continue
		}
		if name, _, ok := strings.Cut(line, "="); ok && in == table && key != "" && strings.TrimSpace(name) == key {
			return i
		}
	}
	return -1
}

// insert puts a line in at i, with the indentation and the line end of the one
// above it.
func insert(lines []string, i int, line string) []string {
	above := lines[i-1]
	indent := above[:len(above)-len(strings.TrimLeft(above, " \t"))]
	end := "\n"
	if strings.HasSuffix(above, "\r\n") {
		end = "\r\n"
	}
	if !strings.HasSuffix(above, "\n") { // the last line of the file
		lines[i-1] += end
		end = ""
	}
	return slices.Insert(lines, i, indent+line+end)
}

// Quote writes a text as TOML has it. Backslashes, as in paths of Windows, need
// not be doubled by the person who reads it.
func Quote(s string) string {
	if strings.Contains(s, `\`) && !strings.ContainsAny(s, "'\r\n\t") {
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}
