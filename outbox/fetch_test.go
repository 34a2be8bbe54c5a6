package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/transport"
)

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		reply []string // in the ledger afterwards
	}{
		{"six fields", []string{name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}, []string{name("FO", 1, "")}},
		{"no signature", []string{name("FO", 1, ""), name("GO", 1, "")}, []string{name("FO", 1, "")}},
		{"compressed", []string{name("CO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}, []string{name("CO", 1, "")}},
		{"both", []string{name("CO", 1, ""), name("FO", 1, ""), name("GO", 1, "")}, []string{name("CO", 1, ""), name("FO", 1, "")}},
		{"parts, one GO", []string{name("FO", 1, ".2.1"), name("FO", 1, ".2.2"), name("FS", 1, ".2.1"), name("FS", 1, ".2.2"), name("GO", 1, ".2")},
			[]string{name("FO", 1, ".2.1"), name("FO", 1, ".2.2")}},
		{"parts, a GO each", []string{name("FO", 1, ".2.1"), name("FO", 1, ".2.2"), name("GO", 1, ".2.1"), name("GO", 1, ".2.2")},
			[]string{name("FO", 1, ".2.1"), name("FO", 1, ".2.2")}},
		{"several sets", []string{name("FO", 1, ""), name("FO", 2, ".1.1"), name("GO", 1, ""), name("GO", 2, ".1")}, []string{name("FO", 1, ""), name("FO", 2, ".1.1")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(c.files...)
			report := w.ok()
			for _, s := range report.Sets {
				if !s.New || !s.Deleted || s.GO == "" {
					t.Errorf("%+v", s)
				}
			}
			w.wantServer()
			w.wantStored(c.reply...)
			for _, r := range w.replies() {
				if r.DeletedAt.IsZero() || !strings.HasPrefix(r.Path, "T/2026-03-02/") {
					t.Errorf("%+v", r)
				}
				signed := slices.Contains(c.files, "FS"+r.Name[2:])
				if signed != (r.FSPath != "") {
					t.Errorf("%s has the signature %q", r.Name, r.FSPath)
				}
			}
			if again := w.ok(); len(again.Sets) != 0 {
				t.Errorf("again: %+v", again.Sets)
			}
		})
	}
}

func TestFetchLeaves(t *testing.T) {
	w := newWorld(t)
	odd := []string{
		"../../etc/passwd", "/etc/passwd", "FO.NOTI/../../x", `C:\x`, "CON", ".", "..", "", "README", "a\nb", "\x1b[31m", "\xff",
		strings.Repeat("x", 5000), "fo.noti.999999.20260302.00001.T", "FO.NOTI.999999.20260230.00001.T", "FI.NOTI.999999.20260302.00077.T.1.1",
	}
	for _, n := range odd {
		w.shown = append(w.shown, transport.Entry{Name: n, Size: 1, Type: transport.TypeFile})
	}
	w.shown = append(w.shown,
		transport.Entry{Name: name("FO", 8, ""), Type: transport.TypeDir},
		transport.Entry{Name: name("GO", 8, ""), Type: transport.TypeFile},
		transport.Entry{Name: name("GO", 9, ""), Type: transport.TypeOther})
	w.put(name("FO", 1, ""), name("GO", 1, ""))       // complete
	w.put(name("FO", 2, ""), name("FS", 2, ""))       // no GO yet
	w.put(name("FS", 3, ""))                          // alone
	w.put(name("FO", 4, ".2.1"), name("GO", 4, ".2")) // a part is missing
	w.put(name("FO", 5, ".1.1"), name("GO", 5, ""))   // of two forms
	report := w.fetch()
	got := map[outbox.LeftReason]int{}
	for _, l := range report.Left {
		got[l.Reason]++
		if l.Detail == nil || len(l.Name) > 300 {
			t.Errorf("left: %+v", l)
		}
	}
	if got[outbox.LeftUnknown] != len(odd)+2 || got[outbox.LeftIncomplete] != 3 || got[outbox.LeftAlone] != 1 {
		t.Errorf("left: %v of %d odd names", got, len(odd))
	}
	incomplete := 0
	for _, s := range report.Sets {
		var e *outbox.IncompleteError
		if errors.As(s.Err, &e) {
			incomplete++
		} else if s.Err != nil || s.Key != "NOTI.999999.20260302.00001.T" {
			t.Errorf("%+v", s)
		}
	}
	if incomplete != 3 {
		t.Errorf("%d sets are incomplete", incomplete)
	}
	w.wantStored(name("FO", 1, ""))
	if n := len(w.onServer()); n != 7 {
		t.Errorf("%d files left: %q", n, w.onServer())
	}
	entries, err := os.ReadDir(filepath.Dir(w.archive))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(w.archive) && !strings.HasPrefix(e.Name(), "ledger.db") {
			t.Errorf("%s was made beside the archive", e.Name())
		}
	}
	// When the rest comes, the set is taken.
	w.put(name("GO", 2, ""), name("FO", 4, ".2.2"))
	w.fetch()
	w.wantStored(name("FO", 1, ""), name("FO", 2, ""), name("FO", 4, ".2.1"), name("FO", 4, ".2.2"))
}

func TestFetchNameTwiceInListing(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, ""))
	for _, n := range w.onServer() {
		w.shown = append(w.shown, transport.Entry{Name: n, Size: int64(len(w.files["OUTTEST/"+n])), Type: transport.TypeFile})
	}
	w.ok()
	w.shown = nil
	w.wantServer()
	w.wantStored(name("FO", 1, ""))
}

// A run may be killed, or fail, at every step: whatever was done before, the
// next runs bring everything home once, and delete nothing that is not safe.
func TestFetchBrokenAnywhere(t *testing.T) {
	files := []string{
		name("FO", 1, ".2.1"), name("FS", 1, ".2.1"), name("FO", 1, ".2.2"), name("GO", 1, ".2"),
		name("CO", 2, ""), name("FS", 2, ""), name("GO", 2, ""),
	}
	stored := []string{name("CO", 2, ""), name("FO", 1, ".2.1"), name("FO", 1, ".2.2")}
	steps := map[string]int{}
	w := newWorld(t)
	w.put(files...)
	w.opt.Parallel = 1
	var mu sync.Mutex
	w.failure = func(step string) error {
		mu.Lock()
		defer mu.Unlock()
		steps[step]++
		return nil
	}
	w.ok()
	if steps["remove"] != 7 || steps["ledger deleted"] != 3 || steps["disk rename"] != 5 || len(steps) < 9 {
		t.Errorf("steps %v", steps)
	}
	for step, n := range steps {
		for k := range n {
			for _, way := range []string{"fails", "fails from then on", "answer lost"} {
				if way == "answer lost" && (strings.HasPrefix(step, "disk") || step == "list" || step == "ledger files") {
					continue
				}
				t.Run(fmt.Sprintf("%s %d %s", step, k+1, way), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					w.put(files...)
					seen, dead := 0, false
					breaks := func(s string) error {
						mu.Lock()
						defer mu.Unlock()
						if s == step {
							if seen++; seen == k+1 {
								dead = way == "fails from then on"
								return errBroken
							}
						}
						if dead {
							return errBroken
						}
						return nil
					}
					if way == "answer lost" {
						w.lost = breaks
					} else {
						w.failure = breaks
					}
					report, err := w.fetchIn(t.Context())
					failed := err != nil
					for _, s := range report.Sets {
						failed = failed || s.Err != nil
					}
					if !failed && seen > k { // shared flushes: the last ones may not come
						t.Error("nobody is told")
					}
					w.mu.Lock()
					w.failure, w.lost = nil, nil
					w.mu.Unlock()
					w.ok()
					w.wantServer()
					w.wantStored(stored...)
					for _, r := range w.replies() {
						if r.DeletedAt.IsZero() {
							t.Errorf("the ledger does not know that %s is gone", r.Name)
						}
					}
				})
			}
		}
	}
}

func TestFetchStoppedMidway(t *testing.T) {
	w := newWorld(t)
	for n := range 20 {
		w.put(name("FO", n+1, ""), name("GO", n+1, ""))
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.opt.Parallel = 2
	w.opt.Observe = func(outbox.ReplySet) { cancel() } // stored, not yet deleted
	report, err := w.fetchIn(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	deleted := 0
	for _, s := range report.Sets {
		if s.New && s.Err == nil && !s.Deleted {
			t.Errorf("stored and left: %+v", s)
		}
		if s.Deleted {
			deleted++
		}
	}
	if deleted == 0 || deleted == 20 || len(w.onServer()) != 2*(20-deleted) {
		t.Errorf("%d deleted, left %q", deleted, w.onServer())
	}
	w.opt.Observe = nil
	w.ok()
	w.wantServer()
	if n := len(w.replies()); n != 20 {
		t.Errorf("%d replies", n)
	}
}

func TestFetchKeep(t *testing.T) {
	w := newWorld(t)
	files := []string{name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}
	w.put(files...)
	w.opt.Keep = true
	for run := range 3 {
		report := w.ok()
		if s := report.Sets[0]; s.New != (run == 0) || s.Deleted || len(s.Replies) != 1 || s.Replies[0].ID == 0 {
			t.Errorf("run %d: %+v", run, s)
		}
		if w.gets[files[0]] != 1 || w.gets[files[1]] != 1 {
			t.Errorf("run %d: downloads %v", run, w.gets)
		}
	}
	w.wantStored(name("FO", 1, ""))
	// What the archive lost is fetched again.
	if err := os.Remove(filepath.Join(w.archive, w.replies()[0].Path)); err != nil {
		t.Fatal(err)
	}
	w.ok()
	w.wantStored(name("FO", 1, ""))
	if len(w.log) != 0 {
		t.Errorf("requests %q", w.log)
	}
	w.opt.Keep = false
	if r := w.ok(); !r.Sets[0].Deleted || r.Sets[0].New {
		t.Errorf("%+v", r.Sets[0])
	}
	w.wantServer()
	w.wantStored(name("FO", 1, ""))
}

// Replies that the archive has encrypted are not fetched again as long as they
// stay on the server; before they go they are stored in clear once more.
func TestFetchSealed(t *testing.T) {
	w := newWorld(t)
	w.opt.SealedSuffix = ".age"
	fo, fs := name("FO", 1, ""), name("FS", 1, "")
	w.put(fo, name("GO", 1, ""))
	w.opt.Keep = true
	w.ok()
	r := w.replies()[0]
	path := filepath.Join(w.archive, r.Path)
	sealReply := func() {
		t.Helper()
		err := errors.Join(os.WriteFile(path+".age", bytes.Repeat([]byte("x"), int(r.Size)+200), 0o600), os.Remove(path),
			w.ledger.Sealed(t.Context(), []ledger.Holding{{Kind: ledger.HeldReply, ID: r.ID}}))
		if err != nil {
			t.Fatal(err)
		}
	}
	sealed := func() bool { return !w.replies()[0].SealedAt.IsZero() }
	sealReply()
	w.ok()
	if w.gets[fo] != 1 || !sealed() {
		t.Errorf("downloads %v, sealed %v", w.gets, sealed())
	}
	// One that is too short is none.
	if err := os.Truncate(path+".age", r.Size); err != nil {
		t.Fatal(err)
	}
	w.ok()
	if w.gets[fo] != 2 || sealed() {
		t.Errorf("cut off: downloads %v, sealed %v", w.gets, sealed())
	}
	// A signature that is new is checked over its reply in clear.
	sealReply()
	w.put(fs)
	w.ok()
	if _, err := os.Stat(path); err != nil || sealed() || w.gets[fo] != 3 {
		t.Errorf("new signature: %v, sealed %v, downloads %v", err, sealed(), w.gets)
	}
	// Nor is one relied on that nobody here can look into.
	sealReply()
	w.opt.Keep = false
	w.ok()
	w.wantServer()
	if content, err := os.ReadFile(path); err != nil || int64(len(content)) != r.Size || sealed() {
		t.Errorf("deleted: %d bytes, %v, sealed %v", len(content), err, sealed())
	}
}

// A stored file that was damaged or lost in the archive is put back before its
// original goes.
func TestFetchRepairsArchive(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(file string) error
	}{
		{"lost", os.Remove},
		{"damaged, same size", func(f string) error {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			b[0] ^= 1
			return os.WriteFile(f, b, 0o600)
		}},
		{"day lost", func(f string) error { return os.RemoveAll(filepath.Dir(f)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, ""))
			w.failure = func(step string) error {
				if step == "remove" {
					return errBroken
				}
				return nil
			}
			w.fetch()
			w.failure = nil
			if err := c.damage(filepath.Join(w.archive, w.replies()[0].Path)); err != nil {
				t.Fatal(err)
			}
			w.opt.Now = func() time.Time { return testkit.Now().AddDate(0, 0, 3) }
			w.ok()
			w.wantServer()
			w.wantStored(name("FO", 1, ""))
		})
	}
}

func TestFetchSameNameOtherContents(t *testing.T) {
	w := newWorld(t)
	set := []string{name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}
	w.put(set...)
	w.ok()
	w.put(set...)
	w.files["OUTTEST/"+set[0]] = "something else"
	for range 3 { // it is never deleted, and stored once
		report := w.ok()
		var conflicts []string
		for _, l := range report.Left {
			if l.Reason == outbox.LeftConflict {
				conflicts = append(conflicts, l.Name)
			}
		}
		if !slices.Equal(conflicts, set[:1]) {
			t.Errorf("left %+v", report.Left)
		}
		w.wantServer(slices.Sorted(slices.Values(set))...)
		w.wantStored(set[0], set[0])
	}
	if all := w.replies(); all[0].Conflict || !all[1].Conflict || !strings.Contains(all[1].Path, "~") {
		t.Errorf("%+v", all)
	}
	// The first contents again are nothing new, and go.
	w.put(set...)
	w.ok()
	w.wantServer()
	w.wantStored(set[0], set[0])
}

func TestFetchOtherSignature(t *testing.T) {
	w := newWorld(t)
	set := []string{name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}
	w.put(set...)
	w.ok()
	w.put(set...)
	w.files["OUTTEST/"+set[1]] = "signed anew"
	report := w.ok()
	if len(report.Left) != 1 || report.Left[0].Name != set[1] || report.Left[0].Reason != outbox.LeftConflict {
		t.Errorf("left %+v", report.Left)
	}
	w.wantServer(slices.Sorted(slices.Values(set))...)
	w.opt.DeleteConflicts = true
	w.ok()
	w.wantServer()
	w.wantStored(set[0])
	// It was entered: coming again, it is no news and still a conflict.
	w.opt.DeleteConflicts = false
	w.put(set...)
	w.files["OUTTEST/"+set[1]] = "signed anew"
	if r := w.ok(); r.Sets[0].New || len(r.Left) != 1 {
		t.Errorf("%+v", r)
	}
}

// With a person's word also what came a second time with other contents goes,
// after it is stored.
func TestFetchDeleteConflicts(t *testing.T) {
	w := newWorld(t)
	set := []string{name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, "")}
	w.put(set...)
	w.ok()
	w.put(set...)
	w.files["OUTTEST/"+set[0]] = "something else"
	w.opt.DeleteConflicts = true
	if r := w.ok(); len(r.Left) != 0 || !r.Sets[0].Deleted || !r.Sets[0].New {
		t.Errorf("%+v", r)
	}
	w.wantServer()
	w.wantStored(set[0], set[0])
}

// A reply whose signature is not as demanded is stored and stays.
func TestFetchVerify(t *testing.T) {
	w := newWorld(t)
	set := []string{name("FO", 1, ".2.1"), name("FS", 1, ".2.1"), name("FO", 1, ".2.2"), name("GO", 1, ".2"), name("FO", 2, ""), name("GO", 2, "")}
	w.put(set...)
	w.opt.Verify = func(_ context.Context, id int64) error {
		r, err := w.ledger.Reply(t.Context(), id)
		if err == nil && strings.HasPrefix(r.Name, name("FO", 1, "")) && r.FSPath == "" {
			err = &outbox.UnverifiedError{Reason: "not there"}
		}
		return err
	}
	for run := range 2 {
		r := w.ok()
		if len(r.Left) != 1 || r.Left[0].Reason != outbox.LeftUnverified || r.Left[0].Name != set[2] || r.Left[0].Detail.Error() != "not there" {
			t.Errorf("run %d: left %+v", run, r.Left)
		}
		w.wantServer(slices.Sorted(slices.Values(set[:4]))...)
		w.wantStored(set[0], set[2], set[4])
	}
	w.put(name("FS", 1, ".2.2"))
	w.ok()
	w.wantServer()
	w.wantStored(set[0], set[2], set[4])

	w.put(name("FO", 3, ""), name("GO", 3, ""))
	w.opt.Verify = func(context.Context, int64) error { return errBroken }
	if r := w.fetch(); !errors.Is(r.Sets[0].Err, errBroken) {
		t.Errorf("%+v", r.Sets[0])
	}
	w.wantServer(name("FO", 3, ""), name("GO", 3, ""))
}

// The office may use a name again: a GO whose replies were stored before is
// not deleted when the folder, looked at again, shows new ones.
func TestFetchNameUsedAgain(t *testing.T) {
	for _, again := range []string{name("FO", 1, ""), name("CO", 1, ""), name("FS", 1, "")} {
		t.Run(again, func(t *testing.T) {
			w := newWorld(t)
			w.put(name("FO", 1, ""), name("GO", 1, ""), name("FO", 2, ""), name("GO", 2, ""))
			w.ok()
			w.put(name("GO", 1, ""), name("GO", 2, "")) // of 2, a run broke off
			lists := 0
			w.failure = func(step string) error {
				if step == "list" {
					if lists++; lists == 2 {
						w.put(again)
						w.mu.Lock()
						w.files["OUTTEST/"+again] = "new"
						w.mu.Unlock()
					}
				}
				return nil
			}
			r := w.fetch()
			var incomplete *outbox.IncompleteError
			if lists != 2 || !errors.As(r.Sets[0].Err, &incomplete) || !r.Sets[1].Deleted {
				t.Errorf("%d lists, %+v", lists, r.Sets)
			}
			w.wantServer(slices.Sorted(slices.Values([]string{again, name("GO", 1, "")}))...)
		})
	}
}

// Of a set whose GO does not come, what is there is stored.
func TestFetchIncompleteParts(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ".2.1"))
	w.opt.Incomplete = time.Hour
	w.opt.Now = func() time.Time { return testkit.Now().Add(2 * time.Hour) }
	if r := w.ok(); !r.Sets[0].New || r.Sets[0].Deleted {
		t.Errorf("%+v", r.Sets[0])
	}
	w.wantStored(name("FO", 1, ".2.1"))
	w.put(name("FO", 1, ".2.2"), name("GO", 1, ".2"))
	w.ok()
	w.wantServer()
	w.wantStored(name("FO", 1, ".2.1"), name("FO", 1, ".2.2"))
}

// A reply that was stored without GO and signature gets its signature later.
func TestFetchLateSignature(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""))
	w.opt.Incomplete = time.Hour
	if r := w.fetch(); len(r.Sets) != 0 || len(r.Left) != 1 {
		t.Errorf("%+v", r)
	}
	w.opt.Now = func() time.Time { return testkit.Now().Add(2 * time.Hour) }
	if r := w.ok(); !r.Sets[0].New || r.Sets[0].Deleted {
		t.Errorf("%+v", r.Sets[0])
	}
	w.wantServer(name("FO", 1, ""))
	w.put(name("FS", 1, ""), name("GO", 1, ""))
	w.ok()
	w.wantServer()
	w.wantStored(name("FO", 1, ""))
	if r := w.replies()[0]; r.FSPath == "" {
		t.Errorf("%+v", r)
	}
}

func TestFetchVanishing(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("GO", 1, ""), name("FO", 2, ""), name("GO", 2, ""))
	w.reading = func(n string) {
		if n == name("FO", 1, "") {
			w.mu.Lock()
			delete(w.files, "OUTTEST/"+n)
			w.mu.Unlock()
		}
	}
	report := w.fetch()
	if len(report.Sets) != 2 || !errors.Is(report.Sets[0].Err, transport.ErrNotFound) || report.Sets[1].Err != nil {
		t.Errorf("%+v", report.Sets)
	}
	w.wantServer(name("GO", 1, ""))
	w.wantStored(name("FO", 2, ""))
	var incomplete *outbox.IncompleteError
	if r := w.fetch(); len(r.Sets) != 1 || !errors.As(r.Sets[0].Err, &incomplete) || incomplete.GO != name("GO", 1, "") {
		t.Errorf("%+v", r.Sets)
	}
	w.wantServer(name("GO", 1, ""))
}

func TestFetchGrowing(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("GO", 1, ""))
	w.reading = func(n string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.files["OUTTEST/"+n] += " and more"
	}
	if r := w.fetch(); !errors.Is(r.Sets[0].Err, transport.ErrSize) {
		t.Errorf("%+v", r.Sets[0])
	}
	w.wantServer(name("FO", 1, ""), name("GO", 1, ""))
	w.wantStored()
	w.reading = nil
	w.ok()
	w.wantServer()
	w.wantStored(name("FO", 1, ""))
}

// A set that is published while the folder is listed may show its GO and not
// yet the signature that came before it.
func TestFetchPublishedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("GO", 1, ""))
	lists := 0
	w.failure = func(step string) error {
		if step == "list" {
			if lists++; lists == 2 {
				w.put(name("FS", 1, ""))
			}
		}
		return nil
	}
	w.ok()
	w.wantServer()
	w.wantStored(name("FO", 1, ""))
	if r := w.replies(); r[0].FSPath == "" {
		t.Error("stored without its signature")
	}
}

// The second look may show another set of which only the end was seen; one that
// is published while the last look is taken is for the next run.
func TestFetchPublishedAllTheTime(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("GO", 1, ""))
	lists := 0
	w.failure = func(step string) error {
		if step == "list" && lists < 9 {
			if lists++; lists > 1 {
				w.put(name("FS", lists-1, ""), name("FO", lists, ""), name("GO", lists, ""))
			}
		}
		return nil
	}
	w.ok()
	w.failure = nil
	if lists < 2 {
		t.Fatalf("listed %d times", lists)
	}
	stored := w.replies()
	for _, r := range stored {
		if r.FSPath == "" {
			t.Errorf("%s is stored without its signature", r.Name)
		}
	}
	if len(stored) != lists-1 {
		t.Errorf("%d stored, of %d of which all was there", len(stored), lists-1)
	}
	w.put(name("FS", lists, ""))
	w.ok()
	w.wantServer()
}

// What a killed run left half-written is swept, and what it stored without
// entering it is not overwritten by anything else.
func TestFetchAfterKill(t *testing.T) {
	w := newWorld(t)
	w.put(name("FO", 1, ""), name("GO", 1, ""), name("FO", 2, ""), name("GO", 2, ""))
	testkit.WriteFile(t, w.archive, "T/.incoming/123", []byte("half"))
	testkit.WriteFile(t, w.archive, "T/2026-03-02/"+name("FO", 1, ""), []byte("content of "+name("FO", 1, "")))
	other := testkit.WriteFile(t, w.archive, "T/2026-03-02/"+name("FO", 2, ""), []byte("something else"))
	report := w.fetch()
	if report.Sets[0].Err != nil || report.Sets[1].Err == nil || !strings.Contains(report.Sets[1].Err.Error(), other) {
		t.Errorf("%+v", report.Sets)
	}
	w.wantServer(name("FO", 2, ""), name("GO", 2, ""))
	if b, err := os.ReadFile(other); err != nil || string(b) != "something else" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	w.ok()
	w.wantServer()
	w.wantStored(name("FO", 1, ""), name("FO", 2, ""))
}

func TestFetchOneBadSetStopsNoOther(t *testing.T) {
	w := newWorld(t)
	for n := range 10 {
		w.put(name("FO", n+1, ""), name("GO", n+1, ""))
	}
	w.reading = func(n string) {
		if n == name("FO", 4, "") {
			w.mu.Lock()
			w.files["OUTTEST/"+n] = "short"
			w.mu.Unlock()
		}
	}
	report := w.fetch()
	for i, s := range report.Sets {
		if (s.Err != nil) != (i == 3) {
			t.Errorf("%+v", s)
		}
	}
	w.wantServer(name("FO", 4, ""), name("GO", 4, ""))
}

func TestFetchManySets(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 200
	}
	w := newWorld(t)
	m := &memory{files: map[string][]outbox.Stored{}}
	w.store = m
	for i := range n {
		w.put(name("FO", i+1, ""), name("FS", i+1, ""), name("GO", i+1, ""))
	}
	w.opt.Parallel = 64
	report := w.ok()
	if len(report.Sets) != n || !slices.IsSortedFunc(report.Sets, func(a, b outbox.ReplySet) int { return strings.Compare(a.Key, b.Key) }) {
		t.Errorf("%d sets", len(report.Sets))
	}
	w.wantServer()
	if m.stored != n || m.deleted != n {
		t.Errorf("%d stored, %d deleted", m.stored, m.deleted)
	}
}

func TestFetchCannotList(t *testing.T) {
	w := newWorld(t)
	w.failure = func(step string) error { return errBroken }
	if _, err := w.fetchIn(t.Context()); !errors.Is(err, transport.ErrConnection) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(w.archive); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an archive was made: %v", err)
	}
}

// A folder of 100 000 entries is looked at in one run. What is behind them
// waits until there are fewer; what is told of them stays short.
func TestFetchLongListing(t *testing.T) {
	for _, c := range []struct {
		entries int
		over    bool // the reply comes behind what one run takes
	}{{99_998, false}, {100_000, true}} {
		w := newWorld(t)
		for i := range c.entries {
			w.shown = append(w.shown, transport.Entry{Name: name("FO", i, ".9.1"), Size: 1, Type: transport.TypeFile}) // no GO yet
			if i%2 == 0 {
				w.shown[i].Name = fmt.Sprint("stray-", i)
			}
		}
		w.put(name("FO", 1, ""), name("GO", 1, ""))
		report := w.ok()
		overflow := 0
		for _, l := range report.Left {
			if l.Reason == outbox.LeftOverflow {
				overflow++
			}
		}
		if want := map[bool]int{false: 2, true: 3}[c.over]; overflow != want || len(report.Left) > 2100 {
			t.Errorf("%d entries: %d overflows are told, want %d; %d are left", c.entries, overflow, want, len(report.Left))
		}
		if c.over {
			w.wantServer(name("FO", 1, ""), name("GO", 1, ""))
			w.shown = w.shown[:c.entries/2]
			w.ok()
		}
		w.wantServer()
		w.wantStored(name("FO", 1, ""))
	}
}

// A directory stands where a file is to be stored, or a file where the
// directory is to be: nothing is overwritten, and nothing deleted on the server.
func TestFetchSomethingInTheWay(t *testing.T) {
	for _, c := range []struct {
		name, path string
		dir        bool
	}{
		{"a directory for a reply", "T/2026-03-02/" + name("FO", 1, ""), true},
		{"a directory with files for a reply", "T/2026-03-02/" + name("FO", 1, "") + "/x", true},
		{"a directory for a signature", "T/2026-03-02/" + name("FS", 1, ""), true},
		{"a file for the day", "T/2026-03-02", false},
		{"a file for the halves", "T/.incoming", false},
		{"a file for the environment", "T", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, ""))
			path := filepath.Join(w.archive, filepath.FromSlash(c.path))
			if c.dir {
				if err := os.MkdirAll(path, 0o700); err != nil {
					t.Fatal(err)
				}
			} else {
				testkit.WriteFile(t, w.archive, c.path, []byte("mine"))
			}
			report, err := w.fetchIn(t.Context())
			for _, s := range report.Sets {
				err = errors.Join(err, s.Err)
			}
			if err == nil || !strings.Contains(err.Error(), filepath.Base(w.archive)) {
				t.Errorf("got %v", err)
			}
			w.wantServer(name("FO", 1, ""), name("FS", 1, ""), name("GO", 1, ""))
			if _, err := os.Stat(path); err != nil || len(w.replies()) != 0 {
				t.Errorf("%v; in the ledger: %v", err, w.replies())
			}
			// When it is out of the way, the reply comes home.
			if err := os.RemoveAll(filepath.Join(w.archive, "T")); err != nil {
				t.Fatal(err)
			}
			w.ok()
			w.wantServer()
			w.wantStored(name("FO", 1, ""))
		})
	}
}

// The day of the archive is that of Brussels, as in names.
func TestFetchArchiveDay(t *testing.T) {
	for now, day := range map[string]string{
		"2026-03-01T22:59:59Z": "2026-03-01", "2026-03-01T23:00:00Z": "2026-03-02", "2026-07-01T22:00:00Z": "2026-07-02",
		"2026-03-02T12:00:00+14:00": "2026-03-01",
	} {
		w := newWorld(t)
		w.put(name("FO", 1, ""), name("GO", 1, ""))
		w.opt.Now = func() time.Time {
			at, err := time.Parse(time.RFC3339, now)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		w.ok()
		if r := w.replies(); len(r) != 1 || r[0].Path != "T/"+day+"/"+name("FO", 1, "") {
			t.Errorf("%s: %+v", now, r)
		}
	}
}
