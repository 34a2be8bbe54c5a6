package cli

import (
	"path/filepath"
	"time"

	"github.com/socbatch/socbatch/internal/identity"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/wire"
	"github.com/socbatch/socbatch/naming"
)

// notifyWire says what is to be known of the connection.
func (a *program) notifyWire(n wire.Notice) {
	u := a.ui
	switch n := n.(type) {
	case wire.KeyOpenToOthers:
		u.warn("others on this machine can read your SSH key: chmod 600 %s", n.Path)
	case wire.NextKeyUnusable:
		u.warn("the next SSH key %s cannot be used, and the one in use goes on: %s", printable(displayPath(n.Path)), n.Err)
	case wire.NextKey:
		next := printable(displayPath(n.Path))
		if n.Taken {
			u.say("the server takes the next SSH key %s: make it the key with: socbatch keys rotate --finish", next)
		} else {
			u.say("the server does not take the next SSH key %s yet: logged in with the one in use", next)
		}
	case wire.Legacy:
		if a.verbose {
			u.warn("%s needed ssh-rsa (SHA-1) signatures, which allow_ssh_rsa permits for this server", n.Address)
		}
	}
}

// notifyIdentity says what is to be known of the certificate.
func (a *program) notifyIdentity(n identity.Notice) {
	switch n := n.(type) {
	case identity.OpenToOthers:
		a.ui.warn("others on this machine can read the file of your certificate: chmod 600 %s", printable(n.Path))
	case identity.Signing:
		a.ui.say("signing with %s, valid until %s", printable(displayPath(n.Path)), day(n.Until))
	case identity.Ends:
		words, hint := endWords(n)
		a.ui.warn("%s", words)
		if hint {
			a.ui.hint("%s", identity.RenewalHint())
		}
	}
}

// Days before the end of a certificate from which on it is told with more
// emphasis.
const (
	endClose = 30
	endAlarm = 7
)

// endWords says when a certificate ends, the more urgent the nearer, and whether
// to say too what to do.
func endWords(e identity.Ends) (words lang.Text, hint bool) {
	file, owner := printable(displayPath(e.Path)), printable(e.Owner)
	when := count(e.Days, "in %d day", "in %d days")
	if e.Days == 0 {
		when = text("today")
	}
	switch {
	case e.Ended:
		return text("the certificate %s of %s ended on %s: nothing can be signed with it", file, owner, day(e.At)), true
	case e.Days <= endAlarm:
		return text("the certificate %s of %s ends %s, on %s: after that nothing can be signed, and production takes nothing without a signature", file, owner, when, day(e.At)), true
	case e.Days <= endClose:
		return text("the certificate %s of %s ends %s, on %s: see to the next one now", file, owner, when, day(e.At)), true
	}
	return text("the certificate %s of %s ends %s, on %s: time to ask for the next one", file, owner, when, day(e.At)), false
}

// day is a day in Brussels as people write it.
func day(t time.Time) string { return t.In(naming.Brussels()).Format(time.DateOnly) }

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
