package cli

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

// sidecar is the text beside a file that was moved: what happened, when, and what
// to do next, in the language of the person.
func (a *program) sidecar(x app.Sidecar) string {
	u, o := a.ui, x.Result
	var b strings.Builder
	name := filepath.Base(x.File)
	if o.Err == nil {
		b.WriteString(u.text("%s was sent.", printable(name)))
	} else {
		b.WriteString(u.problemWords(name, o.Err))
	}
	b.WriteString("\n\n")
	var f fields
	f.add(text("date"), wording.Clock(a.now()))
	f.add(text("environment"), environmentWords(u, x.Environment))
	if x.As != name {
		f.add(text("name here"), printable(x.As))
	}
	if o.Err == nil {
		addSet(u, &f, o, x.File)
	}
	b.WriteString(strings.Join(u.fieldLines("", f), "\n") + "\n\n")
	b.WriteString(u.text("What to do:") + "\n")
	for _, h := range whatToDo(x.Dir, o) {
		b.WriteString("- " + strings.ReplaceAll(u.in(h), "\n", "\n  ") + "\n")
	}
	return b.String()
}

func environmentWords(u *ui, env naming.Environment) string {
	return u.text("%s, %s (folder %s)", env, lang.Word(env.Meaning()), env.Inbox())
}

// addSet says which set a file went in.
func addSet(u *ui, f *fields, o inbox.JobResult, file string) {
	s := o.Submission
	f.add(text("set"), s.Set.String())
	for i, p := range s.Parts {
		if len(s.Parts) > 1 && i < len(o.Job.Files) && o.Job.Files[i] == file {
			f.add(text("part"), u.text("%d of %d", p.Number, len(s.Parts)))
		}
	}
	if !s.SentAt.IsZero() {
		f.add(text("sent"), wording.Clock(s.SentAt))
	}
	if s.Signed() {
		f.add(text("signed by"), printable(s.SignedBy))
	}
	if s.State != inbox.Sent {
		f.add(text("state"), u.in(wording.State(s.State)))
	}
}

// whatToDo is for a file that was moved.
func whatToDo(dir string, o inbox.JobResult) []lang.Text {
	if o.Err == nil {
		return []lang.Text{text("nothing; see what became of it with: socbatch status %s", o.Submission.Set)}
	}
	hints := explain(o.Err).Hints
	var already *inbox.AlreadyError
	var replied *inbox.ReplyError
	if !errors.As(o.Err, &already) && failure.HintsOf(o.Err) == nil && !errors.As(o.Err, &replied) {
		hints = append(hints, text("put it into %s again when it is right: the next run takes it", printable(dir)))
	}
	return hints
}
