package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/internal/problem"
)

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
