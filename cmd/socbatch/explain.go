package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// explanation is an error as a person and a program get it.
type explanation struct {
	Code    int      `json:"code"`  // exit code
	Class   string   `json:"class"` // stable word for programs
	Message string   `json:"message"`
	Hints   []string `json:"hints"`
}

// explain is the one place where an error becomes words: what happened, to
// which file, what was not done, and what to do next.
func explain(err error) explanation {
	x := explanation{Code: exitCode(err), Message: sentence(err), Hints: []string{}}
	x.Class = className(x.Code)
	hint := func(format string, args ...any) { x.Hints = append(x.Hints, fmt.Sprintf(format, args...)) }

	var (
		usage    usageError
		cfg      *config.Error
		held     *lock.HeldError
		already  *inbox.AlreadyError
		used     *inbox.NameUsedError
		state    *inbox.StateError
		unknown  *inbox.UnknownError
		still    unsettledError
		faults   *inbox.FaultsError
		app      *inbox.ApplicationError
		source   *inbox.SourceError
		spool    *inbox.SpoolError
		host     *hostkey.Error
		hostFile *hostkey.FileError
		sshFile  *sshkey.FormatError
		told     credentialError
	)
	switch {
	case errors.As(err, &usage):
		hint("see: socbatch help")
	case errors.As(err, &cfg):
		x.Class = "configuration"
		hint("correct the configuration; nothing was done")
	case errors.As(err, &held):
		x.Message = held.Error() + "; nothing was done"
		hint("wait until it is ready, or let this command wait with --lock-wait 5m")
	case errors.As(err, &unknown):
		x.Message = fmt.Sprintf("%s: the GO was asked for and the server did not confirm it (%s); whether it is processed is not known, and it was not sent again", unknown.Set, rootCause(unknown.Err))
		hint("find out with: socbatch resume --env %s", unknown.Set.Environment)
	case errors.As(err, &still):
		x.Message = fmt.Sprintf("%s: what became of it could not be found out (%s); nothing was sent", still.set, rootCause(still.err))
		if transport.ClassOf(still.err) == transport.Permanent {
			hint("ask the office whether it arrived, then say so: socbatch mark-sent %s --reason \"…\"", still.set)
			hint("or, if it did not arrive: socbatch resubmit %s --reason \"…\"", still.set)
		} else {
			hint("try again later: socbatch resume --env %s", still.set.Environment)
		}
	case errors.As(err, &already):
		x.Message = alreadyMessage(already)
		if already.Existing.State.Unfinished() {
			hint("finish or give up that one first: socbatch resume, or socbatch cancel %s", already.Existing.Set)
		} else {
			hint("see what became of it with: socbatch status %s", already.Existing.Set)
			hint("to send it a second time all the same: --resubmit --reason \"…\"")
		}
	case errors.As(err, &used):
		x.Class = "name-used"
		x.Message = used.Error() + ", and the server refuses a name that it saw before (ACRF-133); nothing was sent"
		hint("rename the file with another sequence, or give it any other name and let socbatch choose")
	case errors.As(err, &state):
		x.Class = "state"
		x.Message = fmt.Sprintf("%s is %s: that cannot be done now", state.Name, state.Now)
		hint("see: socbatch status %s", state.Name)
	case errors.As(err, &faults):
		x.Class = "declaration"
		x.Message = fmt.Sprintf("%s would be refused, and was not sent: %s", faults.Path, faults.Error())
		hint("correct the file, or send it as it is with --skip-checks")
	case errors.As(err, &app):
		x.Class = "application"
		x.Message = app.Path + ": " + app.Error() + "; it was not sent"
		hint("say which with --app CODE; socbatch name --applications lists them")
	case errors.As(err, &source):
		x.Class = "file"
		x.Message = sourceMessage(source)
		if errors.Is(err, inbox.ErrChanging) {
			hint("wait until the program that writes it is ready, then run the command again")
		}
	case errors.As(err, &spool):
		x.Class = "spool"
		x.Message = fmt.Sprintf("%s: %v; it was not sent", spool.Set, spool)
		hint("give the set up with: socbatch cancel %s; then submit the file again", spool.Set)
	case errors.Is(err, naming.ErrSequenceExhausted):
		hint("submit again tomorrow: a new day begins at 00001")
	case errors.As(err, &host):
		hostKeyHints(&x, host)
	case errors.As(err, &hostFile):
		hint("repair or remove that line: a damaged file is not used at all, since the line could be one that revokes a key")
	case errors.As(err, &told):
		x.Hints = append(x.Hints, told.hints...)
	case errors.As(err, &sshFile):
		if sshFile.Hint != "" {
			hint("%s", sshFile.Hint)
		}
	case errors.Is(err, sshkey.ErrWrongPassphrase):
		hint("check the passphrase, or the file that holds it")
	case errors.Is(err, sshkey.ErrWeakKey):
		hint("make a new key of 4096 bits and register its public half on the portal: ssh-keygen -t rsa -b 4096")
	case errors.Is(err, sshkey.ErrNoAgent):
		hint("start an ssh-agent and add the key with ssh-add, or name the key file with key = \"…\" under [endpoint]")
	case errors.Is(err, secret.ErrNoTerminal):
		hint("put it into a file that only you can read, and name that file in the configuration")
	case errors.Is(err, ledger.ErrNoSubmission):
		hint("socbatch status lists the sets that were sent from here")
	case errors.Is(err, context.Canceled):
		x.Message = "interrupted"
		hint("run the same command again: it goes on where it stopped")
	case ledger.TroubleOf(err) != ledger.NoTrouble:
		ledgerHints(&x, err)
	case errors.Is(err, syscall.ENOSPC):
		x.Class = "disk"
		hint("make room on the disk, then run the same command again: it goes on where it stopped")
		hint(safeHint)
	case errors.Is(err, syscall.EROFS):
		x.Class = "disk"
		hint("the directory must be writable: choose another with --state-dir or state_dir")
		hint(safeHint)
	case errors.Is(err, syscall.EIO):
		x.Class = "disk"
		hint("the disk does not work as it should: check it, then run the same command again: it goes on where it stopped")
		hint(safeHint)
	default:
		transportHints(&x, err)
	}
	return x
}

func transportHints(x *explanation, err error) {
	hint := func(format string, args ...any) { x.Hints = append(x.Hints, fmt.Sprintf(format, args...)) }
	switch transport.ClassOf(err) {
	case transport.Authentication:
		hint("check that endpoint.user is the technical user and that its public key is registered on the portal for this channel")
		hint("a server that knows only ssh-rsa signatures needs allow_ssh_rsa = true (see docs/connection.md)")
	case transport.Temporary:
		hint("run the same command again later: it goes on where it stopped, and sends nothing twice")
	case transport.Permanent:
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns):
			hint("check endpoint.host, and that this machine can look up names")
		case errors.Is(err, transport.ErrAlgorithm):
			hint("the server and socbatch have no algorithm in common: see docs/connection.md")
		case errors.Is(err, transport.ErrProtocol):
			hint("what answers is not the server that was meant, or it is broken: check endpoint.host and endpoint.port, else call the office")
		case errors.Is(err, transport.ErrSize):
			hint("run the same command again; if it happens again, the server stores or delivers something else than it was given: call the office")
		case errors.Is(err, transport.ErrPermission):
			hint("the server does not allow this to your account: ask the office which rights it has")
		case errors.Is(err, transport.ErrNoSpace):
			hint("the server has no room for your account: fetch and delete replies, or call the office")
		}
	}
}

// safeHint says what a broken disk cannot have done.
const safeHint = "nothing is sent, or deleted on the server, before it is safe on this disk"

func ledgerHints(x *explanation, err error) {
	hint := func(format string, args ...any) { x.Hints = append(x.Hints, fmt.Sprintf(format, args...)) }
	x.Class = "ledger"
	switch ledger.TroubleOf(err) {
	case ledger.Busy:
		x.Class = "locked"
		hint("another socbatch is writing to the ledger: try again when it is ready")
	case ledger.Damaged:
		hint("put back the last copy of the ledger, or move the file away and begin a new one: a new one does not know what was sent before")
	case ledger.ReadOnly:
		hint("the directory and the file of the ledger must be writable for you: choose another with --state-dir or state_dir")
	case ledger.Full:
		hint("make room on the disk, then run the same command again: it goes on where it stopped")
	default:
		hint("check that the directory of the ledger is on a local disk that works and has room, and that you may read and write it")
	}
	if x.Class == "ledger" {
		hint(safeHint)
	}
}

func hostKeyHints(x *explanation, e *hostkey.Error) {
	hint := func(format string, args ...any) { x.Hints = append(x.Hints, fmt.Sprintf(format, args...)) }
	x.Class = "host-key"
	x.Message = e.Error() + "; the connection was ended before anything was sent"
	switch {
	case errors.Is(e, hostkey.ErrUnknown):
		hint("compare the fingerprint with the one that the office gives you by telephone; if it is the same, accept it once: socbatch hostkey accept %s", e.Fingerprint)
	case errors.Is(e, hostkey.ErrRevoked):
		hint("this key was declared stolen or lost: do not connect; ask the office for its new key")
	case errors.Is(e, hostkey.ErrChanged):
		hint("somebody may be listening in: do not go on before the office has confirmed the new fingerprint")
		hint("if it has: socbatch hostkey accept %s", e.Fingerprint)
	}
}

func alreadyMessage(e *inbox.AlreadyError) string {
	old := e.Existing
	when := old.SentAt
	verb := "was sent"
	if when.IsZero() {
		when, verb = old.CreatedAt, "was prepared"
	}
	what := "this declaration"
	if len(old.Parts) > 1 && !e.Same {
		what = fmt.Sprintf("part %d", e.Part)
	}
	return fmt.Sprintf("%s %s already on %s as %s (now %s); nothing was sent", what, verb,
		when.In(naming.Brussels()).Format("2006-01-02 15:04"), old.Set, stateWords(old.State))
}

func sourceMessage(e *inbox.SourceError) string {
	reason := e.Err.Error()
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		reason = "there is no such file"
	case errors.Is(e.Err, fs.ErrPermission):
		reason = "you may not read it"
	case errors.Is(e.Err, inbox.ErrNotRegular):
		reason = "it is not a file"
		if info, err := os.Stat(e.Path); err == nil && info.IsDir() {
			reason = "it is a directory: name the files in it"
		}
	}
	return fmt.Sprintf("%s: %s; it was not sent", printable(e.Path), reason)
}

// maxSentence bounds a message in bytes: a server may have put much into it.
const maxSentence = 2000

// sentence writes an error on one line.
func sentence(err error) string {
	text := printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
	if len(text) > maxSentence {
		text = strings.ToValidUTF8(text[:maxSentence], "") + "…"
	}
	return text
}

// words says an error to a person.
func words(err error) lang.Text { return lang.Plain(sentence(err)) }

func rootCause(err error) string {
	var e *transport.Error
	if errors.As(err, &e) && e.Kind != nil {
		return e.Kind.Error()
	}
	return sentence(err)
}

// className is the word for an exit code in JSON.
func className(code int) string {
	switch code {
	case exitDone:
		return "done"
	case exitUsage:
		return "usage"
	case exitPartly:
		return "partly"
	case exitCredentials:
		return "credentials"
	case exitTemporary:
		return "temporary"
	case exitRefused:
		return "refused"
	case exitAlready:
		return "already-sent"
	case exitNoAnswer:
		return "no-answer"
	case exitUnknown:
		return "unknown"
	case exitLocked:
		return "locked"
	case exitInterrupted:
		return "interrupted"
	}
	return "failed"
}
