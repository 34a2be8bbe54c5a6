package doctor

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// hostKey connects, as far as the login where there is a key for it.
func (r *run) hostKey(ctx context.Context) []Result {
	keys := r.keys
	if r.config.Endpoint.User == "" {
		keys = nil
	}
	r.session, r.loginErr = r.Connect(ctx, r.config, keys)
	err := r.loginErr
	var key *hostkey.Error
	var file *hostkey.FileError
	var failure *transport.Error
	switch {
	case err == nil:
		info := r.session.Info()
		return one(fine("the server shows a key that you accepted: %s %s", info.HostKeyType, info.HostKey))
	case errors.As(err, &key):
		return one(wrongKey(key))
	case errors.As(err, &file):
		return one(found(HostKeysDamaged, "%s", err).
			fix("repair or remove that line: a damaged file is not used at all, since the line could be one that revokes a key"))
	case !errors.As(err, &failure):
		return one(found(HostKeysDamaged, "%s", err).
			fix("correct host_keys under [endpoint]: a fingerprint is SHA256: and 43 characters"))
	case errors.Is(err, transport.ErrAlgorithm):
		x := found(NoAlgorithm, "%s", err)
		if !r.config.Endpoint.AllowSSHRSA {
			x = x.fix("a server that knows only ssh-rsa signatures needs allow_ssh_rsa = true (see docs/connection.md)")
		}
		return one(x.fix("the server and socbatch have no algorithm in common: see docs/connection.md"))
	case failure.Op != "connect": // it failed later
		return one(fine("the server shows a key that you accepted"))
	}
	return one(r.firewall(found(HandshakeBroken, "the connection broke off before it was known whether this is the right server: %s", err).
		fix("try again later: the server may be overloaded")))
}

func wrongKey(e *hostkey.Error) Result {
	switch {
	case errors.Is(e, hostkey.ErrRevoked):
		return found(HostKeyRevoked, "%s", e).fix("this key was declared stolen or lost: do not connect; ask the office for its new key")
	case errors.Is(e, hostkey.ErrChanged):
		return found(HostKeyChanged, "%s", e).
			fix("it may be a new key of the office; or another server answers, because of a wrong endpoint.host, endpoint.port or proxy; or somebody in between poses as the server").
			fix("ask the office for the fingerprint of its key, at a number that you know; do not go on before it has confirmed it").
			fix("if it is confirmed: socbatch hostkey remove %s, then socbatch hostkey accept %s; a fingerprint in endpoint.host_keys is yours to replace", e.Host, e.Fingerprint)
	}
	return found(HostKeyUnknown, "%s", e).
		fix("compare the fingerprint with the one that the office gives you by telephone; if it is the same, accept it once: socbatch hostkey accept %s", e.Fingerprint)
}

func (r *run) login(context.Context) []Result {
	c := r.config.Endpoint
	switch err := r.loginErr; {
	case c.User == "":
		return one(skip("not looked at: no user name is configured"))
	case err == nil:
	case transport.ClassOf(err) == transport.Authentication:
		x := found(LoginRefused, "the server does not let user %s in with this key: %s", c.User, strings.Join(r.fingerprints(), ", ")).
			fix("check that endpoint.user is the technical user and that its public key is registered on the portal for this channel").
			fix("a key that was registered a moment ago may not be active yet")
		if !c.AllowSSHRSA {
			x = x.fix("a server that knows only ssh-rsa signatures needs allow_ssh_rsa = true (see docs/connection.md)")
		}
		return one(x)
	case errors.Is(err, transport.ErrUnsupported):
		return one(found(SFTPRefused, "the server lets user %s in, and gives no file transfer (SFTP)", c.User).
			fix("ask the office to switch on file transfer for this user"))
	default:
		return one(found(LoginBroken, "the connection broke off at the login: %s", err).
			fix("try again later: the server may be overloaded"))
	}
	info := r.session.Info()
	switch {
	case info.Legacy:
		return one(fine("user %s is let in with %s; ssh-rsa (SHA-1), which is outdated, was needed, as allow_ssh_rsa permits", c.User, info.LoginAlgorithm))
	case c.AllowSSHRSA:
		return one(found(SSHRSAUnneeded, "user %s is let in with %s; allow_ssh_rsa is set, and not needed", c.User, info.LoginAlgorithm).
			fix("take allow_ssh_rsa out of the configuration: it permits what is outdated"))
	}
	return one(fine("user %s is let in with %s", c.User, info.LoginAlgorithm))
}

func (r *run) fingerprints() []string {
	var all []string
	for _, k := range r.keys {
		all = append(all, ssh.FingerprintSHA256(k.PublicKey()))
	}
	return all
}

func (r *run) folders(ctx context.Context) []Result {
	var wrong []Result
	var there, hidden []string
	for _, env := range r.Environments {
		for _, folder := range []string{env.Inbox(), env.Outbox()} {
			e, err := r.session.Stat(ctx, folder)
			switch {
			case err == nil && e.Type != transport.TypeFile:
				there = append(there, folder)
			case err == nil, errors.Is(err, transport.ErrNotFound):
				wrong = append(wrong, r.missing(env, folder))
			case transport.ClassOf(err) == transport.Permanent:
				// What an account may not look at may be there all the same.
				hidden = append(hidden, folder)
			default:
				return append(wrong, found(FoldersBroken, "the connection broke off: %s", err).fix("try again later: the server may be overloaded"))
			}
		}
	}
	if len(hidden) > 0 {
		return or(wrong, fine("there: %s; not shown to your account: %s", list(there), list(hidden)))
	}
	return or(wrong, fine("there: %s", list(there)))
}

func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func (r *run) missing(env naming.Environment, folder string) Result {
	// Not every account has the declaration test.
	if env == naming.DeclarationTest && !r.Asked {
		return found(FolderOptional, "the server has no folder %s for your account", folder).
			fix("only the declaration test of DmfA needs it; without it: socbatch doctor --env R,T")
	}
	return found(FolderMissing, "the server has no folder %s for your account", folder).
		fix("check that host and user are those of the channel, then ask the office why the folder is missing")
}

// maxListed bounds the files of a folder that are counted.
const maxListed = 100_000

var errEnough = errors.New("enough")

func (r *run) listing(ctx context.Context) []Result {
	var wrong []Result
	var waiting []string
	for _, env := range r.Environments {
		files, replies := 0, 0
		err := r.session.List(ctx, env.Outbox(), func(e transport.Entry) error {
			if files++; files > maxListed {
				return errEnough
			}
			if n, err := naming.Parse(e.Name); err == nil && n.Kind == naming.GO {
				replies++
			}
			if e.ModTime.After(r.newestFile) {
				r.newestFile = e.ModTime
			}
			return nil
		})
		switch {
		case err == nil:
			waiting = append(waiting, env.Outbox()+" "+strconv.Itoa(replies))
		case errors.Is(err, errEnough):
			waiting = append(waiting, env.Outbox()+" >"+strconv.Itoa(replies))
		case errors.Is(err, transport.ErrNotFound): // told of among the folders
		case transport.ClassOf(err) == transport.Permanent:
			wrong = append(wrong, found(ListingRefused, "%s may not be listed: no reply can be fetched from there: %s", env.Outbox(), err).
				fix("the server does not allow this to your account: ask the office which rights it has"))
		default:
			return append(wrong, found(ListingBroken, "the connection broke off: %s", err).fix("try again later: the server may be overloaded"))
		}
	}
	return or(wrong, fine("waiting to be fetched: %s", list(waiting)))
}

func (r *run) unfinished(ctx context.Context) []Result {
	if r.ledger == nil {
		return one(fine("nothing is left undone"))
	}
	patience := inbox.Patience{Receipt: time.Duration(r.config.Status.ReceiptAfter), Notification: time.Duration(r.config.Status.NotificationAfter)}
	var wrong []Result
	for _, env := range r.Environments {
		open, err := r.ledger.Submissions(ctx, ledger.Filter{Sender: r.config.Sender, Environment: env, States: openStates()})
		if err != nil {
			return one(skip("the ledger cannot be read: %s", err))
		}
		var unknown, begun, late, used int
		for _, s := range open {
			switch {
			case s.State.NeedsPerson():
				used++
			case s.State == inbox.Unknown:
				unknown++
			case s.State.BeforeGO():
				begun++
			case s.Late(r.Now(), patience) != inbox.InTime:
				late++
			}
		}
		if unknown > 0 {
			wrong = append(wrong, found(SetsUnknown, "environment %s: declarations whose GO was sent and whose outcome is not known: %d", string(env), unknown).
				fix("find out with: socbatch resume --env %s", string(env)))
		}
		if begun > 0 {
			wrong = append(wrong, found(SetsUnfinished, "environment %s: declarations that were not completely sent: %d", string(env), begun).
				fix("finish them with: socbatch resume --env %s; or give one up with: socbatch cancel NAME", string(env)))
		}
		if used > 0 {
			wrong = append(wrong, found(NameUsed, "environment %s: declarations under whose name somebody else delivered, so that this ledger is not the only one for sender %s: %d", string(env), r.config.Sender, used).
				fix("list them with: socbatch status --open; look on the portal, or ask %s, whether they are there, and see to it that one ledger sends for a sender", r.config.Status.Contact))
		}
		if late > 0 {
			wrong = append(wrong, found(AnswersLate, "environment %s: declarations whose answer should be there by now: %d", string(env), late).
				fix("look with: socbatch fetch --env %s; if nothing comes, call %s", string(env), r.config.Status.Contact))
		}
	}
	return or(wrong, fine("nothing is left undone"))
}

func openStates() []inbox.State {
	return slices.DeleteFunc(inbox.States(), func(s inbox.State) bool { return s.Final() && !s.NeedsPerson() })
}

func (r *run) write(ctx context.Context) []Result {
	if r.config.Sender == "" {
		return one(skip("not looked at: no sender number is configured"))
	}
	w, err := r.WriteTest(ctx, r.config, r.session)
	var held *lock.HeldError
	var behind *inbox.LeftBehindError
	var failure *transport.Error
	if err == nil {
		r.written = &w
		return one(fine("%s was written to %s and cancelled again; it is not processed", w.Set.String(), w.Set.Inbox()))
	}
	var x Result
	switch {
	case errors.As(err, &held), ledger.FailureOf(err) == ledger.Busy:
		return one(found(WriteBusy, "the write test could not be made: %s", err).fix("try again when the other socbatch is ready"))
	case transport.ClassOf(err) == transport.Temporary:
		x = found(WriteBroken, "the connection broke off: %s", err).fix("try again later: the server may be overloaded")
	case errors.As(err, &behind):
		x = found(WriteLeft, "%s", err)
	case !errors.As(err, &failure):
		return one(found(WriteFailed, "the write test could not be made on this machine: %s", err).
			fix("put that right, then try again: nothing was written to the server"))
	default:
		x = found(WriteRefused, "nothing can be written to %s: %s", naming.Test.Inbox(), err).
			fix("ask the office which rights your account has there, and whether there is room")
	}
	if errors.As(err, &behind) {
		x = x.fix("clean up later with: socbatch cancel %s", behind.Set.String())
	}
	return one(x)
}

// serverClock compares with the time that the server gave to the file of the
// write test. Without one it can only see that the server is ahead: files may
// be old.
func (r *run) serverClock(context.Context) []Result {
	if w := r.written; w != nil && !w.Modified.IsZero() {
		if apart := w.Modified.Sub(w.At).Abs(); apart > clockTolerance {
			return one(found(ServerDiffers, "the server gave the time %s to a file that was written at %s by this machine's clock", moment(w.Modified), moment(w.At)).
				fix(setServerClock))
		}
		return one(fine("the clock of the server agrees with that of this machine"))
	}
	now := r.Now()
	switch newest := r.newestFile; {
	case newest.IsZero():
		return one(skip("not looked at: the server shows no time, or no file that has one"))
	case newest.After(now.Add(clockTolerance)):
		return one(found(ServerAhead, "a file on the server is of %s, and the clock of this machine says %s", moment(newest), moment(now)).fix(setServerClock))
	}
	return one(fine("no file there is from the future"))
}

const setServerClock = "one of the two clocks is wrong: set that of this machine right, best by a time server; if it is right, this does no harm"
