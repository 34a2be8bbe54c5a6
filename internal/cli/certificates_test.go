package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/identity"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/testkit"
)

// noon is the time of these tests, and its Brussels day 25 November.
var noon = time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)

func days(n int) time.Time { return noon.AddDate(0, 0, n) }

// certified writes a .p12 with its password beside it.
func certified(t testing.TB, dir, name string, from, to time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := sandbox.NewTestIdentity("Owner of "+name, sandbox.WithKey(key), sandbox.WithValidity(from, to))
	if err != nil {
		t.Fatal(err)
	}
	p12, err := id.P12("geheim " + name)
	if err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, dir, name+".p12", p12)
	testkit.WriteFile(t, dir, name+".password", []byte("geheim "+name))
	return id.Certificate
}

// renewal is a configuration of two certificates.
func renewal(t testing.TB, dir, from string) string {
	t.Helper()
	text := "sender = \"101380\"\nstate_dir = \"state\"\n[identity]\np12 = \"old.p12\"\npassword_file = \"old.password\"\n"
	if from != "none" {
		text += "[identity.next]\np12 = \"new.p12\"\npassword_file = \"new.password\"\n"
		if from != "" {
			text += "from = \"" + from + "\"\n"
		}
	}
	return testkit.WriteFile(t, dir, "s.toml", []byte(text))
}

// Which of two certificates signs, and when the other takes over.
func TestWhoSigns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	end := days(10)
	certified(t, dir, "old", days(-300), end)
	certified(t, dir, "new", days(-5), days(700))
	declaration := testkit.WriteFile(t, dir, "d.xml", []byte("<Dimona/>"))
	midnight := time.Date(2026, 12, 1, 0, 0, 0, 0, time.FixedZone("", 3600)) // in Brussels
	for _, c := range []struct {
		name string
		from string
		at   time.Time
		want string // owner, or the error
	}{
		{"one only", "none", noon, "Owner of old"},
		{"one only that ended", "none", end.Add(time.Second), "expired"},
		{"both valid", "", noon, "Owner of old"},
		{"last second of the old one", "", end, "Owner of old"},
		{"a second later", "", end.Add(time.Second), "Owner of new"},
		{"before its day", "2026-12-01", midnight.Add(-time.Second), "Owner of old"},
		{"on its day", "2026-12-01", midnight, "Owner of new"},
		{"after its day", "2026-12-01", midnight.AddDate(0, 0, 30), "Owner of new"},
		{"the old one ended before the day", "2027-01-01", end.Add(time.Second), "Owner of new"},
		{"its day, and not valid yet", "2026-11-01", days(-6), "not yet valid"},
		{"both ended", "", days(701), "expired"},
	} {
		file := renewal(t, dir, c.from)
		code, out, stderr := runAt(t.Context(), c.at, nil, "--config", file, "--state-dir", t.TempDir(), "sign", "--force", declaration)
		if !strings.Contains(out+stderr, c.want) || (code == exitDone) != strings.HasPrefix(c.want, "Owner") || code != exitDone && code != exitCredentials {
			t.Errorf("%s: exit code %d, %s%s", c.name, code, out, stderr)
		}
		if says := strings.Contains(stderr, "signing with "); says != (c.from != "none" && code == exitDone) {
			t.Errorf("%s: %s", c.name, stderr)
		}
		if strings.Contains(out+stderr, "geheim") {
			t.Errorf("%s: a password is told: %s%s", c.name, out, stderr)
		}
	}
	// What is named on the command line signs.
	code, out, stderr := runAt(t.Context(), midnight, map[string]string{"SOCBATCH_P12_PASSWORD": "geheim old"}, "--config", renewal(t, dir, "2026-12-01"), "--state-dir", t.TempDir(),
		"sign", "--force", "--p12", filepath.Join(dir, "old.p12"), declaration)
	if code != exitDone || !strings.Contains(out, "Owner of old") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
}

// Where nobody can be asked, that is said, and what to do.
func TestNoPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certified(t, dir, "old", days(-300), days(300))
	file := testkit.WriteFile(t, dir, "s.toml", []byte("state_dir = \"state\"\n[identity]\np12 = \"old.p12\"\npassword_file = \"missing\"\n"))
	for _, command := range [][]string{{"sign", file}, {"cert", "show"}} {
		code, _, stderr := runAt(t.Context(), noon, nil, append([]string{"--config", file}, command...)...)
		if code == exitDone || !strings.Contains(stderr, "missing: there is no such file") || strings.Contains(stderr, "name the") {
			t.Errorf("%q: exit code %d, %s", command, code, stderr)
		}
	}
}

// The end of a certificate is told 60, 30 and 7 days before, by commands too
// that do not open it.
func TestEndIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		days int
		want string // empty: nothing
		hint bool
	}{
		{61, "", false},
		{60, "in 60 days, on 2027-01-24: time to ask", false},
		{31, "in 31 days, on 2026-12-26: time to ask", false},
		{30, "in 30 days, on 2026-12-25: see to the next one now", true},
		{8, "in 8 days", true},
		{7, "in 7 days, on 2026-12-02: after that nothing can be signed", true},
		{1, "in 1 day, on", true},
		{0, "ends today, on 2026-11-25: after that", true},
		{-1, "ended on 2026-11-24: nothing can be signed", true},
	} {
		certified(t, dir, "old", days(-300), days(c.days).Add(time.Minute))
		file := renewal(t, dir, "none")
		state := t.TempDir()
		told := func(when string, args ...string) {
			t.Helper()
			_, out, stderr := runAt(t.Context(), noon, nil, append([]string{"--config", file, "--state-dir", state}, args...)...)
			n := strings.Count(stderr, "the certificate "+displayPath(filepath.Join(dir, "old.p12"))+" of Owner of old")
			if want := min(len(c.want), 1); n != want || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "[identity.next]") != c.hint || strings.Contains(out, "warning") {
				t.Errorf("%d days, %s: told %d times: %s", c.days, when, n, stderr)
			}
		}
		if _, _, stderr := runAt(t.Context(), noon, nil, "--config", file, "--state-dir", state, "status"); strings.Contains(stderr, "certificate") {
			t.Errorf("%d days: told before it was opened: %s", c.days, stderr)
		}
		told("opened", "cert", "show", "--json")
		told("not opened", "status")
		told("opened again", "cert", "show", "--quiet")
	}
}

// What ends soon and has a successor needs no warning; the successor that is in
// use does.
func TestEndWithNext(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	certified(t, dir, "old", days(-300), days(5))
	certified(t, dir, "new", days(-5), days(60))
	file := renewal(t, dir, "")
	stderr := func(now time.Time, args ...string) string {
		_, _, err := runAt(t.Context(), now, nil, append([]string{"--config", file, "--state-dir", state}, args...)...)
		return err
	}
	if s := stderr(noon, "cert", "show"); strings.Contains(s, "warning") {
		t.Errorf("a warning: %s", s)
	}
	if s := stderr(noon, "status"); strings.Contains(s, "warning") {
		t.Errorf("a warning: %s", s)
	}
	if s := stderr(days(6), "status"); !strings.Contains(s, "new.p12 of Owner of new ends in 54 days") || strings.Contains(s, "old.p12") {
		t.Errorf("the next one: %s", s)
	}
	if err := os.Remove(filepath.Join(dir, "new.p12")); err != nil {
		t.Fatal(err)
	}
	if s := stderr(noon, "status"); !strings.Contains(s, "old.p12 of Owner of old ends in 5 days") {
		t.Errorf("without the next one: %s", s)
	}
	// A file that was replaced holds another certificate.
	certified(t, dir, "old", days(-1), days(500))
	if s := stderr(noon, "status"); strings.Contains(s, "warning") {
		t.Errorf("replaced: %s", s)
	}
	testkit.WriteFile(t, state, "certificates.json", []byte("{damaged"))
	if s := stderr(noon, "status"); strings.Contains(s, "certificates.json") {
		t.Errorf("damaged: %s", s)
	}
}

// A dry run remembers nothing.
func TestDryRunRemembersNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certified(t, dir, "old", days(-300), days(20))
	declaration := testkit.WriteFile(t, dir, "d.xml", []byte("<Dimona/>"))
	code, out, stderr := runAt(t.Context(), noon, nil, "--config", renewal(t, dir, "none"), "submit", "--env", "R", "--dry-run", "--settle", "0s", declaration)
	if !strings.Contains(stderr, "ends in 20 days") {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("something was written")
	}
}

func TestDaysLeft(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		now, end string
		want     int
	}{
		{"2026-11-25T00:00:00+01:00", "2026-11-25T23:59:59+01:00", 0},
		{"2026-11-25T23:59:59+01:00", "2026-11-26T00:00:00+01:00", 1},
		{"2026-11-24T23:30:00Z", "2026-11-26T12:00:00Z", 1}, // it is the 25th in Brussels
		{"2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", 2}, // one of 25 hours
		{"2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", 2}, // one of 23
		{"2026-11-25T12:00:00Z", "2026-11-24T12:00:00Z", -1},
		{"2026-11-25T12:00:00Z", "2027-11-25T12:00:00Z", 365},
	} {
		if got := identity.DaysLeft(at(c.now), at(c.end)); got != c.want {
			t.Errorf("%s to %s: %d instead of %d", c.now, c.end, got, c.want)
		}
	}
}

// How the end of a certificate is said, in every language.
func TestEndIsSaid(t *testing.T) {
	t.Parallel()
	golden(t, "certificates", func(a *program) {
		for _, n := range []int{60, 30, 7, 1, 0, -1} {
			words, hint := endWords(identity.Ends{Path: "me.p12", Owner: "Jan Janssens", At: days(n), Days: identity.DaysLeft(noon.Add(-time.Minute), days(n)), Ended: noon.Add(-time.Minute).After(days(n))})
			a.ui.warn("%s", words)
			if hint {
				a.ui.hint("%s", identity.RenewalHint())
			}
		}
	})
}

// A certificate is written as it is in the .p12, and shown the same from any
// file.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert := certified(t, dir, "old", days(-300), days(100))
	next := certified(t, dir, "new", days(-3), days(800))
	file := renewal(t, dir, "2026-12-24")
	state := t.TempDir()
	socbatch := func(want int, args ...string) (out string) {
		t.Helper()
		code, out, stderr := runAt(t.Context(), noon, nil, append([]string{"--config", file, "--state-dir", state}, args...)...)
		if code != want || strings.Contains(out+stderr, "geheim") {
			t.Fatalf("%q: exit code %d, %s%s", args, code, out, stderr)
		}
		return out + stderr
	}
	socbatch(exitDone, "cert", "export")
	der, err := os.ReadFile(filepath.Join(dir, "old.cer"))
	if err != nil || !bytes.Equal(der, cert.Raw) {
		t.Errorf("%d bytes, %v", len(der), err)
	}
	if out := socbatch(exitFailed, "cert", "export"); !strings.Contains(out, "was not replaced") {
		t.Error(out)
	}
	text := filepath.Join(dir, "text.crt")
	socbatch(exitDone, "cert", "export", "--pem", "--out", text, filepath.Join(dir, "new.p12"))
	pemText, err := os.ReadFile(text)
	if block, rest := pem.Decode(pemText); err != nil || block == nil || len(rest) > 0 || !bytes.Equal(block.Bytes, next.Raw) {
		t.Errorf("%s, %v", pemText, err)
	}
	type shown struct{ Certificates []map[string]any }
	show := func(args ...string) (s shown) {
		t.Helper()
		out := socbatch(exitDone, append([]string{"--json", "cert", "show"}, args...)...)
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return s
	}
	both := show()
	if len(both.Certificates) != 2 {
		t.Fatalf("%v", both)
	}
	for i, want := range []string{"current Owner of old 100 true true", "next Owner of new 800 true false"} {
		c := both.Certificates[i]
		if got := fmt.Sprint(c["role"], " ", c["owner"], " ", c["days_left"], " ", c["can_sign"], " ", c["signs_now"]); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
	for name, want := range map[string]int{"old.cer": 0, "text.crt": 1} {
		one := show(filepath.Join(dir, name)).Certificates[0]
		for _, field := range []string{"owner", "issuer", "serial", "sha256", "sha1", "not_after", "days_left"} {
			if one[field] != both.Certificates[want][field] || one[field] == "" {
				t.Errorf("%s: %s is %v, of the .p12 %v", name, field, one[field], both.Certificates[want][field])
			}
		}
	}
	if out := socbatch(exitDone, "cert", "show"); !strings.Contains(out, "no: from 2026-12-24 on") {
		t.Error(out)
	}
	socbatch(exitCredentials, "cert", "show", file)
	socbatch(exitCredentials, "cert", "show", filepath.Join(dir, "missing.cer"))
}
