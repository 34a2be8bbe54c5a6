package cli

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const tutorial = "../../docs/tutorial.md"

// tutorialStep is a command of the tutorial, and what the tutorial says that it prints.
type tutorialStep struct {
	line    int // of the command in the document
	command string
	output  string
}

// The tutorial's commands, word for word and in their order, print what it
// says, on a machine that has nothing but the program.
func TestTutorial(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(tutorial)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"HOME=" + home, "LANG=C", "PATH=" + filepath.Dir(builtProgram(t)) + string(filepath.ListSeparator) + os.Getenv("PATH"),
	}
	command := func(line string) *exec.Cmd {
		words := strings.Fields(line)
		c := exec.Command(words[0], words[1:]...) // the stand-in outlives the context of the test
		if words[0] == "socbatch" {
			c.Path, c.Err = builtProgram(t), nil
		}
		c.Dir, c.Env = dir, environ
		return c
	}
	var out strings.Builder
	runs := 0
	rest := string(text)
	for _, s := range tutorialSteps(rest) {
		var got string
		switch s.command {
		case "socbatch sandbox":
			got = startInSecondWindow(t, command(s.command))
		case "socbatch run":
			if runs++; runs == 2 { // "a moment later"
				awaitNotification(t, filepath.Join(home, ".config", "socbatch", "sandbox"))
			}
			fallthrough
		default:
			b, err := command(s.command).CombinedOutput()
			if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
				t.Fatalf("tutorial.md:%d: %s: %v", s.line, s.command, err)
			}
			got = string(b)
		}
		got = strings.ReplaceAll(got, home, "~")
		got = strings.ReplaceAll(got, dir+string(filepath.Separator), "")
		if masked(got) != masked(s.output) && !*update {
			t.Errorf("tutorial.md:%d: %s prints\n%s\ninstead of\n%s", s.line, s.command, got, s.output)
		}
		before, after, _ := strings.Cut(rest, "$ "+s.command+"\n"+s.output)
		out.WriteString(before + "$ " + s.command + "\n" + got)
		rest = after
	}
	if *update {
		if err := os.WriteFile(tutorial, []byte(out.String()+rest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tutorialSteps are the commands of the document.
func tutorialSteps(text string) []tutorialStep {
	var steps []tutorialStep
	inside := false
	n := 0
	for line := range strings.Lines(text) {
		n++
		switch {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			steps = append(steps, tutorialStep{line: n, command: strings.TrimSpace(line[2:])})
		case inside && len(steps) > 0:
			steps[len(steps)-1].output += line
		}
	}
	return steps
}

// startInSecondWindow starts the stand-in, and gives what it prints before it
// waits.
func startInSecondWindow(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = w, w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			t.Errorf("the stand-in: %v", err)
		}
		_ = r.Close()
	})
	_ = w.Close()
	var b bytes.Buffer
	for lines := bufio.NewScanner(r); lines.Scan(); {
		b.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Ctrl-C") {
			return b.String()
		}
	}
	t.Fatalf("the stand-in ended: %s", b.String())
	return ""
}

// awaitNotification waits until the stand-in has answered what the first run
// sent: the notification waits on the server, or is here already.
func awaitNotification(t *testing.T, sandbox string) {
	t.Helper()
	for t.Context().Err() == nil {
		for _, pattern := range []string{"server/OUTTEST/GO.NOTI.*", "state/replies/T/*/FO.NOTI.*.00002.T"} {
			found, err := filepath.Glob(filepath.Join(sandbox, filepath.FromSlash(pattern)))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) > 0 {
				return
			}
		}
		runtime.Gosched()
	}
}

// masks are what differs from run to run.
var masks = []struct{ pattern, as string }{
	{`SHA256:[A-Za-z0-9+/]{43}`, "SHA256:…"},
	{`127\.0\.0\.1:\d+`, "127.0.0.1:…"},
	{`\b20\d{6}\b`, "YYYYMMDD"},
	{`\b20\d\d-\d\d-\d\d( \d\d:\d\d)?`, "YYYY-MM-DD"},
	{`34\d{11}`, "TICKET"},
	{`[0-9.]+ [MGT]B`, "SPACE"},
	{`days left: \d+`, "days left: N"},
	{`(?m)^(\S+ +YYYY-MM-DD +)(<1m|\d+m)( )`, "${1}AGE${3}"},
	// When an answer comes, and in which order, is up to the stand-in.
	{`(?m)^stored .*\n`, ""},
	{`\d+ (reply|replies) stored`, "N replies stored"},
}

func masked(s string) string {
	for _, m := range masks {
		s = regexp.MustCompile(m.pattern).ReplaceAllString(s, m.as)
	}
	return s
}
