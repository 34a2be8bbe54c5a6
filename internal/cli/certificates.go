package cli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// identity opens the certificate that signs now; nil where none is configured.
// The one that is in use signs while it is valid and the day of the next has not
// come; then the next one.
func (a *program) identity(ctx context.Context, c config.Config) (*sign.Identity, error) {
	if c.Identity.P12 == "" {
		return nil, nil
	}
	next := nextFromToday(c.Identity, a.now())
	used := c
	var id *sign.Identity
	var err error
	if !next {
		id, err = a.openIdentity(ctx, c)
		next = c.Identity.Next.P12 != "" && errors.Is(err, sign.ErrExpired)
	}
	if next {
		used.Identity = nextIdentity(c.Identity)
		id, err = a.openIdentity(ctx, used)
	}
	var noPassword passwordError
	switch {
	case errors.As(err, &noPassword):
		return nil, errorf("certificate %s: %s; nothing was signed or sent", used.Identity.P12, noPassword.error)
	case err != nil:
		hint := text("name the .p12 file of your certificate with p12 = \"…\" under [identity], or --p12")
		switch {
		case sign.ConvertHint(err) != "":
			hint = text("convert it once:\n%s", sign.ConvertHint(err))
		case errors.Is(err, sign.ErrWrongPassword):
			hint = text("check the password; where it was taken from shows: socbatch secret where")
		case errors.Is(err, sign.ErrExpired):
			hint = renewalHint()
		case errors.Is(err, sign.ErrNotYetValid) && next:
			hint = text("let it sign later: put another day into from = \"…\" under [identity.next]")
		}
		return nil, credentialf(hint, "certificate %s: %s; nothing was signed or sent", used.Identity.P12, err)
	}
	a.warnOfEnd(c)
	if c.Identity.Next.P12 != "" {
		a.ui.say("signing with %s, valid until %s", printable(displayPath(used.Identity.P12)), day(id.Certificate().NotAfter))
	}
	a.log.Debug("signing certificate", "owner", sign.Describe(id.Certificate()).Owner, "until", id.Certificate().NotAfter)
	return id, nil
}

// nextFromToday reports whether the day has come that was set for the next
// certificate.
func nextFromToday(i config.Identity, now time.Time) bool {
	return i.Next.P12 != "" && i.Next.From != "" && naming.Date(i.Next.From) <= naming.DateOf(now)
}

// nextIdentity is the next certificate in the place of the one in use.
func nextIdentity(i config.Identity) config.Identity {
	i.P12, i.PasswordFile, i.PasswordCommand, i.Password = i.Next.P12, i.Next.PasswordFile, i.Next.PasswordCommand, ""
	i.Next, i.OwnPassword = config.NextIdentity{}, true
	return i
}

// passwordError says that a password could not be found, whatever it opens.
type passwordError struct{ error }

func (p passwordError) Unwrap() error { return p.error }

// openIdentity opens a .p12 that may sign now, and remembers its end.
func (a *program) openIdentity(ctx context.Context, c config.Config) (*sign.Identity, error) {
	if a.openToOthers(c.Identity.P12) {
		a.ui.warn("others on this machine can read the file of your certificate: chmod 600 %s", printable(c.Identity.P12))
	}
	pass, err := a.secret(ctx, c, a.passwordOf(c.Identity))
	if err != nil {
		return nil, passwordError{err}
	}
	id, err := sign.LoadPKCS12(c.Identity.P12, pass, a.now())
	if err != nil {
		return nil, err
	}
	a.sawCertificate(c, c.Identity.P12, id.Certificate())
	return id, id.Check(a.now())
}

// certificateMemo is what an earlier run saw in a .p12.
type certificateMemo struct {
	Owner    string    `json:"owner"`
	NotAfter time.Time `json:"not_after"`
	// Size and Modified are those of the file: where they differ it was replaced.
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// sawCertificate remembers until when a .p12 is valid, so that commands that do
// not know its password can warn.
func (a *program) sawCertificate(c config.Config, path string, cert *x509.Certificate) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	seen := a.certificateMemos(c)
	path = absolute(path)
	memo := certificateMemo{sign.Describe(cert).Owner, cert.NotAfter.UTC(), info.Size(), info.ModTime().UTC()}
	if seen[path] == memo {
		return
	}
	seen = maps.Clone(seen)
	seen[path] = memo
	a.certificates = seen
	if a.touchNothing {
		return
	}
	err = a.disk.MkdirAll(c.StateDir)
	if err == nil {
		err = a.disk.WriteFile(app.WorkspaceOf(c).Certificates(), func(w io.Writer) error { return json.NewEncoder(w).Encode(seen) })
	}
	if err != nil {
		a.log.Debug("the end of the certificate is not remembered", "error", err)
	}
}

func (a *program) certificateMemos(c config.Config) map[string]certificateMemo {
	if a.certificates == nil {
		a.certificates = map[string]certificateMemo{}
		// It is a help only: a file that cannot be read is as none.
		if b, err := os.ReadFile(app.WorkspaceOf(c).Certificates()); err == nil && json.Unmarshal(b, &a.certificates) != nil {
			a.certificates = map[string]certificateMemo{}
		}
	}
	return a.certificates
}

// certificateMemo is what is remembered of a file that was not replaced since.
func (a *program) certificateMemo(c config.Config, path string) (certificateMemo, bool) {
	memo, ok := a.certificateMemos(c)[absolute(path)]
	if !ok {
		return memo, false
	}
	info, err := os.Stat(path)
	return memo, err == nil && info.Size() == memo.Size && info.ModTime().Equal(memo.Modified)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Days before the end of a certificate from which on it is told.
const (
	endNear  = 60
	endClose = 30
	endAlarm = 7
)

// warnOfEnd warns once that the certificate that signs ends soon, as far as it
// is known without a password. One that is followed by another needs no warning.
func (a *program) warnOfEnd(c config.Config) {
	path, now := c.Identity.P12, a.now()
	memo, known := a.certificateMemo(c, path)
	if next := c.Identity.Next.P12; next != "" {
		switch _, err := os.Stat(next); {
		case nextFromToday(c.Identity, now), known && now.After(memo.NotAfter):
			path = next
			memo, known = a.certificateMemo(c, path)
		case err == nil:
			return
		}
	}
	if !known || a.endTold == path {
		return
	}
	words, hint := endWords(path, memo, now)
	if words.Empty() {
		return
	}
	a.endTold = path
	a.ui.warn("%s", words)
	if hint {
		a.ui.hint("%s", renewalHint())
	}
}

// endWords says when a certificate ends, the more urgent the nearer, and whether
// to say too what to do; nothing where it lasts.
func endWords(path string, m certificateMemo, now time.Time) (words lang.Text, hint bool) {
	file, owner, days := printable(displayPath(path)), printable(m.Owner), daysLeft(now, m.NotAfter)
	when := count(days, "in %d day", "in %d days")
	if days == 0 {
		when = text("today")
	}
	switch {
	case now.After(m.NotAfter):
		return text("the certificate %s of %s ended on %s: nothing can be signed with it", file, owner, day(m.NotAfter)), true
	case days <= endAlarm:
		return text("the certificate %s of %s ends %s, on %s: after that nothing can be signed, and production takes nothing without a signature", file, owner, when, day(m.NotAfter)), true
	case days <= endClose:
		return text("the certificate %s of %s ends %s, on %s: see to the next one now", file, owner, when, day(m.NotAfter)), true
	case days <= endNear:
		return text("the certificate %s of %s ends %s, on %s: time to ask for the next one", file, owner, when, day(m.NotAfter)), false
	}
	return lang.Text{}, false
}

func renewalHint() lang.Text {
	return text("get a new certificate, register its .cer on the portal (socbatch cert export writes it), and name its .p12 under [identity.next]: it takes over by itself")
}

// daysLeft counts the days in Brussels until a moment: 0 is today.
func daysLeft(now, end time.Time) int {
	from, err1 := naming.DateOf(now).Time()
	to, err2 := naming.DateOf(end).Time()
	if err1 != nil || err2 != nil {
		return 0
	}
	return int(math.Round(to.Sub(from).Hours() / 24)) // a day has 23 to 25 hours
}

// day is a day in Brussels as people write it.
func day(t time.Time) string { return t.In(naming.Brussels()).Format(time.DateOnly) }
