package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/schema"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// This file says errors in the language of the person. In English an error is
// what its Error method says, on one line. In another language the errors whose
// type tells what happened are said anew; what was wrapped around them further
// down, and errors of other packages, stay English.

// saidError is an error that was made for a person.
type saidError struct {
	text   lang.Text
	causes []error
}

func (e *saidError) Error() string   { return e.text.String() }
func (e *saidError) Unwrap() []error { return e.causes }

// errorf is fmt.Errorf for what a person reads: it wraps the errors among its
// arguments.
func errorf(format string, args ...any) error {
	e := &saidError{}
	var said []string
	for i, a := range args {
		switch x := a.(type) {
		case string:
			args[i] = printable(x)
			said = append(said, x)
		case error:
			e.causes = append(e.causes, x)
			if p, ok := x.(*fs.PathError); ok && slices.Contains(said, p.Path) { //nolint:errorlint // the error itself
				if reason, ok := fileReason(p.Err); ok {
					args[i] = reason // the file was named just before
				}
			}
		}
	}
	e.text = text(format, args...)
	return e
}

// words says an error to a person.
func words(err error) lang.Text {
	if t, ok := wordsOf(err); ok {
		return t
	}
	// What stands around the causes is a detail; they themselves may be known.
	rest := sentence(err)
	var pieces []any
	for _, cause := range causes(err) {
		before, after, found := strings.Cut(rest, sentence(cause))
		if found && cause != nil {
			pieces, rest = append(pieces, lang.Plain(before), cause), after
		}
	}
	return text(strings.Repeat("%s", len(pieces)+1), append(pieces, lang.Plain(rest))...)
}

// wordsOf says an error whose type tells what happened. What it wraps is met on
// the way down.
func wordsOf(err error) (lang.Text, bool) {
	switch x := err.(type) { //nolint:errorlint // the outermost error itself is meant
	case *saidError:
		return x.text, true
	case unsettledError:
		return text("%s: what became of it could not be found out: %s", x.set, x.err), true
	case *lock.HeldError:
		return heldWords(x), true
	case *inbox.NameUsedError:
		return text("name %s was used before", x.Name), true
	case *inbox.StateError:
		return text("%s is %s and cannot become %s", x.Name, lang.Word(string(x.Now)), lang.Word(string(x.To))), true
	case *inbox.LeftBehindError:
		return text("%s is given up, and files of it stay on the server without a GO: %s", x.Set, x.Err), true
	case *inbox.ApplicationError:
		if last := len(x.Candidates) - 1; last > 0 {
			fitting := text("%s and %s", strings.Join(x.Candidates[:last], ", "), x.Candidates[last])
			if len(x.Identifications) > 0 {
				return text("root element %s fits the applications %s, and Identification %s does not say which", printable(x.Root), fitting, strings.Join(x.Identifications, ", ")), true
			}
			return text("root element %s fits the applications %s", printable(x.Root), fitting), true
		}
		return text("no application is known for the root element %s", printable(x.Root)), true
	case *inbox.FaultsError:
		return faultWords(x), true
	case *outbox.TooLargeError:
		return text("%s has more than %d bytes, which no reply has", printable(x.Name), x.Most), true
	case *seal.OtherRecipientError:
		return text("%s was not encrypted for the identity in %s", x.Path, x.Identity), true
	case *outbox.UnverifiedError:
		return signatureWords(x.Reason), true
	case *naming.UnknownError:
		return text("%q is not a name of the channel: %s", x.Text, x.Reason), true
	case *config.Error:
		return configWords(x), true
	case *fs.PathError:
		return fileWords(x.Path, x.Err)
	case syscall.Errno:
		return fileReason(x)
	case *os.LinkError:
		return fileWords(x.New, x.Err)
	case *pflag.NotExistError:
		if x.GetSpecifiedShortnames() != "" {
			return text("unknown flag: -%s", x.GetSpecifiedName()), true
		}
		return text("unknown flag: --%s", x.GetSpecifiedName()), true
	case *pflag.ValueRequiredError:
		return text("flag --%s needs a value", x.GetFlag().Name), true
	case *pflag.InvalidValueError:
		return text("flag --%s cannot have the value %q", x.GetFlag().Name, x.GetValue()), true
	case sayable:
		return saidText(x), true
	case *hostkey.Error:
		return hostKeyWords(x), true
	case *hostkey.FileError:
		if x.Line == 0 {
			return text("known_hosts file %s: %s", x.File, x.Err), true
		}
		return text("known_hosts file %s, line %d: %s", x.File, x.Line, x.Err), true
	case *proxy.Error:
		if x.Err == nil {
			return text("proxy %s: %s", printable(x.Proxy), x.Reason), true
		}
		return text("proxy %s: %s: %s", printable(x.Proxy), x.Reason, x.Err), true
	case *sshkey.FormatError:
		t := text("not a usable SSH key: found %s", lang.Word(x.Found))
		if x.Err != nil {
			t = text("%s: %s", t, x.Err)
		}
		return t, true
	}
	if err == context.Canceled { //nolint:errorlint // the error itself
		return text("interrupted"), true
	}
	if slices.Contains(sentinels, err) {
		return lang.Word(err.Error()), true
	}
	return lang.Text{}, false
}

// fileWords says what the system has against a file, where that is common.
func fileWords(path string, err error) (lang.Text, bool) {
	reason, ok := fileReason(err)
	return text("%s: %s", printable(path), reason), ok && path != ""
}

func fileReason(err error) (lang.Text, bool) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return text("there is no such file or directory"), true
	case errors.Is(err, fs.ErrPermission):
		return text("you have no right to do that"), true
	case errors.Is(err, fs.ErrExist):
		return text("it is there already"), true
	case errors.Is(err, syscall.ENOTDIR):
		return text("a file is in the way where a directory is needed"), true
	case errors.Is(err, syscall.EISDIR):
		return text("it is a directory"), true
	case errors.Is(err, syscall.ENOSPC):
		return text("the disk is full"), true
	case errors.Is(err, syscall.EROFS):
		return text("nothing can be written there"), true
	}
	return lang.Text{}, false
}

// sentinels are the errors of lower packages that say all in one.
var sentinels = []error{
	transport.ErrNotFound, transport.ErrPermission, transport.ErrNoSpace, transport.ErrUnsupported, transport.ErrSize,
	transport.ErrConnection, transport.ErrStalled, transport.ErrProtocol, transport.ErrAuthentication, transport.ErrHostKey,
	transport.ErrAlgorithm, transport.ErrFailure,
	inbox.ErrNotRegular, inbox.ErrEmpty, inbox.ErrTooLarge, inbox.ErrChanging, inbox.ErrExists,
	naming.ErrSequenceExhausted,
	ledger.ErrNoSubmission, ledger.ErrOlder,
	schema.ErrNoProgram,
	hostkey.ErrUnknown, hostkey.ErrChanged, hostkey.ErrRevoked,
	transport.ErrNameUnknown, transport.ErrNameLookup, transport.ErrRefused, transport.ErrTimedOut, transport.ErrUnreachable, transport.ErrHungUp, transport.ErrNotSSH,
	proxy.ErrUnreachable, proxy.ErrSilent, proxy.ErrClosed, proxy.ErrCertificate, proxy.ErrAuthentication, proxy.ErrForbidden, proxy.ErrServer, proxy.ErrAnswer, proxy.ErrCommand,
	sshkey.ErrPassphraseNeeded, sshkey.ErrWrongPassphrase, sshkey.ErrWeakKey, sshkey.ErrNoAgent, sshkey.ErrBits,
	secret.ErrNoTerminal,
	seal.ErrWrongPassphrase,
	sign.ErrTooLarge, sign.ErrWrongPassword, sign.ErrEncoding, sign.ErrNoKey, sign.ErrSeveralKeys, sign.ErrNoMatchingCertificate,
	sign.ErrUnsupportedKey, sign.ErrKeyTooShort, sign.ErrExpired, sign.ErrNotYetValid, sign.ErrKeyUsage, sign.ErrNoCertificate,
	sign.ErrText, sign.ErrMalformed, sign.ErrNotDER, sign.ErrDigestMismatch, sign.ErrBadSignature, sign.ErrNoSignerCertificate,
	sign.ErrUntrusted, sign.ErrSigningTime, sign.ErrAlgorithm,
}

func faultWords(e *inbox.FaultsError) lang.Text {
	var all []any
	for _, f := range e.Faults {
		one := text("%s", f)
		if f.ID != "" {
			one = text("%s: %s", f.ID, f)
		}
		all = append(all, one)
	}
	return text(strings.TrimSuffix(strings.Repeat("%s; ", len(all)), "; "), all...)
}

func configWords(e *config.Error) lang.Text {
	where := text("configuration")
	switch {
	case e.Line > 0:
		where = text("configuration %s:%d", e.Path, e.Line)
	case e.Path != "":
		where = text("configuration %s", e.Path)
	}
	if p, ok := e.Problem.(*fs.PathError); ok && p.Path == e.Path { //nolint:errorlint // the error itself
		if reason, ok := fileReason(p.Err); ok {
			return text("%s: %s", where, reason)
		}
	}
	if e.Key != "" {
		return text("%s: %s: %s", where, e.Key, e.Problem)
	}
	return text("%s: %s", where, e.Problem)
}

func heldWords(e *lock.HeldError) lang.Text {
	if e.Holder.PID == 0 {
		return text("another process is at work (lock %s)", e.Path)
	}
	return text("%q is at work since %s (process %d on %s, lock %s)", e.Holder.Command,
		e.Holder.Since.Local().Format(time.DateTime), e.Holder.PID, e.Holder.Host, e.Path)
}

func hostKeyWords(e *hostkey.Error) lang.Text {
	if len(e.Expected) == 0 {
		return text("%s: %s: server showed %s %s", e.Host, e.Reason, e.KeyType, e.Fingerprint)
	}
	var pieces []any
	for _, x := range e.Expected {
		if x.File == "" {
			pieces = append(pieces, text("%s (pinned)", x.Fingerprint))
		} else {
			pieces = append(pieces, x.String())
		}
	}
	expected := text(strings.TrimSuffix(strings.Repeat("%s, ", len(pieces)), ", "), pieces...)
	if errors.Is(e.Reason, hostkey.ErrRevoked) {
		return text("%s: %s: server showed %s %s, revoked by %s", e.Host, e.Reason, e.KeyType, e.Fingerprint, expected)
	}
	return text("%s: %s: server showed %s %s, expected %s", e.Host, e.Reason, e.KeyType, e.Fingerprint, expected)
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

// sentence writes an error on one line, in English.
func sentence(err error) string {
	said := printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
	if len(said) > maxSentence {
		said = strings.ToValidUTF8(said[:maxSentence], "") + "…"
	}
	return said
}
