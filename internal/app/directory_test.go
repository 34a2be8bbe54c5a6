package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/outgoing"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// The clock of the bubble stands at the year 2000, see TestSettledWaits.
func TestGrowingFileIsLeft(t *testing.T) {
	century := 100 * 365 * 24 * time.Hour
	dir := t.TempDir()
	growing := testkit.WriteFile(t, dir, "growing.xml", []byte("x"))
	testkit.WriteFile(t, dir, "still.xml", []byte("x"))
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		settle := century
		e := &directorySubmitter{submission: &submission{call: watched(o, time.Now), env: naming.Test, request: SubmitRequest{Settle: &settle}}}
		d := outgoing.New(dir, &durable.Disk{})
		var jobs []inbox.Job
		var wrong []inbox.JobResult
		var err error
		planned := make(chan struct{})
		go func() {
			defer close(planned)
			jobs, wrong, err = e.plan(t.Context(), d, []string{"growing.xml", "still.xml"}, config.Outgoing{Dir: dir})
		}()
		synctest.Wait() // it has looked once, and waits to look again
		if err := os.WriteFile(growing, []byte("xx"), 0o600); err != nil {
			t.Fatal(err)
		}
		<-planned
		if err != nil || len(wrong) > 0 || len(jobs) != 1 || jobs[0].Files[0] != filepath.Join(dir, "still.xml") {
			t.Errorf("got %v, %v, %v", jobs, wrong, err)
		}
		if !slices.Equal(e.left, []LeftFile{{dir, "growing.xml", "changing"}}) || !saw(o, func(n NotReady) bool { return errors.Is(n.Err, inbox.ErrChanging) && !n.Missing }) {
			t.Errorf("left %v, %v", e.left, o.events)
		}
	})
}

// A set that came to its end before its file was moved is not sent again,
// whatever became of it; another file in the place of that one is.
func TestMoveLeft(t *testing.T) {
	t.Parallel()
	sent := []inbox.State{inbox.Uploading, inbox.Unknown, inbox.Sent}
	for _, c := range []struct {
		name    string
		states  []inbox.State
		content []byte // nil: the file is gone
		where   outgoing.Place
		class   failure.Class
		ready   []string
	}{
		{"sent", sent, testkit.Dimona("1"), outgoing.Sent, failure.None, nil},
		{"accepted", append(slices.Clone(sent), inbox.Accepted), testkit.Dimona("1"), outgoing.Sent, failure.None, nil},
		{"refused", append(slices.Clone(sent), inbox.Refused), testkit.Dimona("1"), outgoing.Failed, failure.Refused, nil},
		{"given up", []inbox.State{inbox.Cancelled}, testkit.Dimona("1"), outgoing.Failed, failure.Failed, nil},
		{"another file", sent, []byte("other"), "", "", []string{"a.xml"}},
		{"sent with other line ends", sent, []byte("as handed in"), outgoing.Sent, failure.None, nil},
		{"gone", sent, nil, "", "", nil},
		{"not finished", []inbox.State{inbox.Uploading}, testkit.Dimona("1"), "", "", []string{"a.xml"}},
	} {
		dir := t.TempDir() // without sent and failed: somebody removed them
		l := testkit.Ledger(t, "")
		draft := testkit.Draft([]string{"1"})
		draft.ToMove, draft.Parts[0].Source = true, filepath.Join(dir, "a.xml")
		if c.name == "sent with other line ends" {
			draft.Parts[0].Original = sha256.Sum256(c.content)
		}
		set := testkit.Reserve(t, l, draft)
		testkit.Walk(t, l, set.ID, c.states...)
		var names []string
		if c.content != nil {
			testkit.WriteFile(t, dir, "a.xml", c.content)
			names = []string{"a.xml"}
		}
		watch := &recorder{}
		one := watched(watch, testkit.Now)
		one.config.Sender = draft.Sender
		e := &directorySubmitter{
			submission: &submission{call: one, env: draft.Environment, request: SubmitRequest{Sidecar: func(Sidecar) string { return "what happened" }}},
			ledger:     l,
		}
		d := outgoing.New(dir, &durable.Disk{})
		ready, err := e.moveLeft(t.Context(), d, names)
		if err != nil || !slices.Equal(ready, c.ready) {
			t.Errorf("%s: ready %q, %v", c.name, ready, err)
		}
		open, err := l.ToMove(t.Context(), draft.Sender, draft.Environment)
		if err != nil || (len(open) > 0) != (c.name == "not finished") {
			t.Errorf("%s: still to be moved: %v, %v", c.name, open, err)
		}
		if c.where == "" {
			if len(e.files) > 0 {
				t.Errorf("%s: %+v", c.name, e.files)
			}
			continue
		}
		want := []string{filepath.Join(d.Place(c.where), "a.xml")}
		if len(e.files) != 1 || failure.ClassOf(e.files[0].Err) != c.class || !slices.Equal(e.files[0].Moved, want) {
			t.Fatalf("%s: %+v", c.name, e.files)
		}
		for _, f := range []string{want[0], want[0] + ".txt"} {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// What took the name of a file while that was dealt with is not moved for it: it
// stays, is told, and is taken by the next run.
func TestOnlyWhatWasJudgedIsMoved(t *testing.T) {
	t.Parallel()
	first, next := testkit.Dimona("1"), testkit.Dimona("2")
	part := testkit.Draft([]string{"1"}).Parts[0]
	converted := part
	converted.Hash, converted.Original = inbox.Hash{1}, part.Hash
	for _, c := range []struct {
		name   string
		part   inbox.Part
		err    error
		frozen bool // it was looked into
		moved  bool // where nothing took its name
	}{
		{"sent", part, nil, true, true},
		{"sent with other line ends", converted, nil, true, true},
		{"refused for its contents", part, &inbox.FaultsError{Path: "a.xml"}, true, true},
		{"refused for its name", part, &inbox.FileNameError{Path: "a.xml", Err: errors.New("no name")}, false, true},
		{"too large", part, &inbox.SourceError{Path: "a.xml", Err: inbox.ErrTooLarge}, false, true},
		{"sent before", part, &inbox.AlreadyError{Existing: inbox.Submission{State: inbox.Sent}}, true, true},
		{"not sent for another reason", part, transport.ErrPermission, true, false},
	} {
		for _, swapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, swapped %t", c.name, swapped), func(t *testing.T) {
				dir := t.TempDir()
				l := testkit.Ledger(t, "")
				file := testkit.WriteFile(t, dir, "a.xml", first)
				info, err := os.Lstat(file)
				if err != nil {
					t.Fatal(err)
				}
				o := inbox.JobResult{Job: inbox.Job{Files: []string{file}}, Err: c.err}
				if c.frozen {
					o.Parts = []inbox.Frozen{{Part: c.part}}
				}
				draft := testkit.Draft([]string{"1"})
				draft.ToMove, draft.Parts[0] = true, c.part
				draft.Parts[0].Source = file
				if c.err == nil {
					o.Submission = testkit.Sent(t, l, draft)
				}
				if swapped {
					if err := errors.Join(os.WriteFile(file, next, 0o600), os.Chtimes(file, time.Time{}, info.ModTime().Add(time.Second))); err != nil {
						t.Fatal(err)
					}
				}
				watch := &recorder{}
				one := watched(watch, testkit.Now)
				one.config.Sender = draft.Sender
				e := &directorySubmitter{
					submission: &submission{call: one, env: draft.Environment, request: SubmitRequest{Sidecar: func(Sidecar) string { return "what happened" }}},
					ledger:     l, seen: map[string]os.FileInfo{file: info},
				}
				d := outgoing.New(dir, &durable.Disk{})
				if err := d.Prepare(); err != nil {
					t.Fatal(err)
				}
				e.done(d, o)
				content, err := os.ReadFile(file)
				switch {
				case c.moved && !swapped:
					if !errors.Is(err, fs.ErrNotExist) || len(e.files) != 1 || len(e.files[0].Moved) != 1 || len(e.left) > 0 {
						t.Errorf("it was not moved: %v, %+v, left %v", err, e.files, e.left)
					}
				case swapped && !bytes.Equal(content, next) || !swapped && !bytes.Equal(content, first):
					t.Errorf("another file is there (%v)", err)
				case c.moved:
					if !slices.Equal(e.left, []LeftFile{{dir, "a.xml", "replaced"}}) || !saw(watch, func(r Replaced) bool { return r.File == file && r.Now == file }) {
						t.Errorf("left %v, %v", e.left, watch.events)
					}
				}
				if len(e.files) != 1 || failure.ClassOf(e.files[0].Err) != failure.ClassOf(c.err) {
					t.Errorf("got %+v", e.files)
				}
				for _, p := range []outgoing.Place{outgoing.Sent, outgoing.Failed} {
					if left, err := os.ReadDir(d.Place(p)); err != nil || swapped && len(left) > 0 {
						t.Errorf("%s has %v (%v)", p, left, err)
					}
				}
				if open, err := l.ToMove(t.Context(), draft.Sender, draft.Environment); err != nil || len(open) > 0 {
					t.Errorf("still to be moved: %v, %v", open, err)
				}
			})
		}
	}
}

// A run that was ended before it could fetch says so.
func TestRunInterruptedBeforeFetch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &cycle{call: quiet(), link: &link{}}
	p.fetch(ctx)
	if len(p.result.Steps) != 1 || p.result.Steps[0].Step != "fetch" || failure.ClassOf(p.result.Steps[0].Err) != failure.Interrupted {
		t.Errorf("%+v", p.result)
	}
}

// Only what is wrong with a file itself puts it aside.
func TestOwnFault(t *testing.T) {
	t.Parallel()
	source := func(err error) error { return &inbox.SourceError{Path: "x.xml", Err: err} }
	already := func(state inbox.State, same bool) error {
		return &inbox.AlreadyError{Existing: inbox.Submission{State: state}, Same: same}
	}
	lost := &transport.Error{Op: "put", Class: transport.Temporary, Kind: transport.ErrConnection, Err: io.ErrUnexpectedEOF}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&inbox.FileNameError{Path: "FI.x", Err: errors.New("x")}, true},
		{&inbox.FaultsError{}, true},
		{&inbox.ApplicationError{}, true},
		{&inbox.NameUsedError{}, true},
		{already(inbox.Sent, true), true},
		{already(inbox.Uploading, false), true},
		{already(inbox.Uploading, true), false}, // its twin is not sent yet
		{source(inbox.ErrEmpty), true},
		{source(inbox.ErrTooLarge), true},
		{source(&fs.PathError{Op: "read", Err: syscall.EIO}), false},
		{source(&fs.PathError{Op: "open", Err: syscall.EACCES}), false},
		{source(context.Canceled), false},
		{lost, false},
		{&transport.Error{Op: "put", Kind: transport.ErrPermission}, false},
		{&inbox.UnknownError{Err: lost}, false},
		{&inbox.SpoolError{Err: syscall.ENOSPC}, false},
		{syscall.ENOSPC, false},
		{naming.ErrSequenceExhausted, false},
		{context.Canceled, false},
	} {
		if got := ownFault(c.err); got != c.want {
			t.Errorf("%T %v: %t", c.err, c.err, got)
		}
		if got := ownFault(fmt.Errorf("x: %w", c.err)); got != c.want {
			t.Errorf("wrapped %T %v: %t", c.err, c.err, got)
		}
	}
}

// Parts of one set go together wherever they stand.
func TestBySet(t *testing.T) {
	t.Parallel()
	const a, b = "d/FI.DMFA.101380.20261125.00001.T.2.1", "d/FI.DMFA.101380.20261125.00001.T.2.2"
	got := fmt.Sprint(bySet([]string{b, "d/x.xml", "d/FI.broken", a}))
	if want := fmt.Sprint([][]string{{b, a}, {"d/x.xml"}, {"d/FI.broken"}}); got != want {
		t.Errorf("got %s", got)
	}
}
