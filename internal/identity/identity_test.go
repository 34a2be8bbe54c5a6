package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/testkit"
)

// noon is the time of these tests.
var noon = time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)

type heard struct {
	mu   sync.Mutex
	list []Notice
}

func (h *heard) notify(n Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, n)
}

func certificates(h *heard) *Certificates {
	return &Certificates{
		Memory: func(c config.Config) string { return filepath.Join(c.StateDir, "certificates.json") },
		Disk:   &durable.Disk{}, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler), Notify: h.notify,
	}
}

// ending makes a file that stands for a .p12, and a certificate that ends so many
// days from now.
func ending(t *testing.T, dir, name string, days int) (path string, cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := sandbox.NewTestIdentity("Owner of "+name, sandbox.WithKey(key), sandbox.WithValidity(noon.AddDate(-1, 0, 0), noon.AddDate(0, 0, days)))
	if err != nil {
		t.Fatal(err)
	}
	return testkit.WriteFile(t, dir, name, []byte(name)), id.Certificate
}

// The end of the certificate that signs is told once, from sixty days before; not
// where another follows by itself.
func TestWarnOfEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		days, next int    // until they end; next 0: none is configured
		from       string // the day on which the next one takes over, YYYYMMDD
		told       string // whose end, and
		left       int    // in how many days
		ended      bool
	}{
		{"far", 61, 0, "", "", 0, false},
		{"near", 60, 0, "", "old", 60, false},
		{"today", 0, 0, "", "old", 0, false},
		{"ended", -1, 0, "", "old", -1, true},
		{"near, and another follows", 5, 400, "", "", 0, false},
		{"ended, and another follows", -1, 400, "", "", 0, false},
		{"ended, and the other ends too", -1, 3, "", "new", 3, false},
		{"the other has taken over", 300, 3, "20261125", "new", 3, false},
		{"the other takes over tomorrow", 3, 3, "20261126", "", 0, false},
	} {
		dir := t.TempDir()
		h := &heard{}
		s := certificates(h)
		conf := config.Config{StateDir: dir}
		old, oldCert := ending(t, dir, "old", c.days)
		conf.Identity.P12 = old
		s.Remember(conf, old, oldCert, false)
		if c.next != 0 {
			next, nextCert := ending(t, dir, "new", c.next)
			conf.Identity.Next = config.NextIdentity{P12: next, From: config.Date(c.from)}
			s.Remember(conf, next, nextCert, false)
		}
		s = certificates(h) // another run, which knows no password
		s.WarnOfEnd(conf)
		s.WarnOfEnd(conf)
		if c.told == "" {
			if len(h.list) > 0 {
				t.Errorf("%s: told %+v", c.name, h.list)
			}
			continue
		}
		if len(h.list) != 1 {
			t.Errorf("%s: told %+v", c.name, h.list)
			continue
		}
		if e, ok := h.list[0].(Ends); !ok || filepath.Base(e.Path) != c.told || e.Owner != "Owner of "+c.told || e.Days != c.left || e.Ended != c.ended {
			t.Errorf("%s: told %+v", c.name, h.list[0])
		}
	}
}

// A file that was replaced since is not warned of, and a rehearsal writes nothing.
func TestRemember(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := &heard{}
	conf := config.Config{StateDir: filepath.Join(dir, "state")}
	path, cert := ending(t, dir, "old", 3)
	conf.Identity.P12 = path
	certificates(h).Remember(conf, path, cert, true)
	if _, err := os.Stat(conf.StateDir); err == nil {
		t.Error("a rehearsal wrote something")
	}
	certificates(h).Remember(conf, path, cert, false)
	testkit.WriteFile(t, dir, "old", []byte("another certificate"))
	certificates(h).WarnOfEnd(conf)
	if len(h.list) > 0 {
		t.Errorf("told %+v of a file that was replaced", h.list)
	}
	if err := os.WriteFile(filepath.Join(conf.StateDir, "certificates.json"), []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	certificates(h).WarnOfEnd(conf) // as if there were none
}

// It may be used by several calls at once.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := &heard{}
	s := certificates(h)
	conf := config.Config{StateDir: dir}
	path, cert := ending(t, dir, "old", 3)
	conf.Identity.P12 = path
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s.Remember(conf, path, cert, false)
			s.WarnOfEnd(conf)
		})
	}
	wg.Wait()
	if len(h.list) != 1 {
		t.Errorf("told %d times", len(h.list))
	}
}
