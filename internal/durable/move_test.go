package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReserve(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Disk{}
	if made, err := d.Reserve(path); made || err != nil {
		t.Errorf("got %t, %v", made, err)
	}
	if made, err := d.Reserve(filepath.Join(dir, "y")); !made || err != nil {
		t.Errorf("got %t, %v", made, err)
	}
	if made, err := d.Reserve(filepath.Join(dir, "none", "y")); made || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %t, %v", made, err)
	}
	if made, err := failing("create").Reserve(filepath.Join(dir, "z")); made || !errors.Is(err, errFull) {
		t.Errorf("got %t, %v", made, err)
	}
	if got := list(t, dir); got != "x=old y= " {
		t.Errorf("in the directory: %q", got)
	}
}

func TestRename(t *testing.T) {
	for _, c := range []struct{ step, want string }{{"", "b=x "}, {"rename", "a=x "}, {"syncdir", "b=x "}} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := failing(c.step).Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b"))
		if errors.Is(err, errFull) != (c.step != "") {
			t.Errorf("%s: got %v", c.step, err)
		}
		if got := list(t, dir); got != c.want {
			t.Errorf("%s: in the directory: %q", c.step, got)
		}
	}
}
