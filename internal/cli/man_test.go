package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const referenceFile = "../../docs/reference.md"

// needsSlashes skips a test in whose golden file is where the configuration lies.
func needsSlashes(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the golden file has the paths of Unix")
	}
}

// docs/reference.md says what the help says.
func TestReference(t *testing.T) {
	t.Parallel()
	needsSlashes(t)
	var b bytes.Buffer
	if err := newManual().writeReference(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(referenceFile, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the commands say: \"make docs\" writes it anew", referenceFile)
	}
}

// pages writes the manual pages at a moment, with SOURCE_DATE_EPOCH.
func pages(t *testing.T, now time.Time, epoch string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	a := &program{
		ui: &ui{streams: streams{out: io.Discard, err: io.Discard}}, now: func() time.Time { return now },
		getenv: func(name string) string { return map[string]string{"SOURCE_DATE_EPOCH": epoch}[name] },
	}
	if err := runMan(a, dir); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, section := range []string{"man1", "man7"} {
		files, err := os.ReadDir(filepath.Join(dir, section))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, section, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all[f.Name()] = string(text)
		}
	}
	return all
}

// Each command and topic has a page, which is the same whenever it is written.
func TestManualPages(t *testing.T) {
	t.Parallel()
	const epoch = "1764028800" // 2025-11-25
	all := pages(t, time.Unix(1, 0), epoch)
	for name, again := range pages(t, time.Unix(2, 0), epoch) {
		if all[name] != again {
			t.Errorf("%s is not the same a second time", name)
		}
	}
	for _, c := range newManual().commands() {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		for _, part := range []string{`"2025-11-25"`, ".SH SYNOPSIS\n", ".SH EXIT STATUS\n"} {
			if !strings.Contains(all[name], part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
	}
	for _, x := range topics() {
		if name := "socbatch-" + x.name + ".7"; !strings.Contains(all[name], ".SH DESCRIPTION\n") {
			t.Errorf("%s has no description", name)
		}
	}
	if !strings.Contains(all["socbatch-hostkey-accept.1"], "SHA256:FINGERPRINT") {
		t.Error("a command below another has no page of its own")
	}
}

// Programs that show manual pages find nothing wrong with them.
func TestManualPagesAreWellFormed(t *testing.T) {
	t.Parallel()
	tools := map[string][]string{"mandoc": {"-T", "lint", "-W", "warning"}, "groff": {"-man", "-Tutf8", "-z", "-ww", "-k"}}
	dir := t.TempDir()
	var files []string
	for name, text := range pages(t, time.Unix(1, 0), "") {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	for tool, args := range tools {
		t.Run(tool, func(t *testing.T) {
			path, err := exec.LookPath(tool)
			if err != nil {
				t.Skip("needs ", tool)
			}
			out, err := exec.CommandContext(t.Context(), path, append(args, files...)...).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
