package cli

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// initOptions are the answers that were given on the command line.
type initOptions struct {
	sandbox       bool
	noInput       bool
	replace       bool
	environment   string
	keep          string
	copyP12       bool
	acceptHostKey string
	outgoing      string
	examples      string
}

// Where passwords are kept.
const (
	keepKeyring = "keyring"
	keepFile    = "file"
	keepNowhere = "ask"
)

func newInitCmd(a *program, run func(context.Context, *program, initOptions) error) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set everything up: configuration, SSH key, files for the portal, host key",
		Long: `Set everything up: configuration, SSH key, files for the portal, host key.

It asks for your sender number, your user name, your certificate (.p12) and the
environment, and explains each question; with --no-input it asks nothing and
takes the flags. It makes an SSH key with a passphrase, puts what the portal
needs into a folder, shows the fingerprint of the server, and says what to do
next. Nothing that exists is overwritten. Where a configuration exists already,
nothing is changed; --replace keeps it under another name and makes a new one.

--sandbox sets everything up for the stand-in server on this machine, to try
socbatch out.`,
		Example: `  socbatch init
  socbatch init --no-input --sender 123456 --user EXP123456 --p12 certificate.p12 --env T
  socbatch init --sandbox --no-input --examples examples`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.sandbox, "sandbox", false, "set up for the stand-in server of this machine")
	f.BoolVar(&o.noInput, "no-input", false, "ask nothing: take the flags, and defaults for the rest")
	f.BoolVar(&o.replace, "replace", false, "keep an existing configuration under another name, and make a new one")
	f.StringVarP(&o.environment, "env", "e", "", "environment when nothing is said: T (default) or S")
	f.StringVar(&o.keep, "keep-passwords", "", "where passwords are kept: keyring, file or ask (default: keyring where there is one)")
	f.BoolVar(&o.copyP12, "copy-p12", false, "copy the certificate beside the configuration, as from a stick")
	f.StringVar(&o.acceptHostKey, "accept-host-key", "", "SHA256:`FINGERPRINT` of the server, as the office confirmed it")
	f.StringVar(&o.outgoing, "outgoing", "", "`DIR`ectory from which run sends, in the environment of --env")
	f.StringVar(&o.examples, "examples", "", "with --sandbox: write example declarations into `DIR`")
	f.StringVar(&a.flags.host, "host", "", "server `NAME`")
	f.IntVar(&a.flags.port, "port", 0, "server port (default 8022)")
	f.StringVar(&a.flags.user, "user", "", "user `NAME` on the server (EXP…)")
	f.StringVar(&a.flags.key, "key", "", "private SSH key `FILE` (OpenSSH, PEM or PuTTY .ppk)")
	a.passphraseFlag(f)
	a.p12Flags(f)
	return cmd
}

func runInit(ctx context.Context, a *program, o initOptions) error {
	path, err := a.configTarget()
	if err != nil {
		return err
	}
	if o.keep != "" && o.keep != keepKeyring && o.keep != keepFile && o.keep != keepNowhere {
		return usagef("--keep-passwords takes keyring, file or ask")
	}
	if o.acceptHostKey != "" {
		if !strings.HasPrefix(o.acceptHostKey, "SHA256:") {
			return usagef("a fingerprint begins with SHA256:")
		}
		if err := hostkey.CheckPin(o.acceptHostKey); err != nil {
			return &failure.UsageError{Err: err}
		}
	}
	if a.flags.port < 0 || a.flags.port > math.MaxUint16 {
		return usagef("--port: %d is not a port", a.flags.port)
	}
	if o.examples != "" && !o.sandbox {
		return usagef("--examples goes with --sandbox: they are for trying out only")
	}
	ask := a.questions(ctx, o.noInput)
	there, again, err := a.setUpAgain(path, o, ask)
	if err != nil || !again {
		return err
	}
	s := &setUp{
		app: a, ask: ask, replace: there, options: o, path: path, dir: filepath.Dir(path),
		sender: a.flags.sender, user: a.flags.user, host: a.flags.host, port: a.flags.port,
		p12: a.flags.p12, key: a.flags.key, language: a.flags.lang, stateDir: a.flags.stateDir, archive: a.flags.archive,
	}
	if o.sandbox {
		err = s.forSandbox(ctx)
	} else {
		err = s.inquire(ctx)
	}
	if err == nil {
		err = s.make(ctx)
	}
	if err != nil {
		return notSetUp(err)
	}
	s.tell()
	return nil
}

// notSetUp says of what went wrong on the way, such as a file that is in it,
// what that means for the whole.
func notSetUp(err error) error {
	var usage *failure.UsageError
	if failure.HintsOf(err) != nil || errors.As(err, &usage) || errors.Is(err, context.Canceled) {
		return err
	}
	return failure.Hint(
		errorf("%s; no configuration was written", err),
		text("put that right, then run the same command again: it uses what was made already"))
}

// configTarget is where the configuration is, or will be.
func (a *program) configTarget() (string, error) {
	path := a.configPath
	if path == "" {
		path = a.getenv("SOCBATCH_CONFIG")
	}
	if path == "" {
		path = config.DefaultPath(a.getenv)
	}
	if path == "" {
		return "", usagef("there is no home directory: say where the configuration is to be with --config FILE")
	}
	return filepath.Abs(path)
}

// setUpAgain says whether a configuration is there already, and whether there is
// to be a new one.
func (a *program) setUpAgain(path string, o initOptions, ask questioner) (there, again bool, err error) {
	_, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, true, nil
	}
	if err != nil {
		return false, false, notSetUp(err)
	}
	again = o.replace
	if !again && ask != nil {
		a.ui.say("There is a configuration already: %s", displayPath(path))
		if again, err = yes(a, ask, text("Keep it under another name, and set up anew?"), false); err != nil {
			return true, false, noBodyToAsk(err)
		}
	}
	if !again {
		a.ui.result("set up already: %s; nothing was changed", displayPath(path))
		a.ui.say("try it with: socbatch doctor")
		a.ui.object(contract.SetUpAlready{Config: path})
	}
	return true, again, nil
}

// putAside gives the old configuration another name. It is done last: what goes
// wrong before it leaves the old one in use.
func (a *program) putAside(path string) error {
	old, err := freeName(path, "."+string(naming.DateOf(a.now())))
	if err != nil {
		return err
	}
	if err := os.Rename(path, old); err != nil {
		return err
	}
	a.ui.say("the old configuration is now %s", displayPath(old))
	return a.disk.SyncDir(filepath.Dir(path))
}

// freeName is path with something added that nothing is called yet.
func freeName(path, add string) (string, error) {
	for n, name := 1, path+add; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
		name = path + add + strings.Repeat("+", n)
	}
}
