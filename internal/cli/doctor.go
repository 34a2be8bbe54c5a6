package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/doctor"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/identity"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/wire"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

type doctorOptions struct {
	environments []string
	offline      bool
	write        bool
}

func newDoctorCmd(a *program, run func(context.Context, *program, doctorOptions) error) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong with the set-up or the connection",
		Long: `Find out what is wrong with the set-up or the connection.

Everything that has to be right before a declaration can be sent is looked at,
in the order in which things go wrong: the configuration, the files on this
machine, the certificate, the key, the way to the server, the login, the
folders. Nothing is sent.

With --write a small file is put into the test environment too, and cancelled at
once: it is never processed.`,
		Example: `  socbatch doctor
  socbatch doctor --env T --write
  socbatch doctor --offline`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.environments, "env", "e", nil, "look only at these environments: R, T, S; several with commas")
	f.BoolVar(&o.offline, "offline", false, "leave the network alone")
	f.BoolVar(&o.write, "write", false, "try to write in the test environment too; what is written is cancelled")
	a.p12Flags(f)
	a.connectionFlags(cmd)
	return cmd
}

func runDoctor(ctx context.Context, a *program, o doctorOptions) error {
	d, err := a.doctor(o)
	if err != nil {
		return err
	}
	results := d.Run(ctx, a.tellResult)
	if err := ctx.Err(); err != nil {
		return err
	}
	return doctorResult(a, results)
}

// doctor puts together what the checks look at. It is the only place where they
// meet the rest of the program.
func (a *program) doctor(o doctorOptions) (*doctor.Doctor, error) {
	envs := naming.Environments()
	if len(o.environments) > 0 {
		var err error
		if envs, err = app.Environments(o.environments, config.Config{}); err != nil {
			return nil, err
		}
	}
	if o.write && (o.offline || !slices.Contains(envs, naming.Test)) {
		return nil, usagef("--write goes with environment T and without --offline")
	}
	d := &doctor.Doctor{
		Now: a.now, Disk: a.doctorDisk(),
		Scope: doctor.Scope{Environments: envs, Asked: len(o.environments) > 0, Offline: o.offline},
		Setup: doctor.Setup{
			DefaultPath: config.DefaultPath(a.getenv),
			Configuration: func() (config.Config, string, error) {
				c, err := a.config()
				if identity.NextFromToday(c.Identity, a.now()) {
					c.Identity = identity.Next(c.Identity)
				}
				return c, a.loaded.file, err
			},
			NextIdentity: identity.Next,
			OpenLedger: func(ctx context.Context, c config.Config) (doctor.Ledger, error) {
				if _, err := os.Stat(app.WorkspaceOf(c).Ledger()); errors.Is(err, os.ErrNotExist) {
					return nil, nil // none is made
				}
				l, err := a.openLedger(ctx, c)
				if err != nil {
					return nil, err
				}
				return l, nil
			},
		},
		Secrets: doctor.Secrets{
			P12Password: func(ctx context.Context, c config.Config) (string, error) {
				return a.secret(ctx, c, a.passwordOf(c.Identity))
			},
			Passphrase: func(ctx context.Context, c config.Config) (string, error) {
				return a.secret(ctx, c, a.passphraseOf(c.Endpoint))
			},
			Agent: func(ctx context.Context) ([]ssh.Signer, error) {
				agent, err := sshkey.DialAgent(ctx, "")
				if err != nil {
					return nil, err
				}
				context.AfterFunc(ctx, func() { _ = agent.Close() })
				return agent.Signers()
			},
		},
		Network: doctor.Network{
			WebProxy: webProxy(a.getenv),
			Lookup:   net.DefaultResolver.LookupHost,
			Proxy: func(c config.Config) string {
				if len(c.Endpoint.ProxyCommand) > 0 {
					return c.Endpoint.ProxyCommand[0]
				}
				return c.Endpoint.Proxy // which has no password in it
			},
			Dial: func(ctx context.Context, c config.Config, address string) (net.Conn, error) {
				o, err := a.wire().DialOptions(c)
				if err != nil {
					return nil, err
				}
				if o.DialContext == nil {
					return new(net.Dialer).DialContext(ctx, "tcp", address)
				}
				return o.DialContext(ctx, "tcp", address)
			},
			Connect: a.connectForDoctor,
		},
	}
	if o.write {
		d.WriteTest = a.writeTest
	}
	return d, nil
}

// doctorDisk is the disk, where credentials that systemd hands over count as
// private: it gives rights that do not show in the permission bits.
func (a *program) doctorDisk() doctor.Disk {
	d := doctor.RealDisk()
	look := d.Others
	d.Others = func(path string) (read, write bool, err error) {
		if dir := a.getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
			return false, false, nil
		}
		return look(path)
	}
	return d
}

// webProxy is the variable that names a proxy for the web.
func webProxy(getenv func(string) string) string {
	for _, name := range []string{"ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"} {
		if getenv(name) != "" {
			return name
		}
	}
	return ""
}

// errNoLogin ends a login for which there is no key, once the server has proved
// who it is.
var errNoLogin = errors.New("no key to log in with")

func (a *program) connectForDoctor(ctx context.Context, c config.Config, keys []ssh.Signer) (doctor.Session, error) {
	e := c.Endpoint
	verifier, err := hostkey.New(e.HostKeys, append([]string{app.WorkspaceOf(c).KnownHosts()}, e.KnownHosts...)...)
	if err != nil {
		return nil, err
	}
	limit := time.Duration(e.Timeout)
	endpoint := sftp.Endpoint{
		Host: e.Host, Port: e.Port, User: e.User, Keys: keys, HostKeys: verifier, AllowSSHRSA: e.AllowSSHRSA,
		ConnectTimeout: limit, HandshakeTimeout: limit, StallTimeout: limit, AnswerTimeout: wire.AnswerFactor * limit,
	}
	if len(keys) == 0 {
		endpoint.Password = func(context.Context) (string, error) { return "", errNoLogin }
	}
	s, err := a.wire().Dial(ctx, c, endpoint)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// rehearsal is what the ledger notes of a write test.
const rehearsal = "write test of doctor"

// writeTest takes a set through everything but its GO.
func (a *program) writeTest(ctx context.Context, c config.Config, session doctor.Session) (w doctor.Written, err error) {
	held, err := lock.Acquire(ctx, app.WorkspaceOf(c).Locks(), app.SendLock(c.Sender, naming.Test), "socbatch doctor", 0)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	l, err := a.openLedger(ctx, c)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := a.core().CheckClock(ctx, l); err != nil {
		return w, err
	}
	dir, err := os.MkdirTemp("", "socbatch-doctor-")
	if err != nil {
		return w, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file := filepath.Join(dir, "write-test.xml")
	// It holds no declaration, so that it would be refused if it were processed.
	content := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Dimona><!-- write test of socbatch doctor, %s --></Dimona>\r\n", a.now().UTC().Format(time.RFC3339Nano))
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return w, err
	}
	spool := inbox.NewSpool(app.WorkspaceOf(c).Spool(), &a.disk)
	name, parts, err := spool.Freeze(ctx, []string{file}, inbox.FreezeOptions{})
	if err != nil {
		return w, err
	}
	parts[0].Source = rehearsal
	reserved := l.Reserve(ctx, []inbox.Draft{{
		Application: "DIMN", Sender: c.Sender, Environment: naming.Test, Date: naming.DateOf(a.now()),
		Parts: []inbox.Part{parts[0].Part}, Spool: name, Again: true, // whatever went under names of others, this did not
	}})[0]
	if reserved.Err != nil {
		return w, errors.Join(reserved.Err, spool.Drop(name))
	}
	s := reserved.Submission
	defer func() { err = errors.Join(err, dropCopy(context.WithoutCancel(ctx), l, spool, s)) }()
	w.Set = s.Set
	look := func(ctx context.Context, path string) {
		w.At = a.now()
		if e, err := session.Stat(ctx, path); err == nil { // a server may take it away at once, or show nothing
			w.Modified = e.ModTime
		}
	}
	d := inbox.NewDeliverer(session, l, spool, inbox.Options{Parallel: c.Endpoint.Parallel})
	return w, d.Rehearse(ctx, &s, rehearsal, look)
}

// stateWordOf is how a check ended, in words.
func stateWordOf(s doctor.State) lang.Text {
	return map[doctor.State]lang.Text{
		doctor.OK: text("ok"), doctor.Warning: text("warning"), doctor.Failed: text("failed"), doctor.Skipped: text("skipped"),
	}[s]
}

// tellResult prints a line for what a check says, and what to do below it.
func (a *program) tellResult(r doctor.Result) {
	if a.ui.quiet && r.State != doctor.Failed && r.State != doctor.Warning {
		return
	}
	states, titles := 0, 0
	for _, s := range []doctor.State{doctor.OK, doctor.Warning, doctor.Failed, doctor.Skipped} {
		states = max(states, width(a.ui.in(stateWordOf(s))))
	}
	for _, c := range doctor.Checks() {
		titles = max(titles, width(a.ui.in(wording.Message(c.Title()))))
	}
	pad := func(s string, most int) string { return s + strings.Repeat(" ", most-width(s)+2) }
	state := a.ui.in(stateWordOf(r.State))
	line := a.ui.mark(string(r.State), state) + strings.Repeat(" ", states-width(state)+2) + pad(a.ui.in(wording.Message(r.Check.Title())), titles) + a.ui.in(wording.Of(r.Says))
	a.ui.result("%s", line)
	for _, f := range r.Fixes {
		said := strings.ReplaceAll(a.ui.in(wording.Of(f)), "\n", "\n    ")
		a.ui.result("%s", "  "+a.ui.paint(a.ui.colourOut, cyan, "→")+" "+said)
	}
}

// doctorResult prints the JSON and decides the exit code: that of the first
// failure.
func doctorResult(a *program, results []doctor.Result) error {
	out := contract.Doctor{Checks: []contract.DoctorCheck{}}
	var first *doctor.Result
	for i, r := range results {
		c := contract.DoctorCheck{ID: string(r.Check), State: string(r.State), Finding: string(r.Finding), Message: wording.Of(r.Says), Hints: []lang.Text{}}
		for _, f := range r.Fixes {
			c.Hints = append(c.Hints, wording.Of(f))
		}
		out.Checks = append(out.Checks, c)
		switch r.State {
		case doctor.Warning:
			out.Warnings++
		case doctor.Failed:
			if out.Failed++; first == nil {
				first = &results[i]
			}
		}
	}
	var err error
	switch {
	case first != nil:
		class := failure.Credentials
		if first.Connection() {
			class = failure.Temporary
		}
		err = failure.New(class, errorf("%s: %s", first.Check.Title(), first.Says))
		x := explain(err)
		x.Hints = out.Checks[slices.IndexFunc(out.Checks, func(c contract.DoctorCheck) bool { return c.State == string(doctor.Failed) })].Hints
		out.Error = &x
		a.ui.say("%s, %s", count(out.Failed, "%d failure", "%d failures"), count(out.Warnings, "%d warning", "%d warnings"))
		err = toldError{err}
	case out.Warnings > 0:
		a.ui.say("nothing stands in the way; %s", count(out.Warnings, "%d warning", "%d warnings"))
	default:
		a.ui.say("all is well")
	}
	a.ui.object(out)
	return err
}

// dropCopy removes the frozen copy of a set that was given up from the
// beginning: it is of no use later, and the ledger says that it is gone.
func dropCopy(ctx context.Context, l ledger.Ledger, spool *inbox.Spool, s inbox.Submission) error {
	copies := []ledger.Holding{{Kind: ledger.HeldSet, ID: s.ID}}
	if err := l.BeginPrune(ctx, copies); err != nil {
		return err
	}
	if err := spool.Drop(s.Spool); err != nil {
		return err
	}
	return l.Pruned(ctx, copies)
}
