package cli

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// inquire finds out what the person wants. Flags answer questions; with
// --no-input what they leave open gets its default, or is an error.
func (s *setUp) inquire(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.askSender, s.askUser, s.askEnvironment, s.askCertificate, s.askOutgoing} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *setUp) askSender(context.Context) (err error) {
	if s.sender == "" && s.ask == nil {
		return usagef("--no-input needs your sender number: --sender 123456; nothing was set up")
	}
	if s.sender == "" {
		s.app.ui.say("Your sender number has six digits. The portal of the social security shows it, at your sender.")
		s.sender, err = s.app.line(s.ask, text("Sender number"), "", naming.CheckSender)
		return err
	}
	if err := naming.CheckSender(s.sender); err != nil {
		return &failure.UsageError{Err: err}
	}
	return nil
}

func (s *setUp) askUser(context.Context) (err error) {
	proposal := "EXP" + s.sender
	check := func(answer string) error {
		if answer == "" || strings.ContainsAny(answer, "@") || strings.ContainsFunc(answer, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			return errorf("a user name has no spaces in it and no @")
		}
		return nil
	}
	switch {
	case s.user != "":
		if err := check(s.user); err != nil {
			return &failure.UsageError{Err: err}
		}
	case s.ask == nil:
		s.user = proposal
		s.app.ui.say("user name: %s; where the portal shows another one, put that into the configuration", s.user)
	default:
		s.app.ui.say("")
		s.app.ui.say("The user name for the server stands on the portal, at the channel (SFTP). It begins with EXP, older ones with UM.")
		s.user, err = s.app.line(s.ask, text("User name"), proposal, check)
	}
	return err
}

func (s *setUp) askEnvironment(context.Context) error {
	check := func(answer string) error {
		env, err := naming.ParseEnvironment(strings.ToUpper(answer))
		if err == nil && env == naming.Production {
			err = errorf("production is never a default: give --env R on the command line each time")
		}
		s.environment = env
		return err
	}
	if flag := s.options.environment; flag != "" || s.ask == nil {
		if flag == "" {
			flag = string(naming.Test)
		}
		if err := check(flag); err != nil {
			return &failure.UsageError{Err: err}
		}
		return nil
	}
	s.app.ui.say("")
	s.app.ui.say("Where are declarations to go when you say nothing? T is the test environment, S the declaration test of the DmfA.\nProduction (R) has to be asked for each time, with --env R.")
	_, err := s.app.line(s.ask, text("Environment"), string(naming.Test), check)
	return err
}

func (s *setUp) askOutgoing(context.Context) (err error) {
	if s.options.outgoing != "" {
		s.outgoing, err = filepath.Abs(s.options.outgoing)
	}
	return err
}

func (s *setUp) askCertificate(ctx context.Context) (err error) {
	a := s.app
	if s.p12 == "" && s.ask != nil {
		a.ui.say("")
		a.ui.say("Declarations for production are signed with your certificate, a file that ends in .p12 or .pfx.\nLeave the answer empty if you do not have it yet: the test environment needs none.")
		s.p12, err = a.line(s.ask, text("File of the certificate"), "", func(answer string) error {
			if answer = unquoted(answer); answer != "" && !isFile(answer) {
				return errorf("there is no such file: %s", printable(answer))
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.p12 = unquoted(s.p12)
	}
	if s.p12 == "" {
		return nil
	}
	if s.p12, err = filepath.Abs(s.p12); err != nil {
		return err
	}
	if !isFile(s.p12) {
		return certificateError(s.p12, fs.ErrNotExist)
	}
	if s.ask != nil && !s.options.copyP12 && filepath.Dir(s.p12) != s.dir {
		if s.options.copyP12, err = yes(a, s.ask, text("Copy it beside the configuration? Otherwise it is read where it is, and a stick has to stay plugged in."), true); err != nil {
			return noBodyToAsk(err)
		}
	}
	return s.openCertificate(ctx)
}

// unquoted takes off the quotes that a file gets when it is dragged into the
// window.
func unquoted(path string) string {
	path = strings.TrimSpace(path)
	if len(path) > 1 && (path[0] == '"' || path[0] == '\'') && path[len(path)-1] == path[0] {
		path = path[1 : len(path)-1]
	}
	return path
}

// server asks the server for its key, and accepts it where the person, or the
// command line, confirms it.
func (s *setUp) server(ctx context.Context) error {
	a := s.app
	c := config.Defaults(a.getenv)
	if s.host != "" {
		c.Endpoint.Host = s.host
	}
	if s.port != 0 {
		c.Endpoint.Port = s.port
	}
	host := address(c)
	probed, err := a.probe(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		a.ui.warn("the server could not be asked for its key: %s", wording.Of(err))
		if s.options.acceptHostKey != "" {
			s.hostKeys = []string{s.options.acceptHostKey}
		}
		return nil
	}
	key := probed.Keys[0]
	for _, k := range probed.Keys { // a server has a key of each type
		if hostkey.Fingerprint(k) == s.options.acceptHostKey {
			key = k
		}
	}
	s.shown = hostKeyShown{host: host, keyType: key.Type(), fingerprint: hostkey.Fingerprint(key)}
	switch {
	case s.options.acceptHostKey == s.shown.fingerprint:
	case s.options.acceptHostKey != "":
		return credentialf(text("compare the fingerprints again; if the server's is not the one that the office confirms, call the office"),
			"the server shows %s %s, not the key that you gave; nothing was accepted", s.shown.keyType, s.shown.fingerprint)
	case s.ask == nil:
		return nil
	default:
		a.ui.say("")
		a.ui.say("The server %s shows this key:\n  %s %s\nHave the office confirm the fingerprint, by telephone or letter: that is what keeps a stranger from posing as the server.", host, s.shown.keyType, s.shown.fingerprint)
		ok, err := yes(a, s.ask, text("Has the office confirmed it?"), false)
		if err != nil || !ok {
			return noBodyToAsk(err)
		}
	}
	file := filepath.Join(s.stateDirectory(), "known_hosts")
	if err := a.disk.MkdirAll(filepath.Dir(file)); err != nil {
		return err
	}
	if err := hostkey.Accept(file, host, key); err != nil {
		return err
	}
	s.shown.accepted = true
	return nil
}

// hostKeyShown is the key that the server showed.
type hostKeyShown struct {
	host, keyType, fingerprint string
	accepted                   bool
}
