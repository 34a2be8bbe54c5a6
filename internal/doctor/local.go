package doctor

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// Limits of what is fine.
const (
	// fewBytes and tooFewBytes are the free space below which there is a warning,
	// or nothing should be sent any more.
	fewBytes    = 1 << 30
	tooFewBytes = 32 << 20
	// clockTolerance is how far two clocks may be apart. submit tolerates as
	// much.
	clockTolerance = 10 * time.Minute
	// soonDays is when a new certificate has to be asked for.
	soonDays   = 60
	maxRSABits = 4096
)

// epoch is a time before which this program did not exist.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (r *run) configuration(context.Context) []Result {
	c, file, err := r.Configuration()
	if err != nil {
		r.broken = true
		return one(found(ConfigurationBroken, "%s", err).
			fix("correct it, then run socbatch doctor again: nothing else was looked at"))
	}
	r.config, r.file = c, file
	if file == "" && (c.Sender == "" || c.Endpoint.User == "") {
		return one(found(ConfigurationMissing, "there is no configuration: %s does not exist", r.DefaultPath).
			fix("set everything up with: socbatch init").
			fix("or name the file with --config, or in the variable SOCBATCH_CONFIG"))
	}
	var wrong []Result
	if c.Sender == "" {
		wrong = append(wrong, found(SenderMissing, "no sender number is configured").
			fix("put sender = \"123456\" into the configuration, or give --sender"))
	}
	if c.Endpoint.User == "" {
		wrong = append(wrong, found(UserMissing, "no user name for the server is configured").
			fix("put user = \"EXP…\" under [endpoint] in the configuration, or give --user"))
	}
	if file == "" {
		return or(wrong, fine("there is no file; sender %s and user %s come from variables or the command line", c.Sender, c.Endpoint.User))
	}
	return or(wrong, fine("%s: sender %s, user %s", file, c.Sender, c.Endpoint.User))
}

// secrets are the configured files that nobody else should read.
func (r *run) secrets() []string {
	c := r.config
	files := []string{
		c.Endpoint.Key, c.Endpoint.KeyPassphraseFile, c.Endpoint.NextKey, c.Endpoint.NextKeyPassphraseFile,
		c.Identity.P12, c.Identity.PasswordFile, c.Identity.Next.P12, c.Identity.Next.PasswordFile,
	}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

func (r *run) permissions(context.Context) []Result {
	var wrong []Result
	if _, write, err := r.Disk.Others(r.file); r.file != "" && err == nil && write {
		wrong = append(wrong, found(ConfigurationWritable, "others on this machine can change the configuration %s", r.file).fix("chmod go-w %s", r.file))
	}
	for _, f := range r.secrets() { // one that is missing is told of later
		if read, _, err := r.Disk.Others(f); err == nil && read {
			wrong = append(wrong, found(SecretReadable, "others on this machine can read %s", f).fix("chmod 600 %s", f))
		}
	}
	state, archive := r.config.StateDir, r.config.Replies.Archive
	if read, _, err := r.Disk.Others(state); err == nil && read {
		wrong = append(wrong, found(StateReadable, "others on this machine can look into %s, where the declarations lie in clear", state).fix("chmod 700 %s", state))
	}
	if err := r.Disk.Write(state); err != nil {
		wrong = append(wrong, found(StateUnwritable, "nothing can be written to %s, the place of the ledger: %s", state, err).
			fix("the directory must be writable: choose another with --state-dir or state_dir"))
	}
	if remote, err := r.Disk.Remote(state); err == nil && remote {
		wrong = append(wrong, found(StateRemote, "%s is on the disk of another machine: the ledger can be damaged there, and locks may not hold", state).
			fix("name a directory on a disk of this machine with state_dir, and move everything there while no socbatch runs"))
	}
	if err := r.Disk.Write(archive); err != nil {
		wrong = append(wrong, found(ArchiveUnwritable, "nothing can be written to %s, the archive of replies: %s", archive, err).
			fix("the directory must be writable: choose another with --archive or archive under [replies]"))
	}
	return or(wrong, fine("your secrets are yours alone, and there is a place to write to"))
}

func (r *run) clock(ctx context.Context) []Result {
	now := r.Now()
	if now.Before(epoch) {
		return one(found(ClockBehind, "the clock of this machine says %s, and this program is newer than that", moment(now)).fix(setClock))
	}
	l, err := r.openLedger(ctx)
	if err == nil && l != nil {
		if read, err := l.Clock(ctx); err == nil && read.Latest.After(now.Add(clockTolerance)) {
			return one(found(ClockBehind, "the clock of this machine says %s, and the ledger has an entry of %s", moment(now), moment(read.Latest)).fix(setClock).
				fix("if the clock is right now, and was ahead then: socbatch clock --accept --reason \"…\""))
		}
	}
	if id := r.openP12(ctx).identity; id != nil {
		if from := id.Certificate().NotBefore; from.After(now.Add(clockTolerance)) {
			return one(found(ClockBehind, "the clock of this machine says %s, and the certificate is valid from %s", moment(now), moment(from)).fix(setClock))
		}
	}
	return one(fine("in Brussels it is %s by this machine, which nothing here contradicts", moment(now)))
}

const setClock = "set the clock of this machine right, best by a time server: names carry the day, and nothing is sent by a clock that is behind"

func (r *run) space(context.Context) []Result {
	var wrong []Result
	var free []uint64
	var last string
	for _, dir := range []string{r.config.StateDir, r.config.Replies.Archive} {
		n, err := r.Disk.Free(dir)
		free = append(free, n)
		switch {
		case err == nil && n < fewBytes && size(n) == last: // on the same disk
		case err != nil:
			wrong = append(wrong, found(SpaceUnknown, "how much room there is in %s cannot be found out: %s", dir, err).
				fix("see for yourself that there is at least 1 GB"))
		case n < tooFewBytes:
			wrong = append(wrong, found(SpaceNone, "only %s are free in %s", size(n), dir).
				fix("make room on the disk: nothing is sent or fetched when it is full"))
		case n < fewBytes:
			wrong = append(wrong, found(SpaceLow, "only %s are free in %s", size(n), dir).
				fix("make room on the disk soon: every declaration is copied before it is sent"))
		}
		if err == nil {
			last = size(n)
		}
	}
	return or(wrong, fine("%s for the ledger and the frozen copies, %s for the archive of replies", size(free[0]), size(free[1])))
}

// size writes a number of bytes for people.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
}

// openLedger gives the ledger, which is opened once; nil where there is none.
func (r *run) openLedger(ctx context.Context) (Ledger, error) {
	if r.ledger == nil && r.ledgerErr == nil {
		l, err := r.OpenLedger(ctx, r.config)
		if err != nil {
			r.ledgerErr = err
		} else if l != nil {
			r.ledger = l
		}
	}
	return r.ledger, r.ledgerErr
}

func (r *run) ledgerFile(ctx context.Context) []Result {
	l, err := r.openLedger(ctx)
	if err == nil && l == nil {
		return one(fine("there is no ledger yet: nothing was sent from here"))
	}
	var last time.Time
	if err == nil {
		last, err = l.LastChange(ctx)
	}
	switch failure := ledger.FailureOf(err); {
	case err == nil && last.IsZero():
		return one(fine("the ledger can be read, and is empty"))
	case err == nil:
		return one(fine("the ledger can be read; its last entry is of %s", moment(last)))
	case failure == ledger.Busy:
		return one(found(LedgerBusy, "the ledger cannot be read now: %s", err).
			fix("another socbatch is writing to the ledger: try again when it is ready"))
	case failure == ledger.Damaged:
		return one(found(LedgerDamaged, "the ledger is damaged: %s", err).
			fix("put back the last copy of the ledger, or move the file away and begin a new one: a new one does not know what was sent before"))
	}
	return one(found(LedgerUnusable, "the ledger cannot be used: %s", err).
		fix("check that the directory of the ledger is on a local disk that works and has room, and that you may read and write it"))
}

// openP12 opens the certificate file once.
func (r *run) openP12(ctx context.Context) p12 {
	if r.p12 == nil {
		p := p12{}
		p.identity, p.wrong = r.readP12(ctx)
		r.p12 = &p
	}
	return *r.p12
}

func (r *run) readP12(ctx context.Context) (*sign.Identity, Result) {
	file := r.config.Identity.P12
	if file == "" {
		return nil, found(P12None, "no certificate is configured: nothing can be signed, and production takes nothing without a signature").
			fix("put p12 = \"FILE\" under [identity] in the configuration, or give --p12")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, found(P12Missing, "%s cannot be read: %s", file, err).
			fix("name the .p12 file of your certificate with p12 = \"…\" under [identity], or --p12")
	}
	password, err := r.P12Password(ctx, r.config)
	if err != nil {
		return nil, found(P12PasswordMissing, "the password of %s cannot be found: %s", file, err).
			fix("put it into a file that only you can read, and name that file in the configuration")
	}
	id, err := sign.ReadPKCS12(data, password, r.Now())
	switch {
	case err == nil && r.config.Identity.Next.P12 != "" && errors.Is(id.Check(r.Now()), sign.ErrExpired):
		r.config.Identity = r.NextIdentity(r.config.Identity) // as those who sign do
		return r.readP12(ctx)
	case err == nil:
		return id, Result{}
	case errors.Is(err, sign.ErrWrongPassword):
		return nil, found(P12PasswordWrong, "%s: %s", file, err).fix("check the password, or the file that holds it")
	case sign.ConvertHint(err) != "":
		return nil, found(P12Unreadable, "%s: %s", file, err).fix("convert it once:\n%s", problem.Word(sign.ConvertHint(err)))
	case errors.Is(err, sign.ErrEncoding), errors.Is(err, sign.ErrTooLarge):
		return nil, found(P12Unreadable, "%s: %s", file, err).
			fix("name the .p12 file of your certificate with p12 = \"…\" under [identity], or --p12")
	}
	return nil, found(P12Unusable, "%s: %s", file, err).
		fix("export the certificate for signing again, with its private key and nothing else")
}

func (r *run) p12File(ctx context.Context) []Result {
	p := r.openP12(ctx)
	switch {
	case p.identity != nil:
		return one(fine("%s can be opened", r.config.Identity.P12))
	case p.wrong.Finding == P12None && !r.covers(naming.Production):
		return one(skip("no certificate is configured, and the test environments need none"))
	}
	return one(p.wrong)
}

func (r *run) certificate(ctx context.Context) []Result {
	id := r.openP12(ctx).identity
	if id == nil {
		return one(skip("not looked at, because of: %s", P12.Title()))
	}
	cert, now := id.Certificate(), r.Now()
	info := sign.Describe(cert)
	left := int(cert.NotAfter.Sub(now).Hours() / 24)
	var wrong []Result
	err := id.Check(now)
	switch {
	case errors.Is(err, sign.ErrExpired):
		wrong = append(wrong, found(CertificateExpired, "the certificate of %s ended on %s", info.Owner, day(cert.NotAfter)).
			fix("get a new certificate, register its .cer on the portal (socbatch cert export writes it), and name its .p12 under [identity.next]: it takes over by itself"))
	case errors.Is(err, sign.ErrNotYetValid):
		wrong = append(wrong, found(CertificateNotYet, "the certificate of %s is valid from %s only", info.Owner, day(cert.NotBefore)).
			fix("wait until then; or set the clock of this machine right, if that is wrong"))
	case errors.Is(err, sign.ErrKeyTooShort):
		wrong = append(wrong, found(CertificateWeak, "the certificate of %s cannot be used: %s", info.Owner, err).
			fix("get a new certificate with an RSA key of at least 2048 bits"))
	case errors.Is(err, sign.ErrKeyUsage):
		wrong = append(wrong, found(CertificateUsage, "the certificate of %s cannot be used: %s", info.Owner, err).
			fix("take the certificate that is made for signing (non-repudiation), not one for logging in or for a server"))
	case left < soonDays:
		wrong = append(wrong, found(CertificateSoon, "the certificate of %s ends on %s; days left: %d", info.Owner, day(cert.NotAfter), left).
			fix("ask for a new one now: it must be registered on the portal before this one ends"))
	}
	wrong = append(wrong, r.issuer(cert, info)...)
	wrong = append(wrong, r.registered(cert)...)
	return or(wrong, fine("%s, issued by %s, valid until %s; days left: %d", info.Owner, info.Issuer, day(cert.NotAfter), left))
}

func (r *run) sshKey(ctx context.Context) []Result {
	c := r.config.Endpoint
	switch {
	case c.Key != "":
		return r.keyFile(ctx, c.Key)
	case c.Agent:
		return r.agent(ctx)
	}
	return one(found(KeyNone, "no SSH key is configured").
		fix("put key = \"FILE\" under [endpoint] in the configuration, or agent = true for an ssh-agent"))
}

func (r *run) keyFile(ctx context.Context, file string) []Result {
	data, err := os.ReadFile(file)
	if err != nil {
		return one(found(KeyMissing, "%s cannot be read: %s", file, err).
			fix("name the file of your private SSH key with key = \"…\" under [endpoint], or --key"))
	}
	key, err := sshkey.Parse(data, nil)
	plain := err == nil
	if errors.Is(err, sshkey.ErrPassphraseNeeded) {
		pass, perr := r.Passphrase(ctx, r.config)
		if perr != nil {
			return one(found(KeyPassphraseMissing, "the passphrase of %s cannot be found: %s", file, perr).
				fix("put it into a file that only you can read, and name that file in the configuration"))
		}
		key, err = sshkey.Parse(data, []byte(pass))
	}
	var format *sshkey.FormatError
	switch {
	case err == nil:
	case errors.Is(err, sshkey.ErrWrongPassphrase):
		return one(found(KeyPassphraseWrong, "%s: %s", file, err).fix("check the passphrase, or the file that holds it"))
	case errors.Is(err, sshkey.ErrWeakKey):
		return one(found(KeyWeak, "%s: %s", file, err).fix(newKey))
	case errors.As(err, &format) && format.Hint != "":
		return one(found(KeyFormat, "%s: %s", file, err).fix("%s", problem.Word(format.Hint)))
	default:
		return one(found(KeyFormat, "%s: %s", file, err).
			fix("name the file of your private SSH key with key = \"…\" under [endpoint], or --key"))
	}
	r.keys = []ssh.Signer{key}
	var wrong []Result
	bits := rsaBits(key.PublicKey())
	if bits == 0 {
		wrong = append(wrong, found(KeyType, "%s is of type %s, and the social security takes RSA", file, key.PublicKey().Type()).fix(newKey))
	}
	if bits > maxRSABits {
		wrong = append(wrong, found(KeyLong, "%s has %d bits, and the social security takes 2048 to 4096", file, bits).fix(newKey))
	}
	if plain {
		wrong = append(wrong, found(KeyPlain, "%s has no passphrase: whoever gets the file can log in as you", file).
			fix("give it one: ssh-keygen -p -f %s (for a .ppk: PuTTYgen)", filepath.ToSlash(file)))
	}
	return or(wrong, fine("%s: RSA with %d bits, with a passphrase", file, bits))
}

const newKey = "make a new key and register its public half on the portal: socbatch keys generate"

// rsaBits is 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	return 0
}

func (r *run) agent(ctx context.Context) []Result {
	keys, err := r.Agent(ctx)
	if err != nil {
		return one(found(AgentMissing, "%s", err).
			fix("start an ssh-agent and add the key with ssh-add, or name the key file with key = \"…\" under [endpoint]"))
	}
	if len(keys) == 0 {
		return one(found(AgentEmpty, "the ssh-agent has no key that can be used").fix("add your key to it: ssh-add FILE"))
	}
	r.keys = keys
	return one(fine("keys that the ssh-agent has: %d", len(keys)))
}
