package inbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/sign"
)

func TestFreeze(t *testing.T) {
	w := newWorld(t)
	a := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a", "b"))
	b := testkit.WriteFile(t, t.TempDir(), "b.xml", bytes.ReplaceAll(testkit.Dimona("c"), []byte("\r\n"), []byte("\n")))
	set, parts, err := w.spool.Freeze(t.Context(), []string{a, b}, freezeOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []string{a, b} {
		content, text := mustRead(t, w.spool.FI(set, i+1)), mustRead(t, w.spool.FS(set, i+1))
		equalBytes(t, "frozen copy", content, mustRead(t, f))
		_, err := sign.Verify(bytes.NewReader(content), text, sign.VerifyOptions{SkipChain: true, SentForm: true, Now: testkit.Now()})
		if err != nil {
			t.Errorf("signature of part %d: %v", i+1, err)
		}
		p := parts[i]
		if p.Number != i+1 || p.Source != f || p.Root != "Dimona" || p.Size != int64(len(content)) || p.SignSize != int64(len(text)) {
			t.Errorf("part %+v", p.Part)
		}
		for _, file := range []string{w.spool.FI(set, i+1), w.spool.FS(set, i+1)} {
			if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", file, info.Mode(), err)
			}
		}
	}
	if f := parts[0].Forms; len(f) != 2 || f[1].Hour != testkit.Hour(2) || f[1].References[0].Number != "b" {
		t.Errorf("forms %+v", f)
	}
	if !parts[0].LineEnds.Clean() || parts[1].LineEnds.Clean() {
		t.Errorf("line ends %+v, %+v", parts[0].LineEnds, parts[1].LineEnds)
	}
	left, err := os.ReadDir(w.spool.Dir(set))
	if err != nil || len(left) != 4 {
		t.Errorf("in the spool: %v, %v", left, err)
	}
}

func TestFreezeWithCRLF(t *testing.T) {
	w := newWorld(t)
	clean := testkit.Dimona("a", "b")
	lf := bytes.ReplaceAll(clean, []byte("\r\n"), []byte("\n"))
	file := testkit.WriteFile(t, t.TempDir(), "a.xml", lf)
	o := freezeOptions(t)
	o.CRLF = true
	set, parts, err := w.spool.Freeze(t.Context(), []string{file}, o)
	if err != nil {
		t.Fatal(err)
	}
	equalBytes(t, "frozen copy", mustRead(t, w.spool.FI(set, 1)), clean)
	equalBytes(t, "the file", mustRead(t, file), lf)
	_, err = sign.Verify(bytes.NewReader(clean), mustRead(t, w.spool.FS(set, 1)), sign.VerifyOptions{SkipChain: true, SentForm: true, Now: testkit.Now()})
	if err != nil {
		t.Errorf("signature: %v", err)
	}
	p := parts[0]
	if p.Size != int64(len(clean)) || p.Hash != sha256.Sum256(clean) || p.CRLF != p.Hash || p.Original != sha256.Sum256(lf) || !p.LineEnds.Clean() || len(p.Forms) != 2 {
		t.Errorf("%+v", p)
	}
	looked, err := inbox.Look(t.Context(), file, inbox.FreezeOptions{})
	if err != nil || looked.Hash != p.Original || looked.CRLF != p.Hash || looked.Original != p.Original || looked.LineEnds.Clean() {
		t.Errorf("%+v, %v", looked, err)
	}

	var source *inbox.SourceError
	o.MaxSize = int64(len(lf))
	if _, _, err := w.spool.Freeze(t.Context(), []string{file}, o); !errors.As(err, &source) || !errors.Is(err, inbox.ErrTooLarge) {
		t.Errorf("too large with its new line ends: %v", err)
	}
	wide := testkit.WriteFile(t, t.TempDir(), "wide.xml", []byte("\xff\xfe<\x00a\x00/\x00>\x00\n\x00"))
	if _, _, err := w.spool.Freeze(t.Context(), []string{wide}, inbox.FreezeOptions{CRLF: true}); !errors.As(err, &source) {
		t.Errorf("UTF-16: %v", err)
	}
	if looked, err := inbox.Look(t.Context(), wide, inbox.FreezeOptions{}); err != nil || looked.CRLF != looked.Hash {
		t.Errorf("UTF-16: %+v, %v", looked, err)
	}
}

func TestFreezeValidates(t *testing.T) {
	w := newWorld(t)
	file := testkit.WriteFile(t, t.TempDir(), "a.xml", bytes.ReplaceAll(testkit.Dimona("a"), []byte("\r\n"), []byte("\n")))
	malformed := testkit.WriteFile(t, t.TempDir(), "b.xml", []byte("<Dimona>"))
	broken := errors.New("broken")
	var asked []string
	o := inbox.FreezeOptions{CRLF: true, Validate: func(_ context.Context, schema string, doc io.Reader) ([]declaration.Fault, error) {
		b, err := io.ReadAll(doc)
		asked = append(asked, schema, string(b))
		return []declaration.Fault{{ID: "ACRF-312", Message: problem.New("x")}}, err
	}}
	_, parts, err := w.spool.Freeze(t.Context(), []string{file}, o)
	if err != nil || len(parts[0].Info.Faults) != 1 || parts[0].Info.OK() {
		t.Errorf("%+v, %v", parts, err)
	}
	if len(asked) != 2 || asked[0] != parts[0].Info.Schema || asked[1] != string(testkit.Dimona("a")) {
		t.Errorf("asked %q", asked)
	}
	if _, _, err := w.spool.Freeze(t.Context(), []string{malformed}, o); err != nil || len(asked) != 2 {
		t.Errorf("what is not well-formed was validated: %v", err)
	}
	o.Validate = func(context.Context, string, io.Reader) ([]declaration.Fault, error) { return nil, broken }
	before, _ := os.ReadDir(filepath.Join(w.dir, "spool"))
	if _, _, err := w.spool.Freeze(t.Context(), []string{file}, o); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if after, _ := os.ReadDir(filepath.Join(w.dir, "spool")); len(after) != len(before) {
		t.Errorf("left in the spool: %v", after)
	}
}

func TestFreezeUnsigned(t *testing.T) {
	w := newWorld(t)
	a := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	set, parts, err := w.spool.Freeze(t.Context(), []string{a}, inbox.FreezeOptions{})
	if err != nil || parts[0].SignSize != 0 {
		t.Fatal(parts, err)
	}
	if _, err := os.Stat(w.spool.FS(set, 1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is an FS: %v", err)
	}
}

func TestFreezeRefuses(t *testing.T) {
	good := testkit.WriteFile(t, t.TempDir(), "good.xml", testkit.Dimona("a"))
	for _, c := range []struct {
		name string
		file func(dir string) string
		want error
	}{
		{"empty", func(d string) string { return testkit.WriteFile(t, d, "e", nil) }, inbox.ErrEmpty},
		{"directory", func(d string) string { return d }, inbox.ErrNotRegular},
		{"too large", func(d string) string { return testkit.WriteFile(t, d, "l", make([]byte, 4097)) }, inbox.ErrTooLarge},
		{"not there", func(d string) string { return filepath.Join(d, "none") }, os.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			file := c.file(t.TempDir())
			o := freezeOptions(t)
			o.MaxSize = 4096
			_, _, err := w.spool.Freeze(t.Context(), []string{good, file}, o)
			var source *inbox.SourceError
			if !errors.Is(err, c.want) || !errors.As(err, &source) || source.Path != file {
				t.Errorf("got %v", err)
			}
			if left := w.spoolDirs(); len(left) > 0 {
				t.Errorf("in the spool: %q", left)
			}
		})
	}
}

// A file that is written to while it is copied is not taken in.
func TestFreezeChanging(t *testing.T) {
	grow := func(f string) error {
		o, err := os.OpenFile(f, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = o.Write(make([]byte, 128<<10))
		return errors.Join(err, o.Close())
	}
	for _, c := range []struct {
		name   string
		step   string // during which it changes
		change func(file string) error
	}{
		{"grows", "create", grow},
		{"grows without end", "write", grow},
		{"shrinks", "create", func(f string) error { return os.Truncate(f, 5) }},
		{"is touched", "create", func(f string) error { return os.Chtimes(f, time.Time{}, testkit.Now()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			file := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
			disk := &durable.Disk{Fault: func(step, path string) error {
				if step == c.step {
					return c.change(file)
				}
				return nil
			}}
			_, _, err := inbox.NewSpool(w.dir+"/spool", disk).Freeze(t.Context(), []string{file}, freezeOptions(t))
			if !errors.Is(err, inbox.ErrChanging) {
				t.Errorf("got %v", err)
			}
			if left := w.spoolDirs(); len(left) > 0 {
				t.Errorf("in the spool: %q", left)
			}
		})
	}
}

func TestFreezeStopped(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	if _, _, err := w.spool.Freeze(ctx, []string{file}, freezeOptions(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := w.spoolDirs(); len(left) > 0 {
		t.Errorf("in the spool: %q", left)
	}
}

func TestFreezeDiskFails(t *testing.T) {
	file := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	full := errors.New("disk full")
	for _, step := range []string{"mkdir", "create", "write", "sync", "rename", "syncdir"} {
		for _, only := range []string{"", ".FI", ".FS"} {
			if only != "" && step != "rename" {
				continue
			}
			w := newWorld(t)
			disk := &durable.Disk{Fault: func(s, path string) error {
				if s == step && strings.HasSuffix(path, only) {
					return full
				}
				return nil
			}}
			_, _, err := inbox.NewSpool(w.dir+"/spool", disk).Freeze(t.Context(), []string{file}, freezeOptions(t))
			var source *inbox.SourceError
			if !errors.Is(err, full) || errors.As(err, &source) { // the file is not at fault
				t.Errorf("%s%s: got %v", step, only, err)
			}
			if left := w.spoolDirs(); len(left) > 0 {
				t.Errorf("%s%s: in the spool: %q", step, only, left)
			}
		}
	}
}

func TestFreezeExpiredCertificate(t *testing.T) {
	w := newWorld(t)
	o := freezeOptions(t)
	o.Sign.SigningTime = testkit.Now().AddDate(5, 0, 0)
	file := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	if _, _, err := w.spool.Freeze(t.Context(), []string{file}, o); !errors.Is(err, sign.ErrExpired) {
		t.Errorf("got %v", err)
	}
	if left := w.spoolDirs(); len(left) > 0 {
		t.Errorf("in the spool: %q", left)
	}
}

func TestSettled(t *testing.T) {
	old := testkit.WriteFile(t, t.TempDir(), "old", []byte("x"))
	if err := os.Chtimes(old, time.Time{}, testkit.Now().AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	fresh := testkit.WriteFile(t, t.TempDir(), "fresh", []byte("x"))
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := inbox.Settled(stopped, []string{old}, time.Hour); err != nil {
		t.Errorf("an old file is waited for: %v", err)
	}
	if err := inbox.Settled(stopped, []string{old, fresh}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a fresh file is not waited for: %v", err)
	}
	if err := inbox.Settled(stopped, []string{fresh}, 0); err != nil {
		t.Errorf("got %v", err)
	}
	if err := inbox.Settled(t.Context(), []string{filepath.Join(t.TempDir(), "none")}, time.Hour); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Each file stands for itself.
func TestUnsettled(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	old := testkit.WriteFile(t, t.TempDir(), "old", []byte("x"))
	if err := os.Chtimes(old, time.Time{}, testkit.Now().AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	found, err := inbox.Unsettled(stopped, []string{none, old}, time.Hour)
	if err != nil || len(found) != 1 || !errors.Is(found[none], os.ErrNotExist) {
		t.Errorf("got %v, %v", found, err)
	}
}

// The clock of the bubble stands at the year 2000, so every file is from the
// future and near enough for a wait of a century.
func TestSettledWaits(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for _, changes := range []bool{false, true} {
		file := testkit.WriteFile(t, t.TempDir(), "fresh", []byte("xx"))
		synctest.Test(t, func(t *testing.T) {
			go func() {
				time.Sleep(century / 2)
				if changes {
					if err := os.Truncate(file, 1); err != nil {
						t.Error(err)
					}
				}
			}()
			start := time.Now()
			err := inbox.Settled(t.Context(), []string{file}, century)
			if errors.Is(err, inbox.ErrChanging) != changes || !changes && err != nil {
				t.Errorf("changes %t: got %v", changes, err)
			}
			if time.Since(start) != century {
				t.Errorf("waited %s", time.Since(start))
			}
		})
	}
}
