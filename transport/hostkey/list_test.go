package hostkey

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

func TestList(t *testing.T) {
	k := keys()
	file := write(t, "# c", line("[sftp.example.be]:8022,10.0.0.1", k["ed1"])+" a comment", "", "@revoked "+line("*", k["ed2"]),
		line(xknownhosts.HashHostname("[sftp.example.be]:8022"), k["rsa"]), "x ssh-new AAAAB3NzaC1uZXcAAAABeA==")
	// A type that nobody knows: "ssh-new" in the key as well.
	lines, err := List(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 4 {
		t.Fatalf("%+v", lines)
	}
	first := lines[0]
	if first.Number != 2 || first.File != file || first.Fingerprint != Fingerprint(k["ed1"]) || first.KeyType != "ssh-ed25519" || first.Marker != "" ||
		!slices.Equal(first.Hosts, []string{"[sftp.example.be]:8022", "10.0.0.1"}) || !first.Names(host) || !first.Names("10.0.0.1:22") || first.Names("10.0.0.1:8022") {
		t.Errorf("%+v", first)
	}
	if lines[1].Marker != "@revoked" || lines[1].Number != 4 || lines[2].Names(host) || lines[3].Fingerprint != "" || lines[3].KeyType != "ssh-new" {
		t.Errorf("%+v", lines)
	}
	if none, err := List(filepath.Join(t.TempDir(), "none")); none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
	var damaged *FileError
	if _, err := List(write(t, "# c", "x ssh-rsa AAA")); !errors.As(err, &damaged) || damaged.Line != 2 {
		t.Errorf("got %v", err)
	}
}

func TestHost(t *testing.T) {
	for name, want := range map[string]string{
		"[sftp.example.be]:8022": "sftp.example.be:8022", "sftp.example.be": "sftp.example.be:22", "[::1]:8022": "[::1]:8022", "::1": "[::1]:22",
		"*.example.be": "*.example.be", "!x": "!x", "|1|a|b": "|1|a|b",
	} {
		if got := Host(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestRemove(t *testing.T) {
	k := keys()
	kept := []string{"# kept, with its odd  spaces\r", "@revoked " + line("*", k["ed1"]), line("other", k["ed1"])}
	file := write(t, kept[0], line("[sftp.example.be]:8022", k["ed1"]), kept[1], kept[2])
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := Remove(file, func(l Line) bool { return l.Names("nobody:1") }); len(gone) > 0 || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	if _, err := os.Stat(file + OldSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing was removed, and there is an old file: %v", err)
	}
	gone, err := Remove(file, func(l Line) bool { return l.Names(host) || l.Marker != "" })
	if err != nil || len(gone) != 1 || gone[0].Number != 2 {
		t.Fatalf("%v, %v", gone, err)
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != strings.Join(kept, "\n")+"\n" {
		t.Errorf("%q, %v", after, err)
	}
	if old, err := os.ReadFile(file + OldSuffix); err != nil || string(old) != string(before) {
		t.Errorf("%q, %v", old, err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	v, err := New(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Check("other:22", k["ed1"]); !errors.Is(err, ErrRevoked) {
		t.Errorf("the revocation is gone: %v", err)
	}
	if gone, err := Remove(filepath.Join(t.TempDir(), "none"), func(Line) bool { return true }); gone != nil || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	// A damaged file stays as it is.
	damaged := write(t, line("x", k["ed1"]), "x ssh-rsa AAA")
	if gone, err := Remove(damaged, func(Line) bool { return true }); gone != nil || err == nil {
		t.Errorf("%v, %v", gone, err)
	}
}

func TestAccepted(t *testing.T) {
	k := keys()
	file := write(t, "# c", line("[sftp.example.be]:8022", k["ed1"]))
	v, err := New([]string{Fingerprint(k["rsa"])}, file)
	if err != nil {
		t.Fatal(err)
	}
	if by, ok := v.Accepted(host, k["ed1"]); !ok || by.File != file || by.Line != 2 {
		t.Errorf("%v, %v", by, ok)
	}
	if by, ok := v.Accepted(host, k["rsa"]); !ok || by.File != "" || by.Fingerprint != Fingerprint(k["rsa"]) {
		t.Errorf("%v, %v", by, ok)
	}
	for _, name := range []string{"ed2", "ecdsa"} {
		if by, ok := v.Accepted(host, k[name]); ok {
			t.Errorf("%s: %v", name, by)
		}
	}
}
