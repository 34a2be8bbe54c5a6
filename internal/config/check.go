package config

import (
	"errors"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/heartbeat"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/proxy"
)

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
		if faults := naming.Validate("FI."+o.Application, naming.Context{Nearest: near.Application}); len(faults) > 1 && !faults[1].Warning {
			return bad("outgoing.application", "%s", faults[1])
		}
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
