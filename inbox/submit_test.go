package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// jobs writes files with those contents and plans them.
func (w *world) jobs(contents ...[]byte) []inbox.Job {
	w.t.Helper()
	var files []string
	for i, c := range contents {
		files = append(files, testkit.WriteFile(w.t, w.t.TempDir(), fmt.Sprintf("%d.xml", i), c))
	}
	return w.plan(files...)
}

func (w *world) plan(files ...string) []inbox.Job {
	w.t.Helper()
	jobs, err := inbox.Plan(files)
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

func (w *world) run(s *inbox.Submitter, jobs []inbox.Job) []inbox.JobResult {
	w.t.Helper()
	out, err := s.Run(w.t.Context(), jobs)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestRunGivesNamesInOrder(t *testing.T) {
	w := newWorld(t)
	var contents [][]byte
	for i := range 40 {
		contents = append(contents, testkit.Dimona(fmt.Sprint("r", i)))
	}
	s := w.submitter()
	s.Freeze, s.SignedBy = freezeOptions(t), "Jan"
	jobs := w.jobs(contents...)
	for i, o := range w.run(s, jobs) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if want := naming.Sequence(fmt.Sprintf("%05d", i+1)); o.Submission.Set.Sequence != want {
			t.Errorf("file %d got number %s", i+1, o.Submission.Set.Sequence)
		}
		if o.Submission.State != inbox.Sent || o.Submission.Parts[0].Source != jobs[i].Files[0] || o.Submission.SignedBy != "Jan" || !o.Submission.Signed() {
			t.Errorf("outcome %d: %+v", i, o.Submission)
		}
	}
	w.wantGOs(40)
	if n := len(w.spoolDirs()); n != 40 {
		t.Errorf("%d sets in the spool", n)
	}
}

func TestRunTwice(t *testing.T) {
	w := newWorld(t)
	jobs := w.jobs(testkit.Dimona("a"))
	first := w.run(w.submitter(), jobs)[0]
	// Another file name with the same contents is the same declaration.
	second := w.run(w.submitter(), w.jobs(testkit.Dimona("a")))[0]
	var already *inbox.AlreadyError
	if !errors.As(second.Err, &already) || already.Existing.ID != first.Submission.ID || !already.Same || second.Resumed {
		t.Fatalf("got %v", second.Err)
	}
	w.wantGOs(1)
	if n := len(w.spoolDirs()); n != 1 {
		t.Errorf("%d sets in the spool, want the first only", n)
	}

	s := w.submitter()
	s.Again, s.Reason = true, "asked for"
	third := w.run(s, jobs)[0]
	if third.Err != nil || third.Submission.Set.Sequence != "00002" || third.Submission.Reason != "asked for" {
		t.Errorf("got %+v, %v", third.Submission, third.Err)
	}
	w.wantGOs(2)
}

func TestRunDuplicates(t *testing.T) {
	for _, again := range []bool{false, true} {
		w := newWorld(t)
		s := w.submitter()
		s.Again, s.Reason = again, "why not"
		same, other := testkit.Dimona("a"), testkit.Dimona("b")
		out := w.run(s, w.jobs(same, other, same, same))
		if out[0].Err != nil || out[1].Err != nil {
			t.Fatal(out[0].Err, out[1].Err)
		}
		for _, o := range out[2:] {
			var already *inbox.AlreadyError
			if !errors.As(o.Err, &already) || !already.Same || already.Existing.ID != out[0].Submission.ID || already.Existing.State != inbox.Sent {
				t.Errorf("got %v", o.Err)
			}
		}
		w.wantGOs(2)
		if n := len(w.spoolDirs()); n != 2 {
			t.Errorf("%d sets in the spool", n)
		}
		if out[1].Submission.Set.Sequence != "00002" || w.count() != 2 {
			t.Errorf("%s, %d sets", out[1].Submission.Set, w.count())
		}
	}
}

func TestRunResumes(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(w *world)
		state  inbox.State
		gos    int
	}{
		{"uploading", func(w *world) { w.server.before = failOn("put", "FI", errTemporary) }, inbox.Uploading, 1},
		{"failed", func(w *world) { w.server.before = failOn("put", "FI", errDenied) }, inbox.Failed, 1},
		{"unknown", func(w *world) { w.server.before = failOn("put", "GO", errTemporary) }, inbox.Unknown, 2},
		{"unknown, and it had arrived", func(w *world) { w.server.after = failOn("put", "GO", errTemporary) }, inbox.Unknown, 1},
	} {
		for _, again := range []bool{false, true} { // an unfinished set goes on, also when a person insists
			t.Run(fmt.Sprintf("%s, again %t", c.name, again), func(t *testing.T) {
				w := newWorld(t)
				c.breaks(w)
				jobs := w.jobs(testkit.Dimona("a"))
				first := w.run(w.submitter(), jobs)[0]
				if first.Err == nil || first.Submission.State != c.state {
					t.Fatalf("got %s, %v", first.Submission.State, first.Err)
				}
				w.server.before, w.server.after, w.server.twice = nil, nil, c.gos == 2
				s := w.submitter()
				s.Again, s.Reason = again, "again"
				second := w.run(s, jobs)[0]
				if second.Err != nil || !second.Resumed || second.Submission.Set != first.Submission.Set || second.Submission.State != inbox.Sent {
					t.Errorf("got %+v, %v", second.Submission, second.Err)
				}
				w.wantGOs(c.gos)
				if w.count() != 1 || len(w.spoolDirs()) != 1 {
					t.Errorf("%d sets, spool %q", w.count(), w.spoolDirs())
				}
			})
		}
	}
}

func TestRunOutcomeStaysUnknown(t *testing.T) {
	w := newWorld(t)
	w.server.before = failOn("put", "GO", errTemporary)
	jobs := w.jobs(testkit.Dimona("a"))
	w.run(w.submitter(), jobs)
	w.server.listHook = func(int) error { return errForbidden }
	out := w.run(w.submitter(), jobs)[0]
	var unknown *inbox.UnknownError
	if !errors.As(out.Err, &unknown) || !errors.Is(out.Err, transport.ErrPermission) {
		t.Errorf("got %v", out.Err)
	}
	w.wantGOs(1)
}

// A set that shares only a part with an unfinished one is not a reason to go on
// with that one.
func TestRunPartlyKnown(t *testing.T) {
	w := newWorld(t)
	w.server.before = failOn("put", "FI", errTemporary)
	a := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	b := testkit.WriteFile(t, t.TempDir(), "b.xml", testkit.Dimona("b"))
	w.run(w.submitter(), []inbox.Job{{Files: []string{a, b}}})
	w.server.before = nil
	out := w.run(w.submitter(), w.plan(b))[0]
	var already *inbox.AlreadyError
	if !errors.As(out.Err, &already) || already.Same || already.Part != 1 {
		t.Errorf("got %v", out.Err)
	}
	w.wantGOs(0)
}

func TestRunCannotDial(t *testing.T) {
	w := newWorld(t)
	s := w.submitter()
	s.Deliverer = func(context.Context) (*inbox.Deliverer, error) { return nil, errTemporary }
	if _, err := s.Run(t.Context(), w.jobs(testkit.Dimona("a"), []byte("no XML"), testkit.Dimona("b"))); !errors.Is(err, transport.ErrConnection) {
		t.Errorf("got %v", err)
	}
	if w.count() != 0 || len(w.spoolDirs()) != 0 {
		t.Errorf("%d sets, spool %q", w.count(), w.spoolDirs())
	}
}

func TestRunStopped(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := w.submitter()
	s.Deliverer = func(context.Context) (*inbox.Deliverer, error) { cancel(); return w.deliverer(), nil }
	out, err := s.Run(ctx, w.jobs(testkit.Dimona("a")))
	if err != nil || !errors.Is(out[0].Err, context.Canceled) {
		t.Errorf("got %v, %v", out[0].Err, err)
	}
	if w.count() != 0 || len(w.spoolDirs()) != 0 {
		t.Errorf("%d sets, spool %q", w.count(), w.spoolDirs())
	}
}

func TestRunRefusesWhatTheServerWould(t *testing.T) {
	w := newWorld(t)
	bad := []byte("<Dimona><Form/>")
	jobs := w.jobs(bad, testkit.Dimona("a"))
	out := w.run(w.submitter(), jobs)
	var faults *inbox.FaultsError
	if !errors.As(out[0].Err, &faults) || !strings.Contains(out[0].Err.Error(), "ACRF-102") {
		t.Errorf("got %v", out[0].Err)
	}
	if out[1].Err != nil || out[1].Submission.Set.Sequence != "00001" {
		t.Errorf("the other file: %v, %s", out[1].Err, out[1].Submission.Set)
	}
	w.wantGOs(1)
	if n := len(w.spoolDirs()); n != 1 {
		t.Errorf("%d sets in the spool", n)
	}
	s := w.submitter()
	s.SkipChecks, s.Application = true, "DIMN"
	if o := w.run(s, jobs[:1])[0]; o.Err != nil || len(o.Warnings) == 0 {
		t.Errorf("not sent in spite of SkipChecks: %v, warnings %q", o.Err, o.Warnings)
	}
	w.wantGOs(2)
}

func TestRunFindsTheApplication(t *testing.T) {
	for _, c := range []struct {
		name, root, given string
		want              string
		candidates        []string // of an ApplicationError
		fault             string
	}{
		{"from the root", "DmfAOriginal", "", "DMFA", nil, ""},
		{"ambiguous", "AVWDDT", "", "", []string{"DUCN", "DDTN"}, ""},
		{"ambiguous and given", "AVWDDT", "DDTN", "DDTN", nil, ""},
		{"unknown", "Novelty", "", "", []string{}, ""},
		{"unknown and given", "Novelty", "ZZZZ", "ZZZZ", nil, ""},
		{"contradicted", "Dimona", "DMFA", "", nil, "ACRF-158"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.submitter()
			s.Application = c.given
			out := w.run(s, w.jobs(testkit.Declaration(c.root, "a")))[0]
			var app *inbox.ApplicationError
			switch {
			case c.candidates != nil:
				if !errors.As(out.Err, &app) || !slices.Equal(app.Candidates, c.candidates) && len(c.candidates) > 0 {
					t.Errorf("got %v", out.Err)
				}
			case c.fault != "":
				if out.Err == nil || !strings.Contains(out.Err.Error(), c.fault) {
					t.Errorf("got %v", out.Err)
				}
			case out.Err != nil || out.Submission.Set.Application != c.want:
				t.Errorf("got %s, %v", out.Submission.Set, out.Err)
			}
			if c.want == "" && (w.server.goCount() != 0 || len(w.spoolDirs()) != 0) {
				t.Error("something was sent or kept")
			}
		})
	}
}

func TestRunKeepsGivenNames(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	two := testkit.WriteFile(t, dir, "FI.DIMN.101380.20260301.0007A.T.2.2", testkit.Dimona("b"))
	plain := testkit.WriteFile(t, dir, "plain.xml", testkit.Dimona("c"))
	one := testkit.WriteFile(t, dir, "FI.DIMN.101380.20260301.0007A.T.2.1", testkit.Dimona("a"))
	out := w.run(w.submitter(), w.plan(two, plain, one))
	if out[0].Err != nil || out[0].Submission.Set.String() != "DIMN.101380.20260301.0007A.T.2" {
		t.Fatalf("got %s, %v", out[0].Submission.Set, out[0].Err)
	}
	equalBytes(t, "part 2", []byte(w.server.files["INTEST/FI.DIMN.101380.20260301.0007A.T.2.2"]), mustRead(t, two))
	if out[1].Submission.Set.String() != "DIMN.101380.20260302.00001.T.1" {
		t.Errorf("got %s", out[1].Submission.Set)
	}
	// The name with other contents was used before.
	third := testkit.WriteFile(t, t.TempDir(), "FI.DIMN.101380.20260301.0007A.T.1.1", testkit.Dimona("d"))
	var used *inbox.NameUsedError
	if o := w.run(w.submitter(), w.plan(third))[0]; !errors.As(o.Err, &used) {
		t.Errorf("got %v", o.Err)
	}
	w.wantGOs(2)
}

func TestRunDuplicatesWithOtherLineEnds(t *testing.T) {
	w := newWorld(t)
	clean := testkit.Dimona("a")
	out := w.run(w.submitter(), w.jobs(bytes.ReplaceAll(clean, []byte("\r\n"), []byte("\r")), clean))
	var already *inbox.AlreadyError
	if out[0].Err != nil || !errors.As(out[1].Err, &already) || already.Same || already.Existing.ID != out[0].Submission.ID {
		t.Errorf("%v, %v", out[0].Err, out[1].Err)
	}
}

func TestRunRefusesAnEnvironmentThatIsNot(t *testing.T) {
	w := newWorld(t)
	s := w.submitter()
	s.Environment = naming.DeclarationTest
	var faults *inbox.FaultsError
	if o := w.run(s, w.jobs(testkit.Dimona("a")))[0]; !errors.As(o.Err, &faults) || !strings.Contains(o.Err.Error(), "environment S") {
		t.Errorf("%v", o.Err)
	}
	s.SkipChecks = true
	if o := w.run(s, w.jobs(testkit.Dimona("a")))[0]; o.Err != nil || len(o.Warnings) != 1 {
		t.Errorf("%v, %v", o.Err, o.Warnings)
	}
}

// TestRunWithOtherLineEnds: the same declaration goes once, whatever its line
// ends and whether they were converted.
func TestRunWithOtherLineEnds(t *testing.T) {
	clean := testkit.Dimona("a")
	lf := bytes.ReplaceAll(clean, []byte("\r\n"), []byte("\n"))
	type try struct {
		content []byte
		convert bool
	}
	tries := map[string]try{"LF": {lf, false}, "LF converted": {lf, true}, "CRLF": {clean, false}, "CRLF converted": {clean, true}}
	for name, first := range tries {
		for second, again := range tries {
			w := newWorld(t)
			s := w.submitter()
			s.Freeze.CRLF = first.convert
			if o := w.run(s, w.jobs(first.content))[0]; o.Err != nil {
				t.Fatal(o.Err)
			}
			s = w.submitter()
			s.Freeze.CRLF = again.convert
			var already *inbox.AlreadyError
			if o := w.run(s, w.jobs(again.content))[0]; !errors.As(o.Err, &already) {
				t.Errorf("%s, then %s: %v", name, second, o.Err)
			}
		}
	}
}

func TestRunPartsWithTheSameContents(t *testing.T) {
	w := newWorld(t)
	a := testkit.WriteFile(t, t.TempDir(), "a.xml", testkit.Dimona("a"))
	b := testkit.WriteFile(t, t.TempDir(), "b.xml", testkit.Dimona("a"))
	out := w.run(w.submitter(), []inbox.Job{{Files: []string{a, b}}})[0]
	var source *inbox.SourceError
	if !errors.As(out.Err, &source) || len(w.spoolDirs()) != 0 {
		t.Errorf("got %v, spool %q", out.Err, w.spoolDirs())
	}
}

func TestPreviewKeepsNothing(t *testing.T) {
	w := newWorld(t)
	w.run(w.submitter(), w.jobs(testkit.Dimona("sent")))
	spool := w.spoolDirs()
	jobs := w.jobs(testkit.Dimona("a"), []byte("no XML"), testkit.Dimona("sent"), testkit.Dimona("a"), testkit.Dimona("b"))
	out := w.submitter().Preview(t.Context(), jobs, w.ledger.Preview)
	var already *inbox.AlreadyError
	for i, want := range []string{"00002", "error", "already", "already", "00003"} {
		o := out[i]
		switch want {
		case "already":
			if !errors.As(o.Err, &already) {
				t.Errorf("job %d: got %v", i, o.Err)
			}
		case "error":
			if o.Err == nil {
				t.Errorf("job %d: no error", i)
			}
		default:
			if o.Err != nil || string(o.Submission.Set.Sequence) != want {
				t.Errorf("job %d: got %s, %v", i, o.Submission.Set, o.Err)
			}
		}
	}
	if w.count() != 1 || !slices.Equal(w.spoolDirs(), spool) {
		t.Errorf("%d sets, spool %q", w.count(), w.spoolDirs())
	}
	if real := w.run(w.submitter(), jobs[:1])[0]; real.Submission.Set != out[0].Submission.Set {
		t.Errorf("%s became %s", out[0].Submission.Set, real.Submission.Set)
	}
}

// The date in a name is the day in Brussels, wherever the machine stands and
// whatever its clock calls the moment; its numbers begin anew at midnight there.
func TestRunNamesCarryTheDayInBrussels(t *testing.T) {
	for _, c := range []struct{ now, want string }{
		{"2026-03-01T22:59:59Z", "20260301.00001"}, // winter: 23:59:59
		{"2026-03-01T23:00:00Z", "20260302.00001"},
		{"2026-03-02T12:00:00+14:00", "20260301.00001"}, // 23:00 the day before
		{"2026-03-01T15:00:00-08:00", "20260302.00001"},
		{"2026-07-01T21:59:59Z", "20260701.00001"}, // summer
		{"2026-07-01T22:00:00Z", "20260702.00001"},
	} {
		w := newWorld(t)
		s := w.submitter()
		s.Now = func() time.Time {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		o := w.run(s, w.jobs(testkit.Dimona("a")))[0]
		if o.Err != nil || o.Submission.Set.String() != "DIMN.101380."+c.want+".T.1" {
			t.Errorf("%s: got %s, %v", c.now, o.Submission.Set, o.Err)
		}
	}
	// A run that goes over midnight numbers each day apart.
	w := newWorld(t)
	s := w.submitter()
	now := time.Date(2026, 3, 1, 22, 59, 59, 0, time.UTC)
	s.Now = func() time.Time { return now }
	first := w.run(s, w.jobs(testkit.Dimona("a")))[0]
	now = now.Add(time.Second)
	second := w.run(s, w.jobs(testkit.Dimona("b")))[0]
	third := w.run(s, w.jobs(testkit.Dimona("a")))[0] // yesterday's contents
	var already *inbox.AlreadyError
	if first.Submission.Set.Date != "20260301" || second.Submission.Set.Date != "20260302" || second.Submission.Set.Sequence != "00001" || !errors.As(third.Err, &already) {
		t.Errorf("got %s, %s, %v", first.Submission.Set, second.Submission.Set, third.Err)
	}
}

// Runs that no lock keeps apart, on ledgers opened apart: no name and no
// contents go twice, and no set gets a second GO. The fake server counts.
//
// Here nobody may look at the folder. Where that is allowed, a run without the
// lock could take the GO that another one is just sending for lost: what stands
// against that is the pause between two looks.
func TestRunWithoutLocks(t *testing.T) {
	const runs, files = 4, 6
	w := newWorld(t)
	w.server.overlaps = true
	w.server.listHook = func(int) error { return errForbidden }
	var contents [][]byte
	for i := range files {
		contents = append(contents, testkit.Dimona(fmt.Sprint(i)))
	}
	jobs := w.jobs(contents...)
	results := make([][]inbox.JobResult, runs)
	var wg sync.WaitGroup
	for r := range runs {
		apart := *w
		apart.ledger = testkit.Ledger(t, w.dir+"/ledger.db")
		wg.Go(func() {
			var err error
			if results[r], err = apart.submitter().Run(t.Context(), jobs); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, out := range results {
		for _, o := range out {
			var already *inbox.AlreadyError
			var state *inbox.StateError
			var unknown *inbox.UnknownError
			if o.Err != nil && !errors.As(o.Err, &already) && !errors.As(o.Err, &state) && !errors.As(o.Err, &unknown) {
				t.Errorf("got %v", o.Err)
			}
		}
	}
	w.wantGOs(files)
	all, err := w.ledger.Submissions(t.Context(), ledger.Filter{})
	if err != nil || len(all) != files {
		t.Errorf("%d sets, %v", len(all), err)
	}
	for _, s := range all {
		if s.State != inbox.Sent {
			t.Errorf("%s is %s", s.Set, s.State)
		}
	}
}
