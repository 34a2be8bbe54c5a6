package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/testkit"
)

func TestStartedAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := testkit.WriteFile(t, dir, "with a space.xml", []byte("x"))
	yes, no := func() bool { return true }, func() bool { return false }
	for _, c := range []struct {
		name string
		from func() bool
		args []string
		want bool
	}{
		{"double click", yes, nil, true},
		{"files and a directory dropped", yes, []string{file, dir}, true},
		{"a shortcut", yes, []string{"submit", "--env", "T", file}, false},
		{"a terminal", no, nil, false},
		{"a file in a terminal", no, []string{file}, false},
		{"not known", nil, nil, false},
	} {
		a := &program{fromDesktop: c.from}
		if got := a.startedAlone(c.args); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// It is said in the language of the person, and nothing is sent.
func TestIntroduce(t *testing.T) {
	t.Parallel()
	for _, files := range []int{0, 1, 3} {
		for _, l := range lang.Languages() {
			var out bytes.Buffer
			a := &program{ui: &ui{streams: streams{out: &out, err: &out}, lang: l}}
			code := a.introduce(`C:\Program Files\socbatch\socbatch.exe`, files)
			if (code == exitDone) != (files == 0) || !strings.Contains(out.String(), `"C:\Program Files\socbatch\socbatch.exe" submit --env T --pause-at-end`) {
				t.Errorf("%s, %d files: %d\n%s", l, files, code, out.String())
			}
		}
	}
}

// Nobody is waited for where nobody is.
func TestPauseWithoutTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var out bytes.Buffer
	u := &ui{streams: streams{in: r, out: &out, err: &out}}
	u.pause(t.Context())
	if out.Len() > 0 {
		t.Errorf("said %q", out.String())
	}
}
