package cli

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/identity"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/secret"

	"context"
)

// program is what every command has at hand.
type program struct {
	ui     *ui
	getenv func(string) string
	now    func() time.Time

	configPath string
	flags      settings
	verbose    bool
	log        *slog.Logger
	loaded     *loaded
	disk       durable.Disk
	ledgerStep func(string) // see sqlite.Options; nil but in tests
	secrets    *secret.Finder
	keyring    secret.Keyring  // nil: that of the system
	readable   map[string]bool // files of which was warned

	signers *identity.Certificates

	pauseAtEnd      bool
	fromDesktop     func() bool // started by a double click, a drop or a shortcut (Windows)
	askPerson       questioner  // nil: on the terminal
	toldInterrupted bool        // that the program was ended before all was sent

	build  Build
	failed bool // the error of this run is printed
}

// settings are the flags that stand above the environment and the file.
type settings struct {
	lang                      string
	sender, stateDir, archive string
	host, user, key           string
	port                      int
	hostKeys, knownHosts      []string
	proxy                     string
	p12                       string
	passphraseStdin           bool
	passwordStdin             bool
	metrics                   string
	allowSSHRSA               bool
	timeout                   time.Duration
	parallel                  int
}

func newRootCmd(a *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "socbatch",
		Short: "Send declarations to the Belgian social security in batch, and bring the answers back",
		Long: `socbatch sends declarations (DmfA, Dimona, ASR, temporary unemployment, …) to the
Belgian social security over SFTP, signed and named as it asks, and brings the
receipts and notifications back. It never sends a declaration twice and never
deletes a reply on the server before it is safely stored.`,
		Version:       a.build.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,

		SuggestionsMinimumDistance: 2,

		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.log = a.ui.logger(a.verbose)
			a.ui.json = a.ui.json || a.ui.events
			return a.checkLanguage()
		},
	}
	cmd.SetVersionTemplate("socbatch {{.Version}}\n")
	cmd.SetFlagErrorFunc(wrongFlag)
	f := cmd.PersistentFlags()
	f.StringVar(&a.configPath, "config", "", a.ui.text("configuration `FILE` (default %s)", displayPath(config.DefaultPath(a.getenv))))
	f.BoolVar(&a.ui.json, "json", false, "print the result as JSON on standard output, and nothing else there")
	f.BoolVar(&a.ui.events, "events", false, "JSON, and before the result an object per line for what happens")
	f.BoolVarP(&a.ui.quiet, "quiet", "q", false, "say nothing but results and errors")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say what happens in detail")
	f.Bool("pause-at-end", false, "wait for Enter at the end, so that a window stays open") // chooseLanguage reads it
	f.StringVar(&a.flags.lang, "lang", "", "speak `LANGUAGE`: en, nl, fr or de (default: as configured, else as the desktop)")
	f.StringVar(&a.flags.sender, "sender", "", "sender `NUMBER`, six digits")
	f.StringVar(&a.flags.stateDir, "state-dir", "", "`DIR`ectory of the ledger and the frozen copies")
	f.StringVar(&a.flags.archive, "archive", "", "`DIR`ectory that replies are stored in")

	cmd.AddGroup(
		&cobra.Group{ID: "setup", Title: "To set up:"}, &cobra.Group{ID: "daily", Title: "Every day:"},
		&cobra.Group{ID: "trouble", Title: "When something broke off:"}, &cobra.Group{ID: "keep", Title: "What is kept:"},
		&cobra.Group{ID: "parts", Title: "Single steps:"}, &cobra.Group{ID: "try", Title: "To try it out:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			cmd.AddCommand(c)
		}
	}
	add("setup", newInitCmd(a, runInit), newKeysCmd(a), newCertCmd(a), newSecretCmd(a))
	add("daily", newSubmitCmd(a), newFetchCmd(a), newRunCmd(a), newStatusCmd(a, runStatus), newRepliesCmd(a), newReportCmd(a), newExplainCmd(a, runExplain))
	add("keep", newArchiveCmd(a, runArchiveSeal), newPruneCmd(a, runPrune), newExportCmd(a, runExport))
	add("trouble", newResumeCmd(a), newCancelCmd(a), newMarkSentCmd(a), newResubmitCmd(a), newHostKeyCmd(a), newClockCmd(a, runClock), newDoctorCmd(a, runDoctor))
	add("parts", newCheckCmd(a, runCheck), newNameCmd(a, runName), newSignCmd(a, runSign), newVerifyCmd(a, runVerify))
	add("try", newSandboxCmd(a, runSandbox), newDemoCmd(a, runDemo))
	cmd.AddCommand(newCompletionCmd(a), newManCmd(a), newVersionCmd(a))
	addHelp(a, cmd)
	a.complete(cmd)
	for _, c := range cmd.Commands() {
		wrapUsage(c)
	}
	return cmd
}

// wrongFlag says what is wrong with a flag.
func wrongFlag(cmd *cobra.Command, err error) error {
	switch x := err.(type) { //nolint:errorlint // pflag wraps nothing
	case *pflag.NotExistError:
		if x.GetSpecifiedShortnames() != "" {
			return usagef("unknown flag: -%s", x.GetSpecifiedName())
		}
		var flags []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
		if meant, ok := near.Of(x.GetSpecifiedName(), flags); ok {
			return usagef("unknown flag: --%s: did you mean --%s?", x.GetSpecifiedName(), meant)
		}
		return usagef("unknown flag: --%s", x.GetSpecifiedName())
	case *pflag.ValueRequiredError:
		return usagef("flag --%s needs a value", x.GetFlag().Name)
	case *pflag.InvalidValueError:
		return usagef("flag --%s cannot have the value %q", x.GetFlag().Name, x.GetValue())
	}
	return &failure.UsageError{Err: err}
}

// noCommand refuses what stands where the name of a command is expected.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q: did you mean %s?", args[0], near[0])
	}
	if err := notCommand(args); err != nil {
		return err
	}
	return usagef("unknown command %q", args[0])
}

// meantBelow finds the command or topic below another that a mistyped word may
// have meant.
func meantBelow(cmd *cobra.Command, typed string) (string, bool) {
	var names []string
	for _, sub := range cmd.Commands() {
		if helped(sub) {
			names = append(names, sub.Name())
		}
	}
	return near.Of(typed, names)
}

// wrapUsage makes wrong arguments a usage error, which says how the command is
// used.
func wrapUsage(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(cmd *cobra.Command, a []string) error {
			if args(cmd, a) != nil {
				if len(a) > 0 {
					if meant, ok := meantBelow(cmd, a[0]); ok {
						return usagef("unknown command %q: did you mean %s?", a[0], meant)
					}
				}
				return usagef("%s does not go with %s; it is used so: %s", cmd.CommandPath(), count(len(a), "%d argument", "%d arguments"), cmd.UseLine())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapUsage(sub)
	}
}

// connectionFlags are for the commands that talk to the server.
func (a *program) connectionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.flags.host, "host", "", "server `NAME`")
	f.IntVar(&a.flags.port, "port", 0, "server port (default 8022)")
	f.StringVar(&a.flags.user, "user", "", "user `NAME` on the server (EXP…)")
	f.StringVar(&a.flags.key, "key", "", "private SSH key `FILE` (OpenSSH, PEM or PuTTY .ppk)")
	a.passphraseFlag(f)
	f.StringVar(&a.flags.proxy, "proxy", "", "proxy `ADDRESS`: socks5://HOST:PORT, http:// or https://; none: no proxy")
	f.StringSliceVar(&a.flags.hostKeys, "host-key", nil, "SHA256:`FINGERPRINT` that the server must have; may be repeated")
	f.StringSliceVar(&a.flags.knownHosts, "known-hosts", nil, "OpenSSH known_hosts `FILE`; may be repeated")
	f.BoolVar(&a.flags.allowSSHRSA, "allow-ssh-rsa", false, "allow this server's outdated ssh-rsa (SHA-1) signatures")
	f.DurationVar(&a.flags.timeout, "timeout", 0, "end what makes no progress for so long (default 1m0s)")
	f.IntVar(&a.flags.parallel, "parallel", 0, "files in flight, 1 to 512 (default 64)")
}

// metricsFlag is for the commands after which the metrics are written.
func (a *program) metricsFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.flags.metrics, "metrics", "", "`FILE` to write metrics for Prometheus into at the end")
}

// config reads the configuration: flags over environment over file.
func (a *program) config() (config.Config, error) {
	c, path, err := a.load(a.configPath)
	if err != nil {
		return c, err
	}
	a.log.Debug("configuration", "file", path)
	text := func(to *string, flag string, isPath bool) {
		if flag == "" {
			return
		}
		if isPath {
			if abs, err := filepath.Abs(flag); err == nil {
				flag = abs
			}
		}
		*to = flag
	}
	f := a.flags
	defaultArchive := filepath.Join(c.StateDir, "replies")
	text(&c.Sender, f.sender, false)
	text(&c.StateDir, f.stateDir, true)
	if c.Replies.Archive == defaultArchive {
		c.Replies.Archive = filepath.Join(c.StateDir, "replies")
	}
	text(&c.Replies.Archive, f.archive, true)
	text(&c.Endpoint.Host, f.host, false)
	text(&c.Endpoint.User, f.user, false)
	// What is named on the command line is meant, and nothing that follows it.
	if text(&c.Endpoint.Key, f.key, true); f.key != "" {
		c.Endpoint.NextKey = ""
	}
	if text(&c.Identity.P12, f.p12, true); f.p12 != "" {
		c.Identity.Next = config.NextIdentity{}
	}
	if f.proxy != "" {
		c.Endpoint.Proxy, c.Endpoint.ProxyCommand = f.proxy, nil
	}
	text(&c.Monitoring.MetricsFile, f.metrics, true)
	if f.port != 0 {
		c.Endpoint.Port = f.port
	}
	if len(f.hostKeys) > 0 {
		c.Endpoint.HostKeys = f.hostKeys
	}
	if len(f.knownHosts) > 0 {
		c.Endpoint.KnownHosts = f.knownHosts
	}
	if f.allowSSHRSA {
		c.Endpoint.AllowSSHRSA = true
	}
	if f.timeout != 0 {
		c.Endpoint.Timeout = config.Duration(f.timeout)
	}
	if f.parallel != 0 {
		c.Endpoint.Parallel = f.parallel
	}
	if err := c.Check(); err != nil {
		return c, err
	}
	a.certificates().WarnOfEnd(c)
	return c, nil
}

// needSender is config for commands that name or send something.
func (a *program) needSender() (config.Config, error) {
	c, err := a.config()
	if err == nil && c.Sender == "" {
		err = usagef("no sender number is known: put sender = \"123456\" into the configuration, or give --sender")
	}
	return c, err
}

func (a *program) openLedger(ctx context.Context, c config.Config) (ledger.Ledger, error) {
	return a.wire().OpenLedger(ctx, c)
}
