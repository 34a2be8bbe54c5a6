package wording

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/schema"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// Explanation is an error as a person and a program get it.
type Explanation struct {
	Class failure.Class // what exit codes are made of
	// Kind is a stable word for programs: that of the class, or one that says more.
	Kind    string
	Message lang.Text
	Hints   []lang.Text
}

func (x *Explanation) hint(format string, args ...any) {
	x.Hints = append(x.Hints, Text(format, args...))
}

// Explain is the one place where an error becomes words: what happened, to
// which file, what was not done, and what to do next.
func Explain(err error) Explanation {
	class := failure.ClassOf(err)
	x := Explanation{Class: class, Kind: string(class), Message: Of(err), Hints: []lang.Text{}}
	var (
		usage    *failure.UsageError
		cfg      *config.Error
		held     *lock.HeldError
		already  *inbox.AlreadyError
		maybe    *inbox.MaybeSentError
		used     *inbox.NameUsedError
		state    *inbox.StateError
		unknown  *inbox.UnknownError
		still    *inbox.UnsettledError
		faults   *inbox.FaultsError
		which    *inbox.ApplicationError
		replied  *inbox.ReplyError
		source   *inbox.SourceError
		spool    *inbox.SpoolError
		behind   *inbox.LeftBehindError
		host     *hostkey.Error
		hostFile *hostkey.FileError
		sshFile  *sshkey.FormatError
		xsd      *schema.FileError
		sealed   *seal.OtherRecipientError
		name     *inbox.FileNameError
		path     *fs.PathError
		clock    *app.ClockError
	)
	switch {
	case errors.Is(err, schema.ErrNoProgram):
		x.Kind = "configuration"
		x.Message = Text("%s; nothing was done", schema.ErrNoProgram)
		x.hint("install it (Debian, Ubuntu: libxml2-utils; Red Hat: libxml2; Windows: it comes with libxml2), or leave out --schema and schema_dir")
	case errors.As(err, &usage):
		x.hint("see: socbatch help")
	case errors.As(err, &cfg):
		x.Kind = "configuration"
		x.hint("correct the configuration; nothing was done")
	case errors.As(err, &held):
		x.Message = Text("%s; nothing was done", held)
		x.hint("wait until it is ready, or let this command wait with --lock-wait 5m")
	case errors.As(err, &unknown):
		x.Message = Text("%s: the GO was asked for and the server did not confirm it (%s); whether it is processed is not known, and it was not sent again", unknown.Set, RootCause(unknown.Err))
		if unknown.Taken {
			x.Message = Text("%s: the server took it, and that could not be recorded here (%s); it was not sent again", unknown.Set, RootCause(unknown.Err))
		}
		x.ledgerHint(ledger.FailureOf(unknown.Err))
		x.hint("find out with: socbatch resume --env %s", unknown.Set.Environment)
	case errors.As(err, &still):
		x.Message = Text("%s: what became of it could not be found out (%s); nothing was sent", still.Set, RootCause(still.Err))
		if transport.ClassOf(still.Err) == transport.Permanent {
			x.hint("ask the office whether it arrived, then say so: socbatch mark-sent %s --reason \"…\"", still.Set)
			x.hint("or, if it did not arrive: socbatch resubmit %s --reason \"…\"", still.Set)
		} else {
			x.hint("try again later: socbatch resume --env %s", still.Set.Environment)
		}
	case errors.As(err, &already):
		x.Message = alreadyMessage(already)
		if already.Existing.State.Unfinished() {
			x.hint("finish or give up that one first: socbatch resume, or socbatch cancel %s", already.Existing.Set)
		} else {
			x.hint("see what became of it with: socbatch status %s", already.Existing.Set)
			x.hint("to send it a second time all the same: --resubmit --reason \"…\"")
		}
	case errors.As(err, &maybe):
		x.Kind = "maybe-sent"
		x.Message = Text("it may have been sent already: the office had %s by %s (%s), which was not delivered by this ledger, and the file is older than that; nothing was sent", maybe.Use.Name, Clock(maybe.Use.SeenAt), maybe.Use.Reply)
		x.hint("look on the portal, or ask the office, whether this declaration is there; if this ledger was lost or put back, put back its newest copy")
		x.hint("if it is not there: socbatch submit FILE --resubmit --reason \"…\"")
	case errors.As(err, &used):
		x.Kind = "name-used"
		x.Message = Text("%s, and the server refuses a name that it saw before (ACRF-133); nothing was sent", used)
		x.hint("rename the file with another sequence, or give it any other name and let socbatch choose")
	case errors.As(err, &state):
		x.Kind = "state"
		x.Message = Text("%s is %s: that cannot be done now", state.Name, lang.Word(string(state.Now)))
		x.hint("see: socbatch status %s", state.Name)
	case errors.As(err, &replied):
		x.Kind = "reply"
		x.Message = Text("%s: %s; it was not sent", Printable(replied.Path), replied)
		x.hint(ReadReplies)
		if replied.Application != "" {
			x.hint("it is sent only with --app %s, which says that this is meant", replied.Application)
		} else {
			x.hint("it is sent only with --app CODE, which says that this is meant")
		}
	case errors.As(err, &faults):
		x.Kind = "declaration"
		x.Message = Text("%s would be refused, and was not sent: %s", Printable(faults.Path), faults)
		x.hint("correct the file, or send it as it is with --skip-checks")
	case errors.As(err, &which):
		x.Kind = "application"
		x.Message = Text("%s: %s; it was not sent", Printable(which.Path), which)
		x.hint("say which with --app CODE; socbatch name --applications lists them")
	case errors.As(err, &source):
		x.Kind = "file"
		x.Message = sourceMessage(source)
		switch {
		case errors.Is(err, inbox.ErrChanging):
			x.hint("wait until the program that writes it is ready, then run the command again")
		case errors.As(err, &xsd):
			x.hint("get the schema files anew from the office's site, or leave out --schema and schema_dir")
		}
	case errors.As(err, &spool):
		x.Kind = "spool"
		x.Message = Text("%s: %s; it was not sent", spool.Set, spool)
		x.hint("give the set up with: socbatch cancel %s; then submit the file again", spool.Set)
	case errors.As(err, &behind):
		x.hint("clean up later with: socbatch cancel %s", behind.Set)
	case errors.Is(err, naming.ErrSequenceExhausted):
		x.hint("submit again tomorrow: a new day begins at 00001")
	case errors.As(err, &host):
		hostKeyHints(&x, host, failure.ContactOf(err))
	case errors.As(err, &hostFile):
		x.hint("repair or remove that line: a damaged file is not used at all, since the line could be one that revokes a key")
	case errors.As(err, &clock):
		x.hint(AcceptClock)
	case failure.HintsOf(err) != nil:
		x.Hints = append(x.Hints, failure.HintsOf(err)...)
	case errors.As(err, &name):
		x.Kind = "file"
		x.hint("rename the file, or give it any other name and let socbatch choose")
	case errors.As(err, &sealed):
		x.hint("it needs the identity of the recipient that was configured then; a file may hold several identities, one on each line")
	case errors.As(err, &sshFile):
		if sshFile.Hint != "" {
			x.hint("%s", lang.Word(sshFile.Hint))
		} else {
			x.hint("name the file of a key: OpenSSH, PEM or PuTTY .ppk")
		}
	case errors.Is(err, sshkey.ErrWrongPassphrase):
		x.hint("check the passphrase, or the file that holds it")
	case errors.Is(err, sshkey.ErrWeakKey):
		x.hint("make a new key and register its public half on the portal: socbatch keys generate")
	case errors.Is(err, sshkey.ErrNoAgent):
		x.hint("start an ssh-agent and add the key with ssh-add, or name the key file with key = \"…\" under [endpoint]")
	case errors.Is(err, secret.ErrNoTerminal):
		x.hint("put it into a file that only you can read, and name that file in the configuration")
		x.hint("or keep it in the keyring of this computer: socbatch secret set p12, or socbatch secret set key")
	case errors.Is(err, ledger.ErrNoSubmission):
		x.hint("socbatch status lists the sets that were sent from here")
	case errors.Is(err, context.Canceled):
		x.Message = Text("interrupted")
		x.hint("run the same command again: it goes on where it stopped")
	case ledger.FailureOf(err) != ledger.NoFailure:
		x.Kind = "ledger"
		x.ledgerHint(ledger.FailureOf(err))
		if ledger.FailureOf(err) == ledger.Busy {
			x.Kind = "locked"
		} else {
			x.safe()
		}
	case errors.As(err, &path) && errors.Is(path.Err, fs.ErrPermission):
		x.hint("see who may read and write the file and its directory, and as which user socbatch runs")
	case errors.Is(err, syscall.ENOSPC):
		x.Kind = "disk"
		x.hint("make room on the disk, then run the same command again: it goes on where it stopped")
		x.safe()
	case errors.Is(err, syscall.EROFS):
		x.Kind = "disk"
		x.hint("the directory must be writable: choose another with --state-dir or state_dir")
		x.safe()
	case errors.Is(err, syscall.EIO):
		x.Kind = "disk"
		x.hint("the disk does not work as it should: check it, then run the same command again: it goes on where it stopped")
		x.safe()
	default:
		transportHints(&x, err)
	}
	return x
}

// AcceptClock is for a clock that was ahead once.
const AcceptClock = "if the clock is right now, and was ahead then: socbatch clock --accept --reason \"…\""

// ReadReplies is for a reply that was taken for a declaration.
const ReadReplies = "list the replies that were fetched with: socbatch replies; look up an error code in one with: socbatch explain CODE"

func transportHints(x *Explanation, err error) {
	if p, ok := errors.AsType[*proxy.Error](err); ok {
		if !p.Temporary() {
			x.Kind = "proxy"
		}
		proxyHints(x, p)
	} else if c, ok := errors.AsType[*transport.ConnectError](err); ok {
		connectHints(x, c, err)
	}
	switch transport.ClassOf(err) {
	case transport.Authentication:
		x.hint("check that endpoint.user is the technical user and that its public key is registered on the portal for this channel")
		x.hint("a server that knows only ssh-rsa signatures needs allow_ssh_rsa = true (see docs/connection.md)")
	case transport.Temporary:
		x.hint("run the same command again later: it goes on where it stopped, and sends nothing twice")
	case transport.Permanent:
		switch {
		case errors.Is(err, transport.ErrAlgorithm):
			x.hint("the server and socbatch have no algorithm in common: see docs/connection.md")
		case errors.Is(err, transport.ErrProtocol) && !errors.Is(err, transport.ErrNotSSH):
			x.hint(notTheServer)
		case errors.Is(err, transport.ErrSize):
			x.hint("run the same command again; if it happens again, the server stores or delivers something else than it was given: call the office")
		case errors.Is(err, transport.ErrPermission):
			x.hint("the server does not allow this to your account: ask the office which rights it has")
		case errors.Is(err, transport.ErrNoSpace):
			x.hint("the server has no room for your account: fetch and delete replies, or call the office")
		}
	}
}

const notTheServer = "what answers is not the server that was meant, or it is broken: check endpoint.host and endpoint.port, else call the office"

func connectHints(x *Explanation, c *transport.ConnectError, err error) {
	switch c.Reason {
	case transport.ErrNameUnknown, transport.ErrNameLookup: //nolint:errorlint // one of the sentinels itself
		x.hint("check endpoint.host, and that this machine can look up names")
	case transport.ErrUnreachable:
		x.hint("check the network of this machine (cable, Wi-Fi, VPN)")
		firewallHint(x, err)
	case transport.ErrRefused:
		x.hint("check endpoint.host and endpoint.port; if they are right, the server may be down for maintenance, or a firewall is in the way")
		firewallHint(x, err)
	case transport.ErrNotSSH:
		x.hint(notTheServer)
		firewallHint(x, err)
	case transport.ErrHungUp:
		x.hint("a firewall on the way may have ended it, or the office does not allow connections from your address")
		firewallHint(x, err)
	case transport.ErrTimedOut:
		firewallHint(x, err)
	default:
		if errors.Is(c.Err, transport.ErrStalled) {
			firewallHint(x, err)
		}
	}
}

// firewallHint is what the administrator of a firewall needs to hear.
func firewallHint(x *Explanation, err error) {
	t, ok := errors.AsType[*transport.Error](err)
	if !ok || t.Op != "connect" {
		return // it broke off later
	}
	host, port, err := net.SplitHostPort(t.Path)
	if err != nil {
		return
	}
	x.hint("if it stays so, tell the administrator of the firewall: outgoing TCP from this machine to %s, port %s, must be open; it is SSH, not TLS, and must be neither inspected nor sent through a web proxy", host, port)
}

func proxyHints(x *Explanation, e *proxy.Error) {
	switch e.Reason {
	case proxy.ErrUnreachable: //nolint:errorlint // one of the sentinels itself
		x.hint("check the address of the proxy (endpoint.proxy), and that it is running")
	case proxy.ErrAuthentication:
		x.hint("put the user name into the address of the proxy, as http://NAME@host:port, and the password into a file that proxy_password_file names")
	case proxy.ErrForbidden, proxy.ErrServer:
		x.hint("ask the administrator of the proxy to let connections to the server and its port through")
	case proxy.ErrAnswer, proxy.ErrClosed, proxy.ErrSilent:
		x.hint("check the kind and the port of the proxy: socks5://, http:// or https://")
	case proxy.ErrCertificate:
		x.hint("the system of this machine must trust who issued the certificate of the proxy: ask its administrator")
	case proxy.ErrCommand:
		x.hint("try the command of endpoint.proxy_command by hand")
	}
}

// safe says what a broken disk cannot have done.
func (x *Explanation) safe() {
	x.hint("nothing is sent, or deleted on the server, before it is safe on this disk")
}

func (x *Explanation) ledgerHint(t ledger.Failure) {
	switch t {
	case ledger.NoFailure:
	case ledger.Busy:
		x.hint("another socbatch is writing to the ledger: try again when it is ready")
	case ledger.Damaged:
		x.hint("put back the last copy of the ledger, or move the file away and begin a new one: a new one does not know what was sent before")
	case ledger.ReadOnly:
		x.hint("the directory and the file of the ledger must be writable for you: choose another with --state-dir or state_dir")
	case ledger.Full:
		x.hint("make room on the disk, then run the same command again: it goes on where it stopped")
	default:
		x.hint("check that the directory of the ledger is on a local disk that works and has room, and that you may read and write it")
	}
}

// ConfirmKey says how a new key comes to be accepted.
const ConfirmKey = "compare the fingerprint with the one that the office gives you by telephone; if it is the same, accept it once: socbatch hostkey accept %s"

func hostKeyHints(x *Explanation, e *hostkey.Error, contact string) {
	x.Kind = "host-key"
	x.Message = Text("%s; the connection was ended before anything was sent", e)
	switch {
	case errors.Is(e, hostkey.ErrUnknown):
		x.hint(ConfirmKey, e.Fingerprint)
		return
	case errors.Is(e, hostkey.ErrRevoked):
		x.hint("this key was declared stolen or lost: do not connect; ask the office for its new key")
	case errors.Is(e, hostkey.ErrChanged):
		x.hint("it may be a new key of the office; or another server answers, because of a wrong endpoint.host, endpoint.port or proxy; or somebody in between poses as the server")
		x.hint("ask the office for the fingerprint of its key, at a number that you know; do not go on before it has confirmed it")
	}
	if contact != "" {
		x.hint("whom to ask: %s", Printable(contact))
	}
	if errors.Is(e, hostkey.ErrChanged) {
		x.hint("if it is confirmed: socbatch hostkey remove %s, then socbatch hostkey accept %s; a fingerprint in endpoint.host_keys is yours to replace", e.Host, e.Fingerprint)
	}
}

func alreadyMessage(e *inbox.AlreadyError) lang.Text {
	old := e.Existing
	what := Text("this declaration")
	if len(old.Parts) > 1 && !e.Same {
		what = Text("part %d", e.Part)
	}
	if old.SentAt.IsZero() {
		return Text("%s was prepared already on %s as %s (now %s); nothing was sent", what, Clock(old.CreatedAt), old.Set, State(old.State))
	}
	return Text("%s was sent already on %s as %s (now %s); nothing was sent", what, Clock(old.SentAt), old.Set, State(old.State))
}

func sourceMessage(e *inbox.SourceError) lang.Text {
	return Text("%s: %s; it was not sent", Printable(e.Path), SourceReason(e))
}

// SourceReason is why a file cannot be taken in.
func SourceReason(e *inbox.SourceError) lang.Text {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return Text("there is no such file")
	case errors.Is(e.Err, fs.ErrPermission):
		return Text("you may not read it")
	case errors.Is(e.Err, inbox.ErrNotRegular):
		if info, err := os.Stat(e.Path); err == nil && info.IsDir() {
			return Text("it is a directory: name the files in it")
		}
		return Text("it is not a file")
	}
	return Of(e.Err)
}

// RootCause is what was wrong, without where.
func RootCause(err error) lang.Text {
	var e *transport.Error
	if errors.As(err, &e) && e.Kind != nil {
		return Of(e.Kind)
	}
	return Of(err)
}

// SystemReason is what the system has against a file, without which.
func SystemReason(err error) lang.Text {
	var source *inbox.SourceError
	if errors.As(err, &source) {
		err = source.Err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return Of(err)
}
