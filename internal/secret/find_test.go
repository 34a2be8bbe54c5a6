package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/socbatch/socbatch/internal/secret"
)

// The test binary is also the command that gives a password: its first argument
// says how.
func TestMain(m *testing.M) {
	if os.Getenv("SECRET_TEST_PROGRAM") != "" {
		os.Exit(program(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func program(args []string) int {
	switch args[0] {
	case "latin-1": // which no argument can be on Windows
		fmt.Print("g\xe9heim")
	case "print":
		fmt.Print(args[1])
	case "fail":
		fmt.Println("geheim")
		fmt.Fprint(os.Stderr, "no such\x1b[2J entry\n  in the store\n", strings.Repeat("x", 5000))
		return 3
	case "flood":
		fmt.Print(strings.Repeat("geheim", 20000))
	case "input": // it gets none of what is for us
		b, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%d bytes", len(b))
	case "environment":
		fmt.Printf("%q", os.Getenv("SECRET_TEST_VALUE"))
	case "hang":
		r, _, _ := os.Pipe()
		_, _ = r.Read(make([]byte, 1))
	}
	return 0
}

// kept is a keyring in memory.
type kept map[string]string

func (k kept) Get(name string) (string, error) {
	if value, ok := k[name]; ok {
		return value, nil
	}
	return "", secret.ErrNotKept
}

func (k kept) Set(name, value string) error { k[name] = value; return nil }

func (k kept) Delete(name string) error {
	_, err := k.Get(name)
	delete(k, name)
	return err
}

// everywhere has another secret in each source.
func everywhere(t *testing.T) (*secret.Finder, secret.Wanted) {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{"socbatch.p12-password": "of systemd\n", "password": "of the file\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &secret.Finder{
		Getenv:  func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": dir}[name] },
		Environ: append(os.Environ(), "SECRET_TEST_PROGRAM=1", "GORACE=atexit_sleep_ms=0"),
		Stdin:   strings.NewReader("of standard input\nsecond\nthird\n"),
		Keyring: kept{"p12:/a": "of the keyring"},
		Prompt:  func(_ context.Context, question string) (string, error) { return question + "!", nil },
		Timeout: time.Hour,
	}
	return f, secret.Wanted{
		Line: 1, Value: "of the variable", Variable: "SOCBATCH_P12_PASSWORD", CredentialName: "socbatch.p12-password",
		File: filepath.Join(dir, "password"), Command: []string{os.Args[0], "print", "of the command\nmore"}, KeyringName: "p12:/a", Question: "Password",
	}
}

// Each source goes before those that follow; without it the next one counts.
func TestOrder(t *testing.T) {
	f, w := everywhere(t)
	for _, step := range []struct {
		source secret.Source
		value  string
		detail string
		drop   func()
	}{
		{secret.Stdin, "of standard input", "", func() { w.Line = 0 }},
		{secret.Variable, "of the variable", "SOCBATCH_P12_PASSWORD", func() { w.Value = "" }},
		{secret.Credential, "of systemd", "socbatch.p12-password", func() { f.Getenv = func(string) string { return "" } }},
		{secret.File, "of the file", w.File, func() { w.File = "" }},
		{secret.Command, "of the command", os.Args[0], func() { w.Command = nil }},
		{secret.InKeyring, "of the keyring", "p12:/a", func() { f.Keyring = kept{} }},
		{secret.Terminal, "Password!", "", func() { w.Question = "" }},
	} {
		where, err := f.Where(t.Context(), w)
		value, found, ferr := f.Find(t.Context(), w)
		if err != nil || ferr != nil || value != step.value || found != where || found.Source != step.source || found.Detail != step.detail {
			t.Errorf("%s: where %+v, %v; found %q in %+v, %v", step.source, where, err, value, found, ferr)
		}
		step.drop()
	}
	_, err := f.Where(t.Context(), w)
	_, _, ferr := f.Find(t.Context(), w)
	if !errors.Is(err, secret.ErrNoTerminal) || !errors.Is(ferr, secret.ErrNoTerminal) {
		t.Errorf("got %v, %v", err, ferr)
	}
}

// What is named and cannot be read is not passed over.
func TestNamedSourceFails(t *testing.T) {
	for name, change := range map[string]func(*secret.Finder, *secret.Wanted){
		"file": func(_ *secret.Finder, w *secret.Wanted) { w.File += "x" },
		"command": func(_ *secret.Finder, w *secret.Wanted) {
			w.File, w.Command = "", []string{filepath.Join(t.TempDir(), "none")}
		},
		"standard input": func(f *secret.Finder, w *secret.Wanted) { w.Line, f.Stdin = 1, strings.NewReader("") },
		"credential": func(f *secret.Finder, w *secret.Wanted) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.CredentialName, f.Getenv = "x", func(string) string { return dir }
		},
		"terminal": func(f *secret.Finder, w *secret.Wanted) {
			*w = secret.Wanted{Question: "?"}
			f.Prompt = func(context.Context, string) (string, error) { return "geheim", errors.New("hung up") }
		},
	} {
		f, w := everywhere(t)
		w.Line, w.Value, w.CredentialName = 0, "", ""
		change(f, &w)
		value, _, err := f.Find(t.Context(), w)
		if err == nil || errors.Is(err, secret.ErrNoTerminal) || value != "" || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %q, %v", name, value, err)
		}
	}
}

// An empty password file is an empty password; so is an empty line.
func TestEmpty(t *testing.T) {
	f, w := everywhere(t)
	if err := os.WriteFile(w.File, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Stdin = strings.NewReader("\n")
	for _, w := range []secret.Wanted{{File: w.File, Question: "?"}, {Line: 1, Value: "x"}} {
		if value, found, err := f.Find(t.Context(), w); value != "" || err != nil || found.Source == secret.Terminal {
			t.Errorf("got %q of %+v, %v", value, found, err)
		}
	}
}

// A line is what was given on standard input in that place, whoever comes
// first, and nothing behind it is read.
func TestStdin(t *testing.T) {
	in := strings.NewReader("\xef\xbb\xbfpassphrase\r\npassword\nfor another program\n")
	f := &secret.Finder{Stdin: in}
	for _, c := range []struct {
		line int
		want string
	}{{2, "password"}, {1, "passphrase"}, {2, "password"}} {
		if value, _, err := f.Find(t.Context(), secret.Wanted{Line: c.line}); value != c.want || err != nil {
			t.Errorf("line %d: %q, %v", c.line, value, err)
		}
	}
	if rest, _ := io.ReadAll(in); string(rest) != "for another program\n" {
		t.Errorf("left: %q", rest)
	}
	for name, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"no line end":    {strings.NewReader("geheim"), "geheim"},
		"nothing":        {strings.NewReader(""), ""},
		"without an end": {io.MultiReader(strings.NewReader(strings.Repeat("geheim", 20000)), never{t}), ""},
		"broken":         {io.MultiReader(strings.NewReader("ge"), broken{}), ""},
		"UTF-16":         {strings.NewReader("g\x00e\x00h\x00"), ""},
	} {
		f := &secret.Finder{Stdin: c.in}
		value, _, err := f.Find(t.Context(), secret.Wanted{Line: 1})
		if value != c.want || (err == nil) != (c.want != "") || err != nil && strings.Contains(err.Error(), "heim") {
			t.Errorf("%s: got %.20q, %v", name, value, err)
		}
	}
}

// never is not to be read.
type never struct{ t *testing.T }

func (n never) Read([]byte) (int, error) {
	n.t.Error("read on")
	return 0, io.EOF
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// Where standard input is a terminal the person is asked at once, whatever the
// other sources have; and no question is put twice.
func TestStdinIsATerminal(t *testing.T) {
	f, w := everywhere(t)
	f.Stdin = nil
	asked := 0
	f.Prompt = func(context.Context, string) (string, error) { asked++; return "typed", nil }
	for range 2 {
		if value, found, err := f.Find(t.Context(), w); value != "typed" || found.Source != secret.Terminal || err != nil {
			t.Errorf("got %q in %+v, %v", value, found, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestCommand(t *testing.T) {
	f, _ := everywhere(t)
	f.Environ = append(f.Environ, "SECRET_TEST_VALUE=v")
	for _, c := range []struct {
		args []string
		want string
		err  string
	}{
		{[]string{"print", "geheim"}, "geheim", ""},
		{[]string{"print", "geheim\r\nusername: ann\n"}, "geheim", ""},
		{[]string{"print", " $HOME "}, " $HOME ", ""},
		{[]string{"input"}, "0 bytes", ""},
		{[]string{"environment"}, `"v"`, ""},
		{[]string{"print", ""}, "", "printed no password"},
		{[]string{"print", "\nsecond"}, "", "printed no password"},
		{[]string{"latin-1"}, "", "not UTF-8"},
		{[]string{"flood"}, "", "too much"},
		{[]string{"fail"}, "", "failed (exit status 3): no such [2J entry in the store xxx"},
	} {
		value, found, err := f.Find(t.Context(), secret.Wanted{Command: append([]string{os.Args[0]}, c.args...)})
		switch {
		case value != c.want || found.Source != secret.Command || (err == nil) != (c.err == ""):
			t.Errorf("%q: got %q, %v", c.args, value, err)
		case err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), os.Args[0]) || strings.Contains(err.Error(), "heim") || len(err.Error()) > 2000):
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

// A command that hangs is ended: when its time is up, and on Ctrl-C.
func TestCommandHangs(t *testing.T) {
	f, _ := everywhere(t)
	hang := secret.Wanted{Command: []string{os.Args[0], "hang"}}
	f.Timeout = time.Millisecond
	if _, _, err := f.Find(t.Context(), hang); err == nil || !strings.Contains(err.Error(), "within 1ms") {
		t.Errorf("got %v", err)
	}
	f.Timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, _, err := f.Find(ctx, hang); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The real library against its own stand-in.
func TestSystemKeyring(t *testing.T) {
	keyring.MockInit()
	bus := func(name string) string {
		return map[string]string{"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}[name]
	}
	k := secret.SystemKeyring(bus)
	f := &secret.Finder{Keyring: k, Timeout: time.Hour}
	w := secret.Wanted{KeyringName: "p12:/a"}
	if _, _, err := f.Find(t.Context(), w); !errors.Is(err, secret.ErrNoTerminal) {
		t.Errorf("got %v", err)
	}
	if err := secret.Forget(t.Context(), k, time.Hour, "p12:/a"); !errors.Is(err, secret.ErrNotKept) {
		t.Errorf("got %v", err)
	}
	for name, value := range map[string]string{"p12:/a": "geheim", "p12:/b": "other"} {
		if err := secret.Keep(t.Context(), k, time.Hour, name, value); err != nil {
			t.Fatal(err)
		}
	}
	if value, found, err := f.Find(t.Context(), w); value != "geheim" || found.Source != secret.InKeyring || err != nil {
		t.Errorf("got %q, %+v, %v", value, found, err)
	}
	if err := secret.Forget(t.Context(), k, time.Hour, "p12:/a"); err != nil {
		t.Error(err)
	}
	if _, _, err := f.Find(t.Context(), w); !errors.Is(err, secret.ErrNoTerminal) {
		t.Errorf("got %v", err)
	}
	if value, err := k.Get("p12:/b"); value != "other" || err != nil {
		t.Errorf("got %q, %v", value, err)
	}

	// One that does not work is passed over, and told of once.
	keyring.MockInitWithError(errors.New("no such service"))
	var trouble []string
	f.Trouble = func(err error) { trouble = append(trouble, err.Error()) }
	f.Prompt = func(context.Context, string) (string, error) { return "typed", nil }
	w.Question = "?"
	for range 2 {
		if value, _, err := f.Find(t.Context(), w); value != "typed" || err != nil {
			t.Errorf("got %q, %v", value, err)
		}
	}
	if strings.Join(trouble, "|") != "no such service" {
		t.Errorf("%q", trouble)
	}
	if err := secret.Keep(t.Context(), k, time.Hour, "p12:/a", "geheim"); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v", err)
	}

	// Where there is no message bus there is none.
	if k := secret.SystemKeyring(func(string) string { return "" }); runtime.GOOS == "linux" && k != nil {
		t.Errorf("%T", k)
	}
}

// deaf is a keyring that answers only when it is told to.
type deaf struct{ answer chan struct{} }

func (d deaf) Get(string) (string, error) { <-d.answer; return "too late", nil }
func (d deaf) Set(string, string) error   { <-d.answer; return nil }
func (d deaf) Delete(string) error        { <-d.answer; return nil }

// A keyring that hangs is waited for once, not for long, in a time of its own.
func TestKeyringHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := deaf{make(chan struct{})}
		defer close(k.answer)
		told := 0
		f := &secret.Finder{
			Keyring: k, Timeout: time.Hour, Trouble: func(error) { told++ },
			Prompt: func(context.Context, string) (string, error) { return "typed", nil },
		}
		begin := time.Now()
		for range 2 {
			if value, _, err := f.Find(t.Context(), secret.Wanted{KeyringName: "p12:/a", Question: "?"}); value != "typed" || err != nil {
				t.Errorf("got %q, %v", value, err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second || told != 1 {
			t.Errorf("%v, told %d times", took, told)
		}
		begin = time.Now()
		for what, err := range map[string]error{
			"keep":   secret.Keep(t.Context(), k, time.Minute, "p12:/a", "geheim"),
			"forget": secret.Forget(t.Context(), k, time.Minute, "p12:/a"),
		} {
			if err == nil || !strings.Contains(err.Error(), "did not answer within 1m0s") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if took := time.Since(begin); took != 2*time.Minute {
			t.Errorf("%v", took)
		}

		// Ctrl-C ends the wait, and the search.
		f.Keyring = k
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, _, err := f.Find(ctx, secret.Wanted{KeyringName: "p12:/a", Question: "?"}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true, 0o666: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := secret.ReadByOthers(file); got != want {
			t.Errorf("%#o: %v", mode, got)
		}
	}
	if secret.ReadByOthers(file+"x") || secret.ReadByOthers(filepath.Dir(file)) {
		t.Error("no file, or a directory")
	}
}
