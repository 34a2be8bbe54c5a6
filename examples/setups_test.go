package examples

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// tool finds a program that checks an example, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("needs ", name)
	}
	return path
}

func passes(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// systemd finds nothing wrong with the units.
func TestUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"socbatch.service", "socbatch.timer"} {
		// The program need not be installed here.
		text := strings.Replace(read(t, "systemd/"+name), "ExecStart=socbatch ", "ExecStart=/bin/sh ", 1)
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	passes(t, analyze, append([]string{"verify", "--man=no"}, files...)...)
	// 0 is a service that can do nothing, 100 one that can do everything.
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=15", "--no-pager", files[0]).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The unit says of each exit code whether it is a success, worth another try, or
// neither.
func TestUnitKnowsEveryExitCode(t *testing.T) {
	unit := read(t, "systemd/socbatch.service")
	all := []string{"0", "5"}
	for _, setting := range []string{"SuccessExitStatus", "RestartPreventExitStatus"} {
		m := regexp.MustCompile(`(?m)^` + setting + `=(.*)$`).FindStringSubmatch(unit)
		if m == nil {
			t.Fatalf("no %s", setting)
		}
		all = append(all, strings.Fields(m[1])...)
	}
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(read(t, "../docs/exit-codes.md"), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(all)
	slices.Sort(documented)
	if len(documented) == 0 || !slices.Equal(all, documented) {
		t.Errorf("the unit knows %v, documented are %v", all, documented)
	}
}

// utf8Of is a text of UTF-16 with a byte order mark.
func utf8Of(t *testing.T, text string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(text, "\xff\xfe")
	if !ok || len(rest)%2 != 0 {
		t.Fatal("not UTF-16 with a byte order mark")
	}
	words := make([]uint16, len(rest)/2)
	if _, err := binary.Decode([]byte(rest), binary.LittleEndian, words); err != nil {
		t.Fatal(err)
	}
	return string(utf16.Decode(words))
}

// The files for Windows and macOS are well-formed, and give the command that the
// others give.
func TestTaskAndAgent(t *testing.T) {
	task := utf8Of(t, read(t, "windows/socbatch-task.xml"))
	if strings.Count(task, "\r\n") != strings.Count(task, "\n") {
		t.Error("line ends of the task are not all CRLF")
	}
	for name, text := range map[string]string{"task": task, "agent": read(t, "launchd/socbatch.run.plist")} {
		d := xml.NewDecoder(strings.NewReader(text))
		d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is decoded already
		var words strings.Builder
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if c, ok := token.(xml.CharData); ok {
				words.Write(append(bytes.TrimSpace(c), ' '))
			}
		}
		if !strings.Contains(strings.Join(strings.Fields(words.String()), " "), "run --env R") {
			t.Errorf("the %s does not run: %s", name, words.String())
		}
	}
	t.Run("xmllint", func(t *testing.T) {
		passes(t, tool(t, "xmllint"), "--nonet", "--noout", "windows/socbatch-task.xml", "launchd/socbatch.run.plist")
	})
}

// What cron gives to the shell is right for it.
func TestCrontab(t *testing.T) {
	shell := tool(t, "sh")
	jobs := 0
	for line := range strings.Lines(read(t, "crontab")) {
		m := regexp.MustCompile(`^[-*/0-9]+( [-*/0-9]+){4} +(.*)\n$`).FindStringSubmatch(line)
		if m == nil {
			if !regexp.MustCompile(`^(#.*|[A-Z]+=.*|)\n$`).MatchString(line) {
				t.Errorf("cron does not know: %s", line)
			}
			continue
		}
		jobs++
		command := strings.ReplaceAll(m[2], `\%`, "%")
		if strings.Count(m[2], "%") != strings.Count(m[2], `\%`) {
			t.Errorf("cron takes %% for a line end: %s", m[2])
		}
		passes(t, shell, "-n", "-c", command)
	}
	if jobs != 2 {
		t.Errorf("%d jobs instead of 2", jobs)
	}
}
