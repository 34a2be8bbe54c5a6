package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/sandbox"
)

type sandboxOptions struct {
	dir      string
	port     int
	journal  string
	scenario string
	receipt  time.Duration
	answer   time.Duration
}

const sandboxSender = "101380"

func newSandboxCmd(a *program, run func(context.Context, *program, sandboxOptions) error) *cobra.Command {
	var o sandboxOptions
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a stand-in for the social security's server on this machine",
		Long: `Run a stand-in for the social security's server on this machine.

It has the six folders, checks what is sent as the real one would, and answers
with receipts and notifications. Only this machine can reach it. A key, a test
certificate and a configuration for it are written to DIR/client. It runs until
Ctrl-C; started again with the same --dir it goes on where it stopped. After
"socbatch init --sandbox" it is the one that was set up then; a public SSH key
that is put into DIR/registered may log in as well.

A scenario file (TOML) makes it refuse, answer late, or break down: see
docs/sandbox.md.`,
		Example: `  socbatch sandbox --dir try &
  socbatch --config try/client/socbatch.toml submit --env T dimona.xml --wait 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "`DIR`ectory of the server and of the client's files (default: that of init --sandbox, else socbatch-sandbox)")
	f.IntVar(&o.port, "port", 0, "port (default: a free one)")
	f.StringVar(&o.journal, "journal", "", "write what is received and answered to `FILE`, one JSON object per line")
	f.StringVar(&o.scenario, "scenario", "", "`FILE` that says what goes wrong (TOML)")
	f.DurationVar(&o.receipt, "receipt-delay", sandbox.DefaultReceiptDelay, "`TIME` from GO to receipt")
	f.DurationVar(&o.answer, "notification-delay", sandbox.DefaultNotificationDelay, "`TIME` from receipt to notification")
	return cmd
}

// sandboxDir is the stand-in's directory: the named one, else that of init
// --sandbox, else one here.
func (a *program) sandboxDir(named string) (string, error) {
	if named == "" {
		config, err := a.configTarget()
		if err != nil {
			return "", err
		}
		if named = besideConfig(config); sandboxPort(named) == 0 {
			named = "socbatch-sandbox"
		}
	}
	return filepath.Abs(named)
}

// startSandbox runs a server on dir, with the client's files beside it.
func startSandbox(ctx context.Context, a *program, o sandboxOptions) (s *sandbox.Server, config string, err error) {
	sender := a.flags.sender
	if sender == "" {
		sender = sandboxSender
	}
	dir, err := a.sandboxDir(o.dir)
	if err != nil {
		return nil, "", err
	}
	if o.port == 0 {
		o.port = sandboxPort(dir)
	}
	kit, err := sandbox.OpenKit(filepath.Join(dir, "client"), sender)
	if err != nil {
		return nil, "", err
	}
	registered, err := sandbox.Registered(dir)
	if err != nil {
		return nil, "", err
	}
	var scenario sandbox.Scenario
	if o.scenario != "" {
		text, err := os.ReadFile(o.scenario)
		if err != nil {
			return nil, "", err
		}
		if scenario, err = sandbox.ParseScenario(text); err != nil {
			return nil, "", usagef("%s: %s", o.scenario, err)
		}
	}
	atOnce := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1 // zero stands for the default there
		}
		return d
	}
	s, err = sandbox.New(sandbox.Config{
		Dir: filepath.Join(dir, "server"), Sender: sender, User: kit.User, AuthorizedKeys: append(registered, kit.Key),
		Certificate: kit.Certificate, Port: o.port, JournalPath: o.journal, Scenario: scenario,
		ReceiptDelay: atOnce(o.receipt), NotificationDelay: atOnce(o.answer), Clock: a.now, Logger: a.log,
	})
	if err != nil {
		return nil, "", err
	}
	if err := s.Start(ctx); err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	if config, err = kit.WriteConfig(s); err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	return s, config, nil
}

func runSandbox(ctx context.Context, a *program, o sandboxOptions) (err error) {
	s, config, err := startSandbox(ctx, a, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a.ui.result("listening on %s, user EXP%s, host key %s", s.Addr(), sandboxUser(a), s.HostKeyFingerprint())
	a.ui.object(contract.Sandbox{Address: s.Addr(), User: "EXP" + sandboxUser(a), HostKey: s.HostKeyFingerprint(), Config: config})
	if sandboxPort(filepath.Dir(s.Dir())) == 0 {
		a.ui.say("use it with: socbatch --config %s submit --env T FILE", config)
	}
	a.ui.say("stop it with Ctrl-C")
	<-ctx.Done()
	return nil
}

func sandboxUser(a *program) string {
	if a.flags.sender != "" {
		return a.flags.sender
	}
	return sandboxSender
}
