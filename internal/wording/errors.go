package wording

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/outbox"
)

// This file says errors in the language of the person. In English an error is
// what its Error method says, on one line. In another language the errors that
// keep the format of their sentence are said anew; what was wrapped around them
// further down, and errors of other programs, stay English.

// Of says an error to a person.
func Of(err error) lang.Text {
	if t, ok := known(err); ok {
		return t
	}
	// What stands around the causes is a detail; they themselves may be known.
	rest := Sentence(err)
	under := causes(err)
	if len(under) == 0 { // a sentinel says all in one
		return lang.Word(rest)
	}
	var pieces []any
	for _, cause := range under {
		before, after, found := strings.Cut(rest, Sentence(cause))
		if found && cause != nil {
			pieces, rest = append(pieces, lang.Plain(before), cause), after
		}
	}
	return Text(strings.Repeat("%s", len(pieces)+1), append(pieces, lang.Plain(rest))...)
}

// known says an error that keeps what it says, or that the system gave. What it
// wraps is met on the way down.
func known(err error) (lang.Text, bool) {
	switch x := err.(type) { //nolint:errorlint // the outermost error itself is meant
	case *outbox.UnverifiedError:
		return Signature(x.Reason), true
	case *fs.PathError:
		return fileWords(x.Path, x.Err)
	case syscall.Errno:
		return fileReason(x)
	case *os.LinkError:
		return fileWords(x.New, x.Err)
	case sayable:
		return Message(x), true
	}
	if err == context.Canceled { //nolint:errorlint // the error itself
		return Text("interrupted"), true
	}
	return lang.Text{}, false
}

// fileWords says what the system has against a file, where that is common.
func fileWords(path string, err error) (lang.Text, bool) {
	reason, ok := fileReason(err)
	return Text("%s: %s", Printable(path), reason), ok && path != ""
}

func fileReason(err error) (lang.Text, bool) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Text("there is no such file or directory"), true
	case errors.Is(err, fs.ErrPermission):
		return Text("you have no right to do that"), true
	case errors.Is(err, fs.ErrExist):
		return Text("it is there already"), true
	case errors.Is(err, syscall.ENOTDIR):
		return Text("a file is in the way where a directory is needed"), true
	case errors.Is(err, syscall.EISDIR):
		return Text("it is a directory"), true
	case errors.Is(err, syscall.ENOSPC):
		return Text("the disk is full"), true
	case errors.Is(err, syscall.EROFS):
		return Text("nothing can be written there"), true
	}
	return lang.Text{}, false
}

// causes are the errors that an error wraps directly.
func causes(err error) []error {
	switch x := err.(type) { //nolint:errorlint // this is the walk along the chain
	case interface{ Unwrap() []error }:
		return x.Unwrap()
	case interface{ Unwrap() error }:
		if cause := x.Unwrap(); cause != nil {
			return []error{cause}
		}
	}
	return nil
}

// maxSentence bounds a message in bytes: a server may have put much into it.
const maxSentence = 2000

// Sentence writes an error on one line, in English.
func Sentence(err error) string {
	said := Printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
	if len(said) > maxSentence {
		said = strings.ToValidUTF8(said[:maxSentence], "") + "…"
	}
	return said
}
