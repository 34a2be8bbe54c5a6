// Package config reads the configuration: a TOML file, over it the
// environment's SOCBATCH_… variables, over both what the command line says.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/internal/heartbeat"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/proxy"
)

// Config is everything that can be configured. Paths may begin with ~/ and,
// in the file, are relative to the file's directory.
type Config struct {
	// Sender is the six-digit sender number.
	Sender string `toml:"sender"`
	// Environment is where submit and fetch go when nothing is said; never R.
	Environment string `toml:"environment"`
	// Language is en, nl, fr or de; empty: that of the person's system.
	Language string `toml:"language"`
	// StateDir holds the ledger, the frozen copies and the locks.
	StateDir string `toml:"state_dir"`
	// ArchiveRecipient are the recipients of age for whom stored replies and
	// frozen copies are encrypted; empty: they are not.
	ArchiveRecipient StringList `toml:"archive_recipient"`
	// ArchiveIdentity is the file of the identity that reads them again.
	ArchiveIdentity string `toml:"archive_identity"`

	Endpoint    Endpoint    `toml:"endpoint"`
	Identity    Identity    `toml:"identity"`
	Secrets     Secrets     `toml:"secrets"`
	Declaration Declaration `toml:"declaration"`
	Replies     Replies     `toml:"replies"`
	Status      Status      `toml:"status"`
	Outgoing    []Outgoing  `toml:"outgoing"`
	Hooks       Hooks       `toml:"hooks"`
	Monitoring  Monitoring  `toml:"monitoring"`
	Prune       Prune       `toml:"prune"`
}

// Endpoint is the server and how to log in.
type Endpoint struct {
	Host string `toml:"host"`
	Port int    `toml:"port"`
	User string `toml:"user"`
	// Key is the file of the private SSH key; empty with Agent.
	Key               string `toml:"key"`
	KeyPassphraseFile string `toml:"key_passphrase_file"`
	// KeyPassphraseCommand is a program, with its arguments, that prints it.
	KeyPassphraseCommand []string `toml:"key_passphrase_command"`
	// KeyPassphrase is set from the environment only.
	KeyPassphrase string `toml:"-"`
	// NextKey is the file of a key that is to follow Key: login tries it first.
	NextKey string `toml:"next_key"`
	// NextKeyPassphraseFile is empty where both keys have the same passphrase.
	NextKeyPassphraseFile string `toml:"next_key_passphrase_file"`
	// NextKeyPassphraseCommand likewise.
	NextKeyPassphraseCommand []string `toml:"next_key_passphrase_command"`
	// OwnPassphrase is set where the next key stands in the place of Key, with a
	// passphrase of its own.
	OwnPassphrase bool `toml:"-"`
	Agent         bool `toml:"agent"`
	// Proxy is the address of a proxy: socks5://, http:// or https://, with host
	// and port, and perhaps a user name; or NoProxy.
	Proxy string `toml:"proxy"`
	// ProxyPasswordFile has the password of that user.
	ProxyPasswordFile string `toml:"proxy_password_file"`
	// ProxyPassword is set from the environment only.
	ProxyPassword string `toml:"-"`
	// ProxyCommand is a program, with its arguments, whose standard input and
	// output are the connection.
	ProxyCommand []string `toml:"proxy_command"`
	// HostKeys are SHA256: fingerprints of which the server must have one.
	HostKeys []string `toml:"host_keys"`
	// KnownHosts are OpenSSH known_hosts files.
	KnownHosts []string `toml:"known_hosts"`
	// AllowSSHRSA permits ssh-rsa (SHA-1) signatures, for this server only.
	AllowSSHRSA bool `toml:"allow_ssh_rsa"`
	// Timeout ends whatever makes no progress for so long.
	Timeout Duration `toml:"timeout"`
	// Parallel is the number of files in flight.
	Parallel int `toml:"parallel"`
}

// Identity is the certificate that signs.
type Identity struct {
	P12          string `toml:"p12"`
	PasswordFile string `toml:"password_file"`
	// PasswordCommand is a program, with its arguments, that prints it.
	PasswordCommand []string `toml:"password_command"`
	// Password is set from the environment only.
	Password string `toml:"-"`
	// IncludeChain puts the issuers' certificates into the FS.
	IncludeChain bool `toml:"include_chain"`
	// Text is the form of the FS: "64-crlf", "76-cr" or "one-line".
	Text string `toml:"text"`
	// SignAlways signs in T and S too.
	SignAlways bool `toml:"sign_always"`
	// Registered is the file of the certificate that the portal was given.
	Registered string `toml:"registered"`
	// Issuers are further issuers of certificates that are accepted; * stands
	// for any text.
	Issuers []string `toml:"issuers"`
	// OwnPassword is set where the next certificate stands in the place of P12.
	OwnPassword bool `toml:"-"`
	// Next follows when P12 has expired, or from a day on.
	Next NextIdentity `toml:"next"`
}

// NextIdentity is the certificate that follows the one in use.
type NextIdentity struct {
	P12             string   `toml:"p12"`
	PasswordFile    string   `toml:"password_file"`
	PasswordCommand []string `toml:"password_command"`
	// From is the first day in Brussels on which it signs; empty: when the other
	// has expired.
	From Date `toml:"from"`
}

// Date is a day, in the file written "2026-11-25" or 2026-11-25.
type Date naming.Date

// UnmarshalTOML reads a text or a date of TOML.
func (d *Date) UnmarshalTOML(v any) error {
	day, ok := v.(string)
	if t, isTime := v.(time.Time); isTime {
		day, ok = t.Format(time.DateOnly), true
	}
	t, err := time.Parse(time.DateOnly, day)
	if !ok || err != nil {
		return problem.New("%v is not a day such as \"2026-11-25\"", v)
	}
	*d = Date(t.Format("20060102"))
	return nil
}

// Secrets says where passwords are looked for, beside the files and commands
// that are named.
type Secrets struct {
	// Keyring asks the keyring of the desktop.
	Keyring bool `toml:"keyring"`
	// Timeout ends a command that takes longer, and bounds the keyring.
	Timeout Duration `toml:"timeout"`
}

// Declaration says what may be handed in.
type Declaration struct {
	MaxSize int64 `toml:"max_size"` // bytes of one file
	// Settle is for how long a file must not have changed.
	Settle Duration `toml:"settle"`
	// SchemaDir holds the schema files that declarations are compared with;
	// empty: they are not.
	SchemaDir string `toml:"schema_dir"`
}

// Replies says what becomes of replies.
type Replies struct {
	// Archive is the directory that they are stored in.
	Archive string `toml:"archive"`
	// TrustedRoots is a PEM file of the certificates to trust for their
	// signatures.
	TrustedRoots string `toml:"trusted_roots"`
	// RequireSignature lets only replies with a valid signature count; others
	// stay on the server.
	RequireSignature bool `toml:"require_signature"`
	// IncompleteAfter is for how long a reply may wait for its GO before it is
	// reported.
	IncompleteAfter Duration `toml:"incomplete_after"`
}

// Status says when an answer is late, and whom to call then.
type Status struct {
	// ReceiptAfter and NotificationAfter are how long after the sending the
	// receipt and the notification may take.
	ReceiptAfter      Duration `toml:"receipt_after"`
	NotificationAfter Duration `toml:"notification_after"`
	// Contact is whom to call.
	Contact string `toml:"contact"`
}

// Outgoing is a directory whose files are sent.
type Outgoing struct {
	Dir string `toml:"dir"`
	// Environment is where they go; R is said here, and takes --env R too.
	Environment string `toml:"environment"`
	// Application is that of every file; empty: from the root element.
	Application string `toml:"application"`
}

// Hooks are programs that are told of what happened. Each is a program and its
// arguments; empty: nobody is told.
type Hooks struct {
	// OnReply is told of each reply that was stored and read.
	OnReply []string `toml:"on_reply"`
	// OnRefused is told of each set that became refused.
	OnRefused []string `toml:"on_refused"`
	// OnError is told of each run that failed.
	OnError []string `toml:"on_error"`
	// Timeout ends a program that takes longer.
	Timeout Duration `toml:"timeout"`
}

// Monitoring says whom to tell that all goes well.
type Monitoring struct {
	// HeartbeatURL is asked for after a run that succeeded.
	HeartbeatURL string `toml:"heartbeat_url"`
	// MetricsFile is written at the end of a run.
	MetricsFile string `toml:"metrics_file"`
}

// Prune says what is old.
type Prune struct {
	// After is how old replies and frozen copies are that prune removes; empty:
	// it has to be told.
	After Period `toml:"after"`
}

// Duration is a time such as "60s" or "2m".
type Duration time.Duration

// UnmarshalText reads the notation of Go: 90s, 2m, 1h30m.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time such as \"60s\" or \"2m\"", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the notation of Go.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Defaults are the values of what nobody configures.
func Defaults(getenv func(string) string) Config {
	state := stateDir(getenv)
	return Config{
		StateDir: state,
		Endpoint: Endpoint{
			Host: "sftp.socialsecurity.be", Port: 8022, Timeout: Duration(time.Minute), Parallel: 64,
		},
		Identity:    Identity{Text: "64-crlf"},
		Secrets:     Secrets{Keyring: true, Timeout: Duration(30 * time.Second)},
		Declaration: Declaration{MaxSize: 2 << 30, Settle: Duration(2 * time.Second)},
		Replies:     Replies{IncompleteAfter: Duration(time.Hour)},
		Status: Status{
			ReceiptAfter: Duration(24 * time.Hour), NotificationAfter: Duration(72 * time.Hour),
			Contact: "Eranova, 02 511 51 51",
		},
		Hooks: Hooks{Timeout: Duration(30 * time.Second)},
	}
}

func stateDir(getenv func(string) string) string {
	if d := getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "socbatch")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "windows" {
		// The roaming profile survives where a job's local data is cleared.
		if d := getenv("AppData"); d != "" {
			return filepath.Join(d, "socbatch")
		}
	}
	return filepath.Join(home, ".local", "state", "socbatch")
}

// DefaultPath is where the file is looked for when none is named.
func DefaultPath(getenv func(string) string) string {
	if d := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "socbatch", "socbatch.toml")
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "socbatch", "socbatch.toml")
}

// Load reads the file (path "": the default one, which need not exist) and the
// environment.
func Load(path string, getenv func(string) string) (Config, string, error) {
	c := Defaults(getenv)
	named := path != ""
	if !named {
		if path = getenv("SOCBATCH_CONFIG"); path != "" {
			named = true
		} else {
			path = DefaultPath(getenv)
		}
	}
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := c.decode(path, string(text)); err != nil {
			return c, path, err
		}
	case named || !errors.Is(err, os.ErrNotExist):
		return c, path, &Error{Path: path, Problem: err}
	default:
		path = ""
	}
	if err := c.environment(getenv); err != nil {
		return c, path, err
	}
	if c.Replies.Archive == "" {
		c.Replies.Archive = filepath.Join(c.StateDir, "replies")
	}
	return c, path, c.Check()
}

// Error is something wrong in the configuration.
type Error struct {
	Path    string // file; empty for the environment
	Line    int    // 0: not known
	Key     string
	Problem error
}

func (e *Error) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *Error) Said() (format string, args []any) { return e.problem().Said() }

func (e *Error) problem() *problem.Error {
	where := problem.New("configuration")
	switch {
	case e.Path != "" && e.Line > 0:
		where = problem.New("configuration %s:%d", e.Path, e.Line)
	case e.Path != "":
		where = problem.New("configuration %s", e.Path)
	}
	cause := e.Problem
	var p *fs.PathError
	if errors.As(cause, &p) && p.Path == e.Path { // named just before
		cause = p.Err
	}
	if e.Key != "" {
		return problem.New("%s: %s: %s", where, e.Key, cause)
	}
	return problem.New("%s: %s", where, cause)
}

// Unwrap gives the problem.
func (e *Error) Unwrap() error { return e.Problem }

func (c *Config) decode(path, text string) error {
	text = strings.TrimPrefix(text, "\ufeff") // Notepad
	meta, err := toml.Decode(text, c)
	if err != nil {
		var perr toml.ParseError
		if errors.As(err, &perr) {
			return &Error{Path: path, Line: perr.Position.Line, Key: perr.LastKey, Problem: errors.New(perr.Message)}
		}
		return &Error{Path: path, Problem: err}
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		sort.Slice(unknown, func(i, j int) bool { return len(unknown[i]) > len(unknown[j]) })
		key := unknown[0]
		return &Error{Path: path, Line: lineOf(text, key), Key: key.String(), Problem: noSuchSetting(key.String())}
	}
	dir := filepath.Dir(path)
	for _, p := range c.paths() {
		*p = resolve(*p, dir)
	}
	return nil
}

// lineOf finds the line of a key: the library does not tell it.
func lineOf(text string, key toml.Key) int {
	table := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(strings.Trim(name, "[ "), "]")
			table = strings.TrimSpace(name)
			if table == key.String() {
				return i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		full := strings.Trim(strings.TrimSpace(name), `"'`)
		if table != "" {
			full = table + "." + full
		}
		if full == key.String() {
			return i + 1
		}
	}
	return 0
}

func (c *Config) paths() []*string {
	p := []*string{
		&c.StateDir, &c.Endpoint.Key, &c.Endpoint.KeyPassphraseFile, &c.Endpoint.NextKey, &c.Endpoint.NextKeyPassphraseFile, &c.Endpoint.ProxyPasswordFile,
		&c.Identity.P12, &c.Identity.PasswordFile, &c.Identity.Next.P12, &c.Identity.Next.PasswordFile, &c.Identity.Registered,
		&c.Declaration.SchemaDir, &c.Replies.Archive, &c.Replies.TrustedRoots, &c.Monitoring.MetricsFile, &c.ArchiveIdentity,
	}
	for i := range c.Endpoint.KnownHosts {
		p = append(p, &c.Endpoint.KnownHosts[i])
	}
	for i := range c.Outgoing {
		p = append(p, &c.Outgoing[i].Dir)
	}
	for _, h := range [][]string{
		c.Hooks.OnReply, c.Hooks.OnRefused, c.Hooks.OnError, c.Endpoint.KeyPassphraseCommand, c.Identity.PasswordCommand,
		c.Endpoint.NextKeyPassphraseCommand, c.Identity.Next.PasswordCommand, c.Endpoint.ProxyCommand,
	} {
		// A bare name is looked for where programs are.
		if len(h) > 0 && strings.ContainsAny(h[0], `/`+string(filepath.Separator)) {
			p = append(p, &h[0])
		}
	}
	return p
}

func resolve(p, dir string) string {
	if p == "" {
		return ""
	}
	if p = expandHome(p); filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

func expandHome(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return p
}

// Variable is an environment variable that sets something.
type Variable struct {
	Name  string
	Sets  string // the setting in the file, or what it is
	apply func(*Config, string) error
	// Secret: it holds a password itself.
	Secret bool
}

// Variables lists the environment variables.
func Variables() []Variable {
	text := func(name, sets string, field func(*Config) *string) Variable {
		return Variable{Name: name, Sets: sets, apply: func(c *Config, v string) error { *field(c) = v; return nil }}
	}
	secret := func(v Variable) Variable { v.Secret = true; return v }
	return []Variable{
		text("SOCBATCH_SENDER", "sender", func(c *Config) *string { return &c.Sender }),
		text("SOCBATCH_ENVIRONMENT", "environment", func(c *Config) *string { return &c.Environment }),
		text("SOCBATCH_LANGUAGE", "language", func(c *Config) *string { return &c.Language }),
		text("SOCBATCH_STATE_DIR", "state_dir", func(c *Config) *string { return &c.StateDir }),
		text("SOCBATCH_HOST", "endpoint.host", func(c *Config) *string { return &c.Endpoint.Host }),
		{Name: "SOCBATCH_PORT", Sets: "endpoint.port", apply: func(c *Config, v string) (err error) {
			c.Endpoint.Port, err = strconv.Atoi(v)
			return err
		}},
		text("SOCBATCH_USER", "endpoint.user", func(c *Config) *string { return &c.Endpoint.User }),
		text("SOCBATCH_KEY", "endpoint.key", func(c *Config) *string { return &c.Endpoint.Key }),
		text("SOCBATCH_KEY_PASSPHRASE_FILE", "endpoint.key_passphrase_file", func(c *Config) *string { return &c.Endpoint.KeyPassphraseFile }),
		secret(text("SOCBATCH_KEY_PASSPHRASE", "the passphrase of the SSH key itself", func(c *Config) *string { return &c.Endpoint.KeyPassphrase })),
		{Name: "SOCBATCH_HOST_KEYS", Sets: "endpoint.host_keys, separated by commas", apply: func(c *Config, v string) error {
			c.Endpoint.HostKeys = nil
			for _, k := range strings.Split(v, ",") {
				if k = strings.TrimSpace(k); k != "" {
					c.Endpoint.HostKeys = append(c.Endpoint.HostKeys, k)
				}
			}
			return nil
		}},
		{Name: "SOCBATCH_PROXY", Sets: "endpoint.proxy", apply: func(c *Config, v string) error {
			c.Endpoint.Proxy, c.Endpoint.ProxyCommand = v, nil
			return nil
		}},
		secret(text("SOCBATCH_PROXY_PASSWORD", "the password of the proxy's user itself", func(c *Config) *string { return &c.Endpoint.ProxyPassword })),
		text("SOCBATCH_P12", "identity.p12", func(c *Config) *string { return &c.Identity.P12 }),
		text("SOCBATCH_P12_PASSWORD_FILE", "identity.password_file", func(c *Config) *string { return &c.Identity.PasswordFile }),
		secret(text("SOCBATCH_P12_PASSWORD", "the password of the .p12 itself", func(c *Config) *string { return &c.Identity.Password })),
		{Name: "SOCBATCH_KEYRING", Sets: "secrets.keyring", apply: func(c *Config, v string) (err error) {
			c.Secrets.Keyring, err = strconv.ParseBool(v)
			return err
		}},
		text("SOCBATCH_ARCHIVE", "replies.archive", func(c *Config) *string { return &c.Replies.Archive }),
	}
}

// WithoutSecrets leaves out of an environment (NAME=VALUE) the variables that
// hold a password.
func WithoutSecrets(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Secret && strings.EqualFold(v.Name, name) })
	})
}

func (c *Config) environment(getenv func(string) string) error {
	for _, v := range Variables() {
		if text := getenv(v.Name); text != "" {
			if err := v.apply(c, text); err != nil {
				return &Error{Key: v.Name, Problem: problem.New("has no usable value")}
			}
		}
	}
	for _, p := range c.paths() {
		*p = expandHome(*p)
	}
	return nil
}

// NoProxy as the proxy means that there is none, whatever the file says.
const NoProxy = "none"

// checkProxy does not repeat the address: there may be a password in it.
func (e *Endpoint) checkProxy() error {
	bad := func(key, format string, args ...any) error {
		return &Error{Key: key, Problem: problem.New(format, args...)}
	}
	if e.Proxy == "" || e.Proxy == NoProxy {
		return nil
	}
	u, err := proxy.Parse(e.Proxy)
	switch {
	case errors.Is(err, proxy.ErrPassword):
		return bad("endpoint.proxy", "a password does not belong here: put it into a file, and name that with proxy_password_file")
	case errors.Is(err, proxy.ErrNoHost):
		return bad("endpoint.proxy", "it must have a host and a port, and nothing behind them, such as \"socks5://proxy.example.org:1080\"")
	case err != nil:
		return bad("endpoint.proxy", "it must begin with socks5://, http:// or https://")
	case len(e.ProxyCommand) > 0:
		return bad("endpoint.proxy_command", "there is a proxy already: take one of the two out")
	case u.User.Username() == "" && (e.ProxyPasswordFile != "" || e.ProxyPassword != ""):
		return bad("endpoint.proxy", "there is a password for it, and no user name: write it as \"http://NAME@host:port\"")
	}
	return nil
}

// Check finds values that cannot be.
func (c *Config) Check() error {
	bad := func(key, format string, args ...any) error {
		return &Error{Key: key, Problem: problem.New(format, args...)}
	}
	if c.Sender != "" {
		if err := naming.CheckSender(c.Sender); err != nil {
			return &Error{Key: "sender", Problem: err}
		}
	}
	if c.Environment != "" {
		env, err := naming.ParseEnvironment(c.Environment)
		if err != nil {
			return &Error{Key: "environment", Problem: err}
		}
		if env == naming.Production {
			return bad("environment", "production is never a default: give --env R on the command line each time")
		}
	}
	if _, ok := lang.Parse(c.Language); !ok && c.Language != "" {
		return bad("language", "%q is no language of socbatch: use en, nl, fr or de", c.Language)
	}
	if c.StateDir == "" {
		return bad("state_dir", "there is no home directory: name a directory")
	}
	if len(c.ArchiveRecipient) > 0 {
		if _, err := seal.ParseRecipients(c.ArchiveRecipient...); err != nil {
			return &Error{Key: "archive_recipient", Problem: err}
		}
	}
	if c.Endpoint.Port < 1 || c.Endpoint.Port > 65535 {
		return bad("endpoint.port", "%d is not a port", c.Endpoint.Port)
	}
	if c.Endpoint.Parallel < 1 || c.Endpoint.Parallel > 512 {
		return bad("endpoint.parallel", "%d is not between 1 and 512", c.Endpoint.Parallel)
	}
	if c.Endpoint.Timeout <= 0 {
		return bad("endpoint.timeout", "must be more than nothing, such as \"60s\"")
	}
	if c.Endpoint.NextKey != "" && c.Endpoint.Key == "" {
		return bad("endpoint.next_key", "there is no key that it could follow: set endpoint.key")
	}
	if next := c.Identity.Next; next.P12 != "" && c.Identity.P12 == "" {
		return bad("identity.next.p12", "there is no certificate that it could follow: set identity.p12")
	} else if next.P12 == "" && (next.PasswordFile != "" || len(next.PasswordCommand) > 0 || next.From != "") {
		return bad("identity.next.p12", "the file of the certificate is missing")
	}
	if err := c.Endpoint.checkProxy(); err != nil {
		return err
	}
	if c.Replies.RequireSignature && c.Replies.TrustedRoots == "" {
		return bad("replies.require_signature", "nothing says whose signatures to trust: set replies.trusted_roots")
	}
	if err := c.checkOutgoing(bad); err != nil {
		return err
	}
	for key, h := range map[string][]string{
		"hooks.on_reply": c.Hooks.OnReply, "hooks.on_refused": c.Hooks.OnRefused, "hooks.on_error": c.Hooks.OnError,
		"endpoint.key_passphrase_command": c.Endpoint.KeyPassphraseCommand, "identity.password_command": c.Identity.PasswordCommand,
		"endpoint.next_key_passphrase_command": c.Endpoint.NextKeyPassphraseCommand, "identity.next.password_command": c.Identity.Next.PasswordCommand,
		"endpoint.proxy_command": c.Endpoint.ProxyCommand,
	} {
		if len(h) > 0 && h[0] == "" {
			return bad(key, "the first text must be a program")
		}
	}
	if c.Hooks.Timeout <= 0 {
		return bad("hooks.timeout", "must be more than nothing, such as \"30s\"")
	}
	if c.Secrets.Timeout <= 0 {
		return bad("secrets.timeout", "must be more than nothing, such as \"30s\"")
	}
	if u := c.Monitoring.HeartbeatURL; u != "" {
		if err := heartbeat.Check(u); err != nil {
			return bad("monitoring.heartbeat_url", "%v", err)
		}
	}
	return nil
}

// checkOutgoing finds directories that cannot be, or that are meant for two
// things.
func (c *Config) checkOutgoing(bad func(key, format string, args ...any) error) error {
	seen := map[string]bool{}
	for _, o := range c.Outgoing {
		if o.Dir == "" {
			return bad("outgoing.dir", "name a directory")
		}
		if seen[filepath.Clean(o.Dir)] {
			return bad("outgoing.dir", "%s is named twice", o.Dir)
		}
		seen[filepath.Clean(o.Dir)] = true
		if o.Environment == "" {
			return bad("outgoing.environment", "say where the files of %s go: R, T or S", o.Dir)
		}
		if _, err := naming.ParseEnvironment(o.Environment); err != nil {
			return &Error{Key: "outgoing.environment", Problem: err}
		}
		if o.Application == "" {
			continue
		}
		if faults := naming.Validate("FI."+o.Application, naming.Context{}); len(faults) > 1 && !faults[1].Warning {
			return bad("outgoing.application", "%s", faults[1])
		}
	}
	return nil
}
