package wording

import (
	"regexp"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// Words for values that programs know as codes.

// State is a state in plain words.
func State(s inbox.State) lang.Text {
	switch s {
	case inbox.Prepared:
		return Text("prepared, not sent yet")
	case inbox.Uploading, inbox.Uploaded:
		return Text("not completely sent")
	case inbox.Failed:
		return Text("failed, not sent")
	case inbox.Unknown:
		return Text("outcome unknown")
	case inbox.AcceptedWithRemarks:
		return Text("accepted with remarks")
	case inbox.NameUsed:
		return Text("name used by somebody else")
	}
	return lang.Word(string(s))
}

// StateWord is a state in one word, as programs know it.
func StateWord(s inbox.State) lang.Text { return Outcome(string(s)) }

// Outcome is what an answer says in plain words.
func Outcome(outcome string) lang.Text {
	return lang.Word(strings.ReplaceAll(outcome, "-", " "))
}

// Kind says what a reply is.
func Kind(kind string) lang.Text {
	if kind == reply.Other.String() {
		return Text("another reply")
	}
	return lang.Word(kind)
}

// Application is the code of an application with its meaning.
func Application(code string) lang.Text {
	x, ok := naming.LookupApplication(code)
	if !ok {
		return lang.Plain(code)
	}
	return Text("%s, %s", code, lang.Word(x.Meaning))
}

// Size is a number of bytes that a person can read.
func Size(bytes int64) lang.Text {
	if bytes < 1_000_000 {
		return Text("%d bytes", bytes)
	}
	return Text("%d MB", (bytes+500_000)/1_000_000)
}

// Note says a note of the ledger. An error that the ledger noted stays
// English.
func Note(note string) lang.Text {
	if reason, ok := strings.CutPrefix(note, app.SaidSent); ok {
		return Text("a person says so: %s", Printable(reason))
	}
	if reason, ok := strings.CutPrefix(note, app.SaidNotArrived); ok {
		return Text("a person says that it did not arrive: %s", Printable(reason))
	}
	if m := countedForms.FindStringSubmatch(note); m != nil {
		said := map[string]lang.Text{
			"refused": Text("%s of %s forms refused", m[1], m[2]), "to validate": Text("%s of %s forms to validate", m[1], m[2]),
			"answered": Text("%s of %s forms answered", m[1], m[2]),
		}[m[3]]
		if m[4] == "" {
			return said
		}
		return Text("%s: %s", said, Printable(m[4]))
	}
	return lang.Word(Printable(note))
}

// countedForms is how the ledger notes what the answers to the forms of a set
// say together.
var countedForms = regexp.MustCompile(`^(\d+) of (\d+) forms (refused|to validate|answered)(?:: (.*))?$`)

// Signature says what checking a signature gave.
func Signature(s string) lang.Text {
	if who, ok := strings.CutPrefix(s, answers.SignatureValid); ok {
		return Text("valid: %s", Printable(who))
	}
	if why, ok := strings.CutPrefix(s, answers.SignatureInvalid); ok {
		return Text("not valid: %s", Printable(why))
	}
	return lang.Word(s)
}

// Clock is a moment, by the clocks of the office.
func Clock(t time.Time) string { return t.In(naming.Brussels()).Format("2006-01-02 15:04") }
