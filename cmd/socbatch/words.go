package main

import (
	"regexp"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// Words for values that programs know as codes.

// stateWords is a state in plain words.
func stateWords(s inbox.State) lang.Text {
	switch s {
	case inbox.Prepared:
		return text("prepared, not sent yet")
	case inbox.Uploading, inbox.Uploaded:
		return text("not completely sent")
	case inbox.Failed:
		return text("failed, not sent")
	case inbox.Unknown:
		return text("outcome unknown")
	case inbox.AcceptedWithRemarks:
		return text("accepted with remarks")
	case inbox.NameUsed:
		return text("name used by somebody else")
	}
	return lang.Word(string(s))
}

// stateWord is a state in one word, as programs know it.
func stateWord(s inbox.State) lang.Text { return outcomeWord(string(s)) }

// outcomeWord is what an answer says in plain words.
func outcomeWord(outcome string) lang.Text {
	return lang.Word(strings.ReplaceAll(outcome, "-", " "))
}

// kindWords says what a reply is.
func kindWords(kind string) lang.Text {
	if kind == reply.Other.String() {
		return text("another reply")
	}
	return lang.Word(kind)
}

// applicationWords is the code of an application with its meaning.
func applicationWords(code string) lang.Text {
	x, ok := naming.LookupApplication(code)
	if !ok {
		return lang.Plain(code)
	}
	return text("%s, %s", code, lang.Word(x.Meaning))
}

// sizeWords is a number of bytes that a person can read.
func sizeWords(bytes int64) lang.Text {
	if bytes < 1_000_000 {
		return text("%d bytes", bytes)
	}
	return text("%d MB", (bytes+500_000)/1_000_000)
}

// What a person says of a set, as the ledger keeps it.
const (
	saidSent       = "a person says so: "
	saidNotArrived = "a person says that it did not arrive: "
)

// noteWords says a note of the ledger. An error that the ledger noted stays
// English.
func noteWords(note string) lang.Text {
	if reason, ok := strings.CutPrefix(note, saidSent); ok {
		return text("a person says so: %s", printable(reason))
	}
	if reason, ok := strings.CutPrefix(note, saidNotArrived); ok {
		return text("a person says that it did not arrive: %s", printable(reason))
	}
	if m := countedForms.FindStringSubmatch(note); m != nil {
		said := map[string]lang.Text{
			"refused": text("%s of %s forms refused", m[1], m[2]), "to validate": text("%s of %s forms to validate", m[1], m[2]),
			"answered": text("%s of %s forms answered", m[1], m[2]),
		}[m[3]]
		if m[4] == "" {
			return said
		}
		return text("%s: %s", said, printable(m[4]))
	}
	return lang.Word(printable(note))
}

// countedForms is how the ledger notes what the answers to the forms of a set
// say together.
var countedForms = regexp.MustCompile(`^(\d+) of (\d+) forms (refused|to validate|answered)(?:: (.*))?$`)

// signatureWords says what checking a signature gave.
func signatureWords(s string) lang.Text {
	if who, ok := strings.CutPrefix(s, answers.SignatureValid); ok {
		return text("valid: %s", printable(who))
	}
	if why, ok := strings.CutPrefix(s, answers.SignatureInvalid); ok {
		return text("not valid: %s", printable(why))
	}
	return lang.Word(s)
}
