// Package identity decides which certificate signs today, opens it, and remembers
// until when it is valid.
package identity

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// Certificates opens the certificates of a configuration. It is safe for several
// calls at once.
type Certificates struct {
	// Password finds the password of a .p12.
	Password func(context.Context, config.Config) (string, error)
	// Memory is the file of what was seen in certificates.
	Memory func(config.Config) string
	Disk   *durable.Disk
	Now    func() time.Time
	Log    *slog.Logger
	// Notify is told what a person should know.
	Notify func(Notice)

	mu       sync.Mutex
	seen     map[string]memo // by path; nil: not read yet
	reported map[string]bool // certificates whose end was told, files that others can read
}

// Notice is something that a person should know: OpenToOthers, Signing or Ends.
type Notice interface{ notice() }

// OpenToOthers tells that others on this machine can read the file of the
// certificate.
type OpenToOthers struct{ Path string }

// Signing tells which of two certificates signs.
type Signing struct {
	Path  string
	Until time.Time
}

// Ends tells that the certificate that signs ends soon, or has ended.
type Ends struct {
	Path, Owner string
	At          time.Time
	Days        int // in Brussels, until then; 0: today
	Ended       bool
}

func (OpenToOthers) notice() {}
func (Signing) notice()      {}
func (Ends) notice()         {}

// Open opens the certificate that signs now; nil where none is configured. The
// one that is in use signs while it is valid and the day of the next has not
// come; then the next one. A rehearsal writes nothing.
func (s *Certificates) Open(ctx context.Context, c config.Config, rehearsal bool) (*sign.Identity, error) {
	if c.Identity.P12 == "" {
		return nil, nil
	}
	next := NextFromToday(c.Identity, s.Now())
	used := c
	var id *sign.Identity
	var err error
	if !next {
		id, err = s.load(ctx, c, rehearsal)
		next = c.Identity.Next.P12 != "" && errors.Is(err, sign.ErrExpired)
	}
	if next {
		used.Identity = Next(c.Identity)
		id, err = s.load(ctx, used, rehearsal)
	}
	if err != nil {
		return nil, refused(used.Identity.P12, next, err)
	}
	s.WarnOfEnd(c)
	if c.Identity.Next.P12 != "" {
		s.Notify(Signing{used.Identity.P12, id.Certificate().NotAfter})
	}
	s.Log.Debug("signing certificate", "owner", sign.Describe(id.Certificate()).Owner, "until", id.Certificate().NotAfter)
	return id, nil
}

// refused says why a certificate cannot sign, and what to do.
func refused(path string, next bool, err error) error {
	var noPassword passwordError
	if errors.As(err, &noPassword) {
		return problem.New("certificate %s: %s; nothing was signed or sent", path, noPassword.error)
	}
	hint := lang.T("name the .p12 file of your certificate with p12 = \"…\" under [identity], or --p12")
	switch {
	case sign.ConvertHint(err) != "":
		hint = lang.T("convert it once:\n%s", sign.ConvertHint(err))
	case errors.Is(err, sign.ErrWrongPassword):
		hint = lang.T("check the password; where it was taken from shows: socbatch secret where")
	case errors.Is(err, sign.ErrExpired):
		hint = RenewalHint()
	case errors.Is(err, sign.ErrNotYetValid) && next:
		hint = lang.T("let it sign later: put another day into from = \"…\" under [identity.next]")
	}
	return failure.New(failure.Credentials, problem.New("certificate %s: %s; nothing was signed or sent", path, err), hint)
}

// RenewalHint says how one certificate follows another.
func RenewalHint() lang.Text {
	return lang.T("get a new certificate, register its .cer on the portal (socbatch cert export writes it), and name its .p12 under [identity.next]: it takes over by itself")
}

// NextFromToday reports whether the day has come that was set for the next
// certificate.
func NextFromToday(i config.Identity, now time.Time) bool {
	return i.Next.P12 != "" && i.Next.From != "" && naming.Date(i.Next.From) <= naming.DateOf(now)
}

// Next is the next certificate in the place of the one in use.
func Next(i config.Identity) config.Identity {
	i.P12, i.PasswordFile, i.PasswordCommand, i.Password = i.Next.P12, i.Next.PasswordFile, i.Next.PasswordCommand, ""
	i.Next, i.OwnPassword = config.NextIdentity{}, true
	return i
}

// passwordError says that a password could not be found, whatever it opens.
type passwordError struct{ error }

func (p passwordError) Unwrap() error { return p.error }

// load opens a .p12 that may sign now, and remembers its end.
func (s *Certificates) load(ctx context.Context, c config.Config, rehearsal bool) (*sign.Identity, error) {
	path := c.Identity.P12
	if s.first("open "+path) && secret.ReadByOthers(path) {
		s.Notify(OpenToOthers{path})
	}
	pass, err := s.Password(ctx, c)
	if err != nil {
		return nil, passwordError{err}
	}
	id, err := sign.LoadPKCS12(path, pass, s.Now())
	if err != nil {
		return nil, err
	}
	s.Remember(c, path, id.Certificate(), rehearsal)
	return id, id.Check(s.Now())
}

// first reports whether something is met for the first time.
func (s *Certificates) first(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reported == nil {
		s.reported = map[string]bool{}
	}
	before := s.reported[what]
	s.reported[what] = true
	return !before
}

// memo is what an earlier run saw in a .p12.
type memo struct {
	Owner    string    `json:"owner"`
	NotAfter time.Time `json:"not_after"`
	// Size and Modified are those of the file: where they differ it was replaced.
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// Remember keeps until when a .p12 is valid, so that commands that do not know its
// password can warn. A rehearsal keeps it for itself.
func (s *Certificates) Remember(c config.Config, path string, cert *x509.Certificate, rehearsal bool) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	path = absolute(path)
	now := memo{sign.Describe(cert).Owner, cert.NotAfter.UTC(), info.Size(), info.ModTime().UTC()}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.memos(c)
	if seen[path] == now {
		return
	}
	seen = maps.Clone(seen)
	seen[path] = now
	s.seen = seen
	if rehearsal {
		return
	}
	err = s.Disk.MkdirAll(c.StateDir)
	if err == nil {
		err = s.Disk.WriteFile(s.Memory(c), func(w io.Writer) error { return json.NewEncoder(w).Encode(seen) })
	}
	if err != nil {
		s.Log.Debug("the end of the certificate is not remembered", "error", err)
	}
}

// memos are what was seen. The caller holds mu.
func (s *Certificates) memos(c config.Config) map[string]memo {
	if s.seen == nil {
		s.seen = map[string]memo{}
		// It is a help only: a file that cannot be read is as none.
		if b, err := os.ReadFile(s.Memory(c)); err == nil && json.Unmarshal(b, &s.seen) != nil {
			s.seen = map[string]memo{}
		}
	}
	return s.seen
}

// memoOf is what is remembered of a file that was not replaced since.
func (s *Certificates) memoOf(c config.Config, path string) (memo, bool) {
	s.mu.Lock()
	m, ok := s.memos(c)[absolute(path)]
	s.mu.Unlock()
	if !ok {
		return m, false
	}
	info, err := os.Stat(path)
	return m, err == nil && info.Size() == m.Size && info.ModTime().Equal(m.Modified)
}

// Near is how many days before its end a certificate is told to end.
const Near = 60

// WarnOfEnd tells once that the certificate that signs ends soon, as far as it is
// known without a password. One that is followed by another needs no warning.
func (s *Certificates) WarnOfEnd(c config.Config) {
	path, now := c.Identity.P12, s.Now()
	m, known := s.memoOf(c, path)
	if next := c.Identity.Next.P12; next != "" {
		switch _, err := os.Stat(next); {
		case NextFromToday(c.Identity, now), known && now.After(m.NotAfter):
			path = next
			m, known = s.memoOf(c, path)
		case err == nil:
			return
		}
	}
	e := Ends{Path: path, Owner: m.Owner, At: m.NotAfter, Days: DaysLeft(now, m.NotAfter), Ended: now.After(m.NotAfter)}
	if known && (e.Ended || e.Days <= Near) && s.first("end "+path) {
		s.Notify(e)
	}
}

// DaysLeft counts the days in Brussels until a moment: 0 is today.
func DaysLeft(now, end time.Time) int {
	from, err1 := naming.DateOf(now).Time()
	to, err2 := naming.DateOf(end).Time()
	if err1 != nil || err2 != nil {
		return 0
	}
	return int(math.Round(to.Sub(from).Hours() / 24)) // a day has 23 to 25 hours
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
