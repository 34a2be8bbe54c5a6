package cli

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
)

func newHostKeyCmd(a *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hostkey",
		Short: "Show, accept, list and remove keys of the server",
		Long: `Show, accept, list and remove keys of the server.

The key is how the server proves that it is the right one. It is accepted once,
when the office has confirmed its fingerprint, and compared at each connection.
When it changes, everything stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Show the keys that the server has now, and whether they are accepted",
		Long: `Show the keys that the server has now, and whether they are accepted.

The server is contacted and nobody logs in, so neither user nor SSH key is
needed. That it shows a key does not make it the right server: only the office
can confirm the fingerprint.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runShowHostKey(cmd.Context(), a) },
	}
	accept := &cobra.Command{
		Use:   "accept SHA256:FINGERPRINT",
		Short: "Trust the server with this fingerprint from now on",
		Long: `Trust the server with this fingerprint from now on.

The fingerprint has to be confirmed by the office, by telephone or letter: that
is what keeps a stranger from posing as the server. The server is contacted, and
its key is accepted only if it has the fingerprint that you give.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runAcceptHostKey(cmd.Context(), a, args[0]) },
	}
	a.connectionFlags(show)
	a.connectionFlags(accept)
	list := &cobra.Command{
		Use:   "list",
		Short: "List the keys that are accepted, and where they stand",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return runListHostKeys(a) },
	}
	var yes bool
	remove := &cobra.Command{
		Use:   "remove HOST|SHA256:FINGERPRINT",
		Short: "Trust a key no longer, after it was replaced",
		Long: `Trust a key no longer, after it was replaced: all keys of a server, or one key by
its fingerprint.

Only keys that were accepted with "socbatch hostkey accept" are removed. Those in
the configuration and in other known_hosts files are yours to change.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runRemoveHostKey(cmd.Context(), a, args[0], yes) },
	}
	remove.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.AddCommand(show, accept, list, remove)
	return cmd
}

// verifier knows the keys that are accepted.
func verifier(c config.Config) (*hostkey.Verifier, error) {
	return hostkey.New(c.Endpoint.HostKeys, append([]string{app.WorkspaceOf(c).KnownHosts()}, c.Endpoint.KnownHosts...)...)
}

// address is host:port of the server.
func address(c config.Config) string {
	return net.JoinHostPort(c.Endpoint.Host, strconv.Itoa(c.Endpoint.Port))
}

// probe asks the server who it is.
func (a *program) probe(ctx context.Context, c config.Config) (sftp.Probed, error) {
	wait := time.Duration(c.Endpoint.Timeout)
	e := sftp.Endpoint{
		Host: c.Endpoint.Host, Port: c.Endpoint.Port, AllowSSHRSA: c.Endpoint.AllowSSHRSA,
		ConnectTimeout: wait, HandshakeTimeout: wait, StallTimeout: wait,
	}
	options, err := a.dialOptions(c)
	if err != nil {
		return sftp.Probed{}, err
	}
	return sftp.Probe(ctx, e, options)
}

// Whether a key is accepted, as JSON says it.
const (
	keyAccepted = "accepted"
	keyUnknown  = "unknown"
	keyChanged  = "changed"
	keyRevoked  = "revoked"
)

var hostKeyStates = map[string]lang.Text{
	keyAccepted: text("accepted"), keyUnknown: text("not accepted"), keyChanged: text("not the one that was accepted"), keyRevoked: text("revoked, never to be trusted"),
}

func hostKeyState(err error) string {
	switch {
	case err == nil:
		return keyAccepted
	case errors.Is(err, hostkey.ErrRevoked):
		return keyRevoked
	case errors.Is(err, hostkey.ErrChanged):
		return keyChanged
	}
	return keyUnknown
}

type jsonHostKey struct {
	KeyType     string `json:"key_type,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	MD5         string `json:"md5,omitempty"`
	State       string `json:"state,omitempty"`
	Host        string `json:"host,omitempty"`
	File        string `json:"file,omitempty"`
	Line        int    `json:"line,omitempty"`
}

// keyPlace says where a key stands that is accepted.
func keyPlace(file string, line int) lang.Text {
	if file == "" {
		return text("configuration, endpoint.host_keys")
	}
	return text("%s, line %d", printable(displayPath(file)), line)
}

func runShowHostKey(ctx context.Context, a *program) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	v, err := verifier(c)
	if err != nil {
		return err
	}
	p, err := a.probe(ctx, c)
	if err != nil {
		return err
	}
	host := address(c)
	refused := map[string]error{}
	keys := make([]jsonHostKey, len(p.Keys))
	accepted := false
	for i, key := range p.Keys {
		err := v.Check(host, key)
		k := jsonHostKey{KeyType: key.Type(), Fingerprint: hostkey.Fingerprint(key), MD5: ssh.FingerprintLegacyMD5(key), State: hostKeyState(err)}
		if by, ok := v.Accepted(host, key); ok {
			k.File, k.Line, accepted = by.File, by.Line, true
		}
		if refused[k.State] == nil {
			refused[k.State] = err
		}
		keys[i] = k
	}
	// A server has a key of each type, and one that is accepted is enough.
	if accepted {
		delete(refused, keyChanged)
		for i := range keys {
			if keys[i].State == keyChanged {
				keys[i].State = keyUnknown
			}
		}
	}
	failed := refused[keyRevoked]
	if failed == nil {
		failed = refused[keyChanged]
	}
	failed = wording.AskWhom(failed, c.Status.Contact)
	out := map[string]any{"host": host, "server": printable(p.Version), "accepted": accepted && failed == nil, "keys": keys}
	if failed != nil {
		out["error"] = explain(failed)
	}
	a.ui.object(out)
	a.ui.result("%s: %s", host, printable(p.Version))
	for _, k := range keys {
		a.ui.result("  %s %s", k.KeyType, k.Fingerprint)
		a.ui.result("    %s", "MD5:"+k.MD5)
		state := hostKeyStates[k.State]
		if k.State == keyAccepted {
			state = text("%s (%s)", state, keyPlace(k.File, k.Line))
		}
		a.ui.result("    %s", state)
	}
	if failed == nil && !accepted {
		a.ui.hint(wording.ConfirmKey, keys[0].Fingerprint)
	}
	return failed
}

func runAcceptHostKey(ctx context.Context, a *program, fingerprint string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		return usagef("a fingerprint begins with SHA256:")
	}
	v, err := verifier(c)
	if err != nil {
		return err
	}
	p, err := a.probe(ctx, c)
	if err != nil {
		return err
	}
	host := address(c)
	for _, key := range p.Keys {
		if hostkey.Fingerprint(key) != fingerprint {
			continue
		}
		out := map[string]any{"host": host, "key_type": key.Type(), "fingerprint": fingerprint}
		err := v.Check(host, key)
		switch {
		case err == nil:
			a.ui.say("this key is accepted already")
			a.ui.object(out)
			return nil
		case errors.Is(err, hostkey.ErrRevoked):
			return wording.AskWhom(err, c.Status.Contact)
		}
		if err := hostkey.Accept(app.WorkspaceOf(c).KnownHosts(), host, key); err != nil {
			return err
		}
		a.ui.result("accepted  %s %s for %s", key.Type(), fingerprint, host)
		a.ui.object(out)
		return nil
	}
	return credentialf(text("compare the fingerprints again; if the server's is not the one that the office confirms, call the office"),
		"the server shows %s %s, not the key that you gave; nothing was accepted", p.Keys[0].Type(), hostkey.Fingerprint(p.Keys[0]))
}

func runListHostKeys(a *program) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if _, err := verifier(c); err != nil { // pins that are none
		return err
	}
	keys := []jsonHostKey{}
	for _, pin := range c.Endpoint.HostKeys {
		keys = append(keys, jsonHostKey{Fingerprint: pin, Host: address(c), State: keyAccepted})
	}
	for _, file := range append([]string{app.WorkspaceOf(c).KnownHosts()}, c.Endpoint.KnownHosts...) {
		lines, err := hostkey.List(file)
		if err != nil {
			return err
		}
		for _, l := range lines {
			switch l.Marker {
			case "":
				keys = append(keys, keyOf(l, keyAccepted))
			case "@revoked":
				keys = append(keys, keyOf(l, keyRevoked))
			}
		}
	}
	a.ui.object(map[string]any{"keys": keys})
	if len(keys) == 0 {
		a.ui.result("no key is accepted yet")
		a.ui.hint("see what the server shows: socbatch hostkey show")
		return nil
	}
	for _, k := range keys {
		a.ui.result("%s  %s %s", printable(k.Host), printable(k.KeyType), k.Fingerprint)
		a.ui.result("    %s (%s)", hostKeyStates[k.State], keyPlace(k.File, k.Line))
	}
	return nil
}

func keyOf(l hostkey.Line, state string) jsonHostKey {
	hosts := make([]string, len(l.Hosts))
	for i, h := range l.Hosts {
		hosts[i] = hostkey.Host(h)
	}
	return jsonHostKey{KeyType: l.KeyType, Fingerprint: l.Fingerprint, Host: strings.Join(hosts, ","), File: l.File, Line: l.Number, State: state}
}

func runRemoveHostKey(ctx context.Context, a *program, which string, yes bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	host := which
	if _, _, err := net.SplitHostPort(which); err != nil {
		host = net.JoinHostPort(strings.Trim(which, "[]"), strconv.Itoa(c.Endpoint.Port))
	}
	byKey := strings.HasPrefix(which, "SHA256:")
	meant := func(l hostkey.Line) bool {
		return l.Marker == "" && (byKey && l.Fingerprint == which || !byKey && l.Names(host))
	}
	file := app.WorkspaceOf(c).KnownHosts()
	lines, err := hostkey.List(file)
	if err != nil {
		return err
	}
	lines = slices.DeleteFunc(lines, func(l hostkey.Line) bool { return !meant(l) })
	if len(lines) == 0 {
		return usagef("no key of %s was accepted with socbatch hostkey accept; nothing was removed (socbatch hostkey list shows where the accepted ones stand)", printable(which))
	}
	if !yes {
		for _, l := range lines {
			k := keyOf(l, "")
			a.ui.say("%s  %s %s", printable(k.Host), printable(k.KeyType), k.Fingerprint)
		}
		if err := a.confirm(ctx, text("Trust it no longer?")); err != nil {
			return err
		}
	}
	gone, err := hostkey.Remove(file, meant)
	if err != nil {
		return err
	}
	removed := make([]jsonHostKey, len(gone))
	for i, l := range gone {
		k := keyOf(l, "")
		a.ui.result("removed  %s %s for %s", printable(k.KeyType), k.Fingerprint, printable(k.Host))
		removed[i] = k
	}
	a.ui.object(map[string]any{"removed": removed, "kept_as": file + hostkey.OldSuffix})
	a.ui.say("the file as it was: %s", displayPath(file+hostkey.OldSuffix))
	return a.tellStillAccepted(c, host, removed)
}

// tellStillAccepted warns of what accepts the server, or the keys, all the same.
func (a *program) tellStillAccepted(c config.Config, host string, removed []jsonHostKey) error {
	same := func(fingerprint string) bool {
		return slices.ContainsFunc(removed, func(k jsonHostKey) bool { return k.Fingerprint == fingerprint })
	}
	for _, pin := range c.Endpoint.HostKeys {
		if same(pin) {
			a.ui.warn("the configuration accepts this key as well: take %s out of endpoint.host_keys", pin)
		}
	}
	for _, file := range c.Endpoint.KnownHosts {
		lines, err := hostkey.List(file)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.Marker == "" && (l.Names(host) || same(l.Fingerprint)) {
				a.ui.warn("%s accepts %s as well: delete the line there", keyPlace(l.File, l.Number), l.Fingerprint)
			}
		}
	}
	return nil
}

// confirm asks the person on the terminal; anything but a yes is an error.
func (a *program) confirm(ctx context.Context, question lang.Text) error {
	ok, err := yes(a, a.questions(ctx, false), question, false)
	switch {
	case errors.Is(err, secret.ErrNoTerminal):
		return usagef("there is no terminal to ask on: give --yes; nothing was removed")
	case err == nil && !ok:
		return usagef("not confirmed; nothing was removed")
	}
	return err
}
