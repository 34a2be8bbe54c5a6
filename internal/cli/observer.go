package cli

import (
	"path/filepath"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/internal/wording"
)

// observer prints what happens while a request is under way.
type observer struct {
	*program
	bar *progress
}

func (a *program) observer() *observer { return &observer{program: a} }

// Progress implements app.Observer.
func (o *observer) Progress(p app.Progress) {
	switch {
	case o.bar == nil && p.Phase == app.Sending:
		o.bar = o.ui.progress("sending", o.ui.text("sending"), p.Total, true)
	case o.bar == nil:
		o.bar = o.ui.progress("fetching", o.ui.text("fetching %s", p.Folder), p.Total, false)
	}
	if p.Added > 0 {
		o.bar.add(p.Added)
	}
	if p.Ended {
		o.bar.done()
		o.bar = nil
	}
}

// Event implements app.Observer.
func (o *observer) Event(e app.Event) {
	a, u := o.program, o.ui
	switch e := e.(type) {
	case app.Settling:
		u.say("an earlier run broke off after GO: looking what became of %s", count(e.Sets, "%d set", "%d sets"))
	case app.Settled:
		s := e.Submission
		u.say("  %s: %s (%s)", s.Set, wording.State(s.State), wording.Note(s.Note))
	case app.SettleFailed:
		u.warn("%s", explain(e.Err).Message)
		u.hint("settle them by hand, see: socbatch help mark-sent")
	case app.Resumed:
		printResumed(a, e)
	case app.Sent:
		u.event("submission", contract.Event{Submission: contract.NewSubmission(e.Submission)})
	case app.Previewed:
		printWarnings(a, e.Result)
		if e.Result.Err != nil {
			u.problem(jobName(e.Result.Job), e.Result.Err)
		} else {
			printPreview(a, e.Result)
		}
	case app.FilesDone:
		printWarnings(a, e.Result)
		printOutcome(a, e.Result)
		if e.Aside != "" {
			u.hint("it lies in %s now, with a note beside it", printable(e.Aside))
		}
	case app.LeftBehind:
		u.warn("%s", explain(e.Err).Message)
	case app.Found:
		s := e.Submission
		u.result("%s  %s  (found out by looking; nothing was sent under a new name)", u.mark(string(s.State), u.in(wording.StateWord(s.State))), s.Set)
		u.object(contract.OneSubmission{Submission: contract.NewSubmission(s)})
	case app.Foreign, app.NotReady, app.Replaced, app.NotMoved, app.DirectoryEmpty:
		printDirectory(a, e)
	case app.Fetched:
		printFetched(a, e.Config, e.Fetch)
		tellRead(a, e.Fetch.Read)
	case app.Waiting:
		seconds := e.Max.Seconds()
		u.event("waiting", contract.Event{Submissions: &e.Sets, MaxSeconds: &seconds})
		u.say("waiting for the answers, at most %s", e.Max)
	case app.Retry:
		x := explain(e.Err)
		u.event("retry", contract.Event{Error: &x})
		u.say("the server is not there now (%s); trying again", wording.RootCause(e.Err))
	case app.Answered:
		printAnswered(a, e)
	case app.NameUsed:
		tellNameUsed(a, e.Submissions)
	case app.StepFailed:
		u.tell(e.Err)
	case app.Warned:
		u.warn("%s", e.Fault)
	case app.Finished:
		o.finished(e)
	default:
		printDuties(a, e)
	}
}

// finished prints the result, and the error that is not known yet.
func (o *observer) finished(e app.Finished) {
	a := o.program
	switch r := e.Result.(type) {
	case app.SubmitResult:
		endSubmit(a, r, e.Err)
	case app.FetchResult:
		endFetch(a, r, e.Err)
	case app.RunResult:
		endRun(a, r, e.Err)
	case app.ResumeResult:
		endResume(a, r, e.Err)
	}
	if e.Err != nil {
		a.ui.fail(e.Err)
		a.failed = true
	}
}

// printResumed says what became of a set that an earlier run began.
func printResumed(a *program, r app.Resumed) {
	s := r.Submission
	if r.Err != nil {
		a.ui.problem(s.Set.String(), r.Err)
		for _, h := range explain(r.Err).Hints {
			a.ui.hint("%s", h)
		}
		return
	}
	a.ui.result("%s  %s", a.ui.mark(string(s.State), a.ui.in(wording.StateWord(s.State))), s.Set)
}

// printDirectory says what was found in an outgoing directory.
func printDirectory(a *program, e app.Event) {
	u := a.ui
	switch e := e.(type) {
	case app.Foreign:
		u.say("%s: %s left alone: no declaration (NAME.xml, FI.…)", printable(e.Dir), count(e.Files, "%d file", "%d files"))
	case app.NotReady:
		switch {
		case !e.Missing:
			u.say("%s: %s", printable(filepath.Base(e.Files[0])), text("not ready yet (%s): left for the next time", wording.SystemReason(e.Err)))
		case e.Old:
			u.warn("%s; nothing of it was sent", e.Err)
		default:
			u.say("%s; nothing of it was sent", e.Err)
		}
	case app.Replaced:
		if e.Now == e.File {
			u.warn("%s: another file has taken this name meanwhile; it was not moved, and the next run takes it", printable(e.File))
			return
		}
		u.warn("%s: other files have taken this name meanwhile; they were not moved, one of them is %s now, and the next run takes them", printable(e.File), printable(filepath.Base(e.Now)))
	case app.NotMoved:
		u.warn("%s could not be moved to %s: %s", printable(e.File), printable(e.To), e.Err)
	case app.DirectoryEmpty:
		u.say("nothing to send")
	}
}

// printAnswered says where the sets stand that were waited for.
func printAnswered(a *program, e app.Answered) {
	for _, sub := range e.Submissions {
		line := a.ui.mark(string(sub.State), a.ui.in(wording.State(sub.State))) + "  " + sub.Set.String()
		if sub.Note != "" {
			line += "  " + a.ui.in(wording.Note(sub.Note))
		}
		a.ui.result("%s", line)
		if sub.State == inbox.Refused {
			a.ui.hintCodes(sub.Note)
			a.ui.hint("see the whole story: socbatch status %s", sub.Set)
		}
	}
	tellNameUsed(a, e.Submissions)
	if e.TimeUp {
		a.ui.say("time is up; look again later with: socbatch fetch --env %s", e.Environment)
	}
}

// printDuties says what went wrong with what is done beside the work itself.
func printDuties(a *program, e app.Event) {
	u := a.ui
	switch e := e.(type) {
	case app.HookFailed:
		switch r := e.Result; r.Outcome {
		case hook.Failed:
			u.warn("hook %s for %s failed with exit code %d (--verbose shows its output)", e.Hook, e.About, r.ExitCode)
		case hook.TimedOut:
			u.warn("hook %s for %s took longer than %s and was ended", e.Hook, e.About, e.Timeout)
		default:
			u.warn("hook %s for %s could not be started: %s", e.Hook, e.About, wording.Sentence(r.Err))
		}
	case app.HooksFailed:
		u.warn("the hooks cannot be called now: %s", wording.Sentence(e.Err))
	case app.SealFailed:
		u.warn("what is stored could not all be encrypted, and stays in clear: %s", e.Err)
		u.hint("the next run tries again; at once: socbatch archive seal")
	case app.HeartbeatFailed:
		u.warn("the heartbeat could not be sent: %s", wording.Sentence(e.Err))
	case app.MetricsFailed:
		u.warn("the metrics could not be written to %s: %s", printable(e.Path), wording.Sentence(e.Err))
	}
}
