package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/internal/problem"
)

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
