package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/examples"
	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// office is a stand-in server, and a front end that has nothing but the app.
type office struct {
	app    *app.App
	config config.Config
	told   string // file that the hooks append to
}

func newOffice(t *testing.T) *office {
	t.Helper()
	dir := t.TempDir()
	kit, err := sandbox.OpenKit(filepath.Join(dir, "client"), "101380")
	if err != nil {
		t.Fatal(err)
	}
	server, err := sandbox.New(sandbox.Config{
		Dir: filepath.Join(dir, "server"), Sender: kit.Sender, User: kit.User, AuthorizedKeys: []ssh.PublicKey{kit.Key},
		Certificate: kit.Certificate, ReceiptDelay: -1, NotificationDelay: -1,
	})
	if err == nil {
		err = server.Start(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	file, err := kit.WriteConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	o := &office{config: c, told: filepath.Join(dir, "told")}
	o.config.Hooks.OnReply = []string{"sh", "-c", `cat >> "$0"`, o.told}
	o.app = &app.App{
		Connect: connect, Identity: identity,
		OpenLedgerAt: func(ctx context.Context, path string) (ledger.Ledger, error) {
			return sqlite.Open(ctx, path, sqlite.Options{})
		},
		OpenLedger: func(ctx context.Context, c config.Config) (ledger.Ledger, error) {
			l, err := sqlite.Open(ctx, app.WorkspaceOf(c).Ledger(), sqlite.Options{})
			if err == nil {
				l.Tell(ledger.OnReply)
			}
			return l, err
		},
		Document: func(d app.HookDocument) []byte { return []byte(d.Hook + " " + d.Reply.Name + "\n") },
		Environ:  os.Environ, ExitCode: func(string) int { return 0 },
		Disk: &durable.Disk{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Version: "test",
	}
	return o
}

func connect(_ context.Context, c config.Config) (app.Dialer, error) {
	text, err := os.ReadFile(c.Endpoint.Key)
	if err != nil {
		return nil, err
	}
	key, err := sshkey.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	known, err := hostkey.New(c.Endpoint.HostKeys)
	e := sftp.Endpoint{Host: c.Endpoint.Host, Port: c.Endpoint.Port, User: c.Endpoint.User, Keys: []ssh.Signer{key}, HostKeys: known}
	return func(ctx context.Context) (transport.Session, error) { return sftp.Dial(ctx, e, sftp.Options{}) }, err
}

func identity(_ context.Context, c config.Config, _ bool) (*sign.Identity, error) {
	password, err := secret.FromFile(c.Identity.PasswordFile)
	if err != nil {
		return nil, err
	}
	return sign.LoadPKCS12(c.Identity.P12, password, time.Now())
}

// heard is what happened in one call.
type heard struct{ events []app.Event }

func (h *heard) Event(e app.Event)     { h.events = append(h.events, e) }
func (h *heard) Progress(app.Progress) {}

// leaveUnknown is a run that was killed before it had the answer to its GO, which
// the server took.
func leaveUnknown(t *testing.T, o *office) {
	t.Helper()
	l, err := o.app.OpenLedger(t.Context(), o.config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := testkit.Draft([]string{"earlier"})
	d.Sender, d.Environment = o.config.Sender, naming.Production
	testkit.Walk(t, l, testkit.Reserve(t, l, d).ID, inbox.Uploading, inbox.Unknown)
}

// A front end that has nothing but the app submits, fetches and reads where its
// sets stand, twice at once; no duty is left out.
func TestAppTwiceAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	example, err := examples.Declarations.ReadFile("declarations/dmfa-part1.xml")
	if err != nil {
		t.Fatal(err)
	}
	leaveUnknown(t, o)
	const clerks = 2
	var calls sync.WaitGroup
	hears := make([]heard, clerks)
	for i := range clerks {
		file := filepath.Join(t.TempDir(), "declaration.xml")
		if err := os.WriteFile(file, append(slices.Clone(example), fmt.Sprintf("<!-- %d -->\n", i)...), 0o600); err != nil {
			t.Fatal(err)
		}
		calls.Go(func() {
			settle := time.Duration(0)
			res, err := o.app.Submit(t.Context(), app.SubmitRequest{
				Config: o.config, Files: []string{file}, Environment: "R", Wait: time.Minute, LockWait: time.Minute, Settle: &settle, Pause: time.Millisecond,
			}, &hears[i])
			if err != nil || len(res.Files) != 1 || res.Files[0].Latest.State != inbox.Accepted || !res.Files[0].Latest.Signed() {
				t.Errorf("clerk %d: %+v, %v", i, res, err)
			}
		})
	}
	calls.Wait()
	if _, err := o.app.Fetch(t.Context(), app.FetchRequest{Config: o.config, Environments: []string{"R"}, LockWait: time.Minute}, &heard{}); err != nil {
		t.Error(err)
	}
	settled := 0
	for i, h := range hears {
		for _, e := range h.events {
			if x, ok := e.(app.Settled); ok && x.Submission.State == inbox.Sent {
				settled++
			}
		}
		if last, ok := h.events[len(h.events)-1].(app.Finished); !ok || last.Err != nil {
			t.Errorf("clerk %d heard last: %+v", i, h.events[len(h.events)-1])
		}
	}
	if settled != 1 {
		t.Errorf("the set of an earlier run was settled %d times", settled)
	}
	l, err := o.app.OpenLedger(t.Context(), o.config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sets, err := l.Submissions(t.Context(), ledger.Filter{States: []inbox.State{inbox.Accepted}})
	if err != nil || len(sets) != clerks || sets[0].Set == sets[1].Set {
		t.Errorf("%+v, %v", sets, err)
	}
	runs, err := l.Runs(t.Context())
	if err != nil || len(runs) != 2 || runs[0].Class != string(failure.None) || runs[1].Command != "submit" {
		t.Errorf("%+v, %v", runs, err)
	}
	// Each reply was told once: a receipt and a notification for each set.
	told, err := os.ReadFile(o.told)
	if err != nil || strings.Count(string(told), "on_reply") != 2*clerks {
		t.Errorf("the hooks were told:\n%s%v", told, err)
	}
	if locks, err := os.ReadDir(app.WorkspaceOf(o.config).Locks()); err != nil || len(locks) < 2 {
		t.Errorf("locks: %v, %v", locks, err)
	}
}
