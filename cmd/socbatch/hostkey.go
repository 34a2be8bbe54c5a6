package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
)

func newHostKeyCmd(a *app) *cobra.Command {
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
		Long: `Show the keys that the server has now, and whether they are accepted. The server
is contacted; nobody logs in, so neither user nor SSH key is needed. That it
shows a key does not make it the right server: only the office can confirm the
fingerprint.`,
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
		Use: "list", Short: "List the keys that are accepted, and where they stand",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runListHostKeys(a) },
	}
	remove := &cobra.Command{
		Use:   "remove HOST:PORT|SHA256:FINGERPRINT",
		Short: "Trust a key no longer, after it was replaced",
		Long: `Trust a key no longer, after it was replaced: all keys of a server, or one by its
fingerprint. Only keys that were accepted with "hostkey accept" are removed;
those of the configuration and of other known_hosts files are yours to change.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runRemoveHostKey(a, args[0]) },
	}
	cmd.AddCommand(show, accept, list, remove)
	return cmd
}

// verifier knows the keys that are accepted.
func verifier(c config.Config) (*hostkey.Verifier, error) {
	return hostkey.New(c.Endpoint.HostKeys, append([]string{knownHostsPath(c)}, c.Endpoint.KnownHosts...)...)
}

// address is host:port of the server.
func address(c config.Config) string {
	return net.JoinHostPort(c.Endpoint.Host, strconv.Itoa(c.Endpoint.Port))
}

// probe asks the server for its keys.
func (a *app) probe(ctx context.Context, c config.Config) ([]sftp.Probed, error) {
	wait := time.Duration(c.Endpoint.Timeout)
	e := sftp.Endpoint{
		Host: c.Endpoint.Host, Port: c.Endpoint.Port, AllowSSHRSA: c.Endpoint.AllowSSHRSA,
		ConnectTimeout: wait, HandshakeTimeout: wait, StallTimeout: wait,
	}
	options, err := a.dialOptions(c)
	if err != nil {
		return nil, err
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

func judge(v *hostkey.Verifier, host string, key ssh.PublicKey) string {
	err := v.Check(host, key)
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
	KeyType     string `json:"key_type"`
	Fingerprint string `json:"fingerprint"`
	MD5         string `json:"md5,omitempty"`
	State       string `json:"state,omitempty"`
	Host        string `json:"host,omitempty"`
	File        string `json:"file,omitempty"`
	Line        int    `json:"line,omitempty"`
}

func runShowHostKey(ctx context.Context, a *app) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	v, err := verifier(c)
	if err != nil {
		return err
	}
	keys, err := a.probe(ctx, c)
	if err != nil {
		return err
	}
	host := address(c)
	out := make([]jsonHostKey, len(keys))
	states := map[string]bool{}
	for i, k := range keys {
		out[i] = jsonHostKey{KeyType: k.Key.Type(), Fingerprint: hostkey.Fingerprint(k.Key), MD5: ssh.FingerprintLegacyMD5(k.Key), State: judge(v, host, k.Key)}
		states[out[i].State] = true
	}
	// A server has a key of each type, and one of them is enough.
	for i := range out {
		if out[i].State == keyChanged && states[keyAccepted] {
			out[i].State = keyUnknown
		}
	}
	a.ui.object(map[string]any{"host": host, "server": printable(keys[0].Version), "accepted": states[keyAccepted] && !states[keyRevoked], "keys": out})
	a.ui.result("%s, %s", host, printable(keys[0].Version))
	for _, k := range out {
		a.ui.result("  %s %s  %s", k.KeyType, k.Fingerprint, hostKeyStates[k.State])
		a.ui.result("    %s", a.ui.text("MD5 fingerprint: %s", k.MD5))
	}
	switch {
	case states[keyRevoked]:
		a.ui.hint("this key was declared stolen or lost: do not connect; ask the office for its new key")
	case states[keyAccepted]:
	case states[keyChanged]:
		a.ui.hint("it may be a new key of the office, or something on the way that reads along: a proxy, a firewall, or somebody who poses as the server")
		a.ui.hint("ask the office for the new fingerprint, at a number that you know; do not go on before it has confirmed it")
		a.ui.hint("if it is confirmed: socbatch hostkey remove %s, then: socbatch hostkey accept %s", host, out[0].Fingerprint)
	default:
		a.ui.hint("compare the fingerprint with the one that the office gives you by telephone; if it is the same, accept it once: socbatch hostkey accept %s", out[0].Fingerprint)
	}
	return nil
}

var hostKeyStates = map[string]lang.Text{
	keyAccepted: text("accepted"), keyUnknown: text("not accepted"), keyChanged: text("not the accepted one"), keyRevoked: text("revoked: never to be trusted"),
}

func runAcceptHostKey(ctx context.Context, a *app, fingerprint string) error {
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
	keys, err := a.probe(ctx, c)
	if err != nil {
		return err
	}
	host := address(c)
	for _, k := range keys {
		if hostkey.Fingerprint(k.Key) != fingerprint {
			continue
		}
		out := map[string]any{"host": host, "key_type": k.Key.Type(), "fingerprint": fingerprint}
		err := v.Check(host, k.Key)
		switch {
		case err == nil:
			a.ui.say("this key is accepted already")
			a.ui.object(out)
			return nil
		case errors.Is(err, hostkey.ErrRevoked):
			return err
		}
		if err := hostkey.Accept(knownHostsPath(c), host, k.Key); err != nil {
			return err
		}
		a.ui.result("accepted  %s %s for %s", k.Key.Type(), fingerprint, host)
		a.ui.object(out)
		return nil
	}
	return credentialf(text("compare the fingerprints again; if the server's is not the one that the office confirms, call the office"),
		"the server shows %s %s, not the key that you gave; nothing was accepted", keys[0].Key.Type(), hostkey.Fingerprint(keys[0].Key))
}

func runListHostKeys(a *app) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	out := []jsonHostKey{}
	for _, pin := range c.Endpoint.HostKeys {
		out = append(out, jsonHostKey{Fingerprint: pin, Host: address(c), State: keyAccepted})
	}
	for _, file := range append([]string{knownHostsPath(c)}, c.Endpoint.KnownHosts...) {
		lines, err := hostkey.List(file)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.Marker == "@cert-authority" { // counts for nothing
				continue
			}
			for _, name := range l.Hosts {
				k := jsonHostKey{KeyType: l.KeyType, Fingerprint: l.Fingerprint, Host: hostkey.Host(name), File: l.File, Line: l.Number, State: keyAccepted}
				if l.Marker != "" {
					k.State = keyRevoked
				}
				out = append(out, k)
			}
		}
	}
	a.ui.object(map[string]any{"keys": out})
	if len(out) == 0 {
		a.ui.result("no key is accepted yet")
		a.ui.hint("see what the server shows: socbatch hostkey show")
	}
	for _, k := range out {
		from := text("configuration, endpoint.host_keys")
		if k.File != "" {
			from = text("%s, line %d", printable(displayPath(k.File)), k.Line)
		}
		a.ui.result("%s  %s  %s %s  (%s)", hostKeyStates[k.State], printable(k.Host), printable(k.KeyType), k.Fingerprint, from)
	}
	return nil
}

func runRemoveHostKey(a *app, which string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	host := which
	if _, _, err := net.SplitHostPort(which); err != nil {
		host = net.JoinHostPort(which, strconv.Itoa(c.Endpoint.Port))
	}
	byKey := strings.HasPrefix(which, "SHA256:")
	gone, err := hostkey.Remove(knownHostsPath(c), func(l hostkey.Line) bool {
		return byKey && l.Fingerprint == which || !byKey && l.Names(host)
	})
	if err != nil {
		return err
	}
	if len(gone) == 0 {
		return usagef("no accepted key is that of %s; socbatch hostkey list shows them; nothing was changed", printable(which))
	}
	out := make([]jsonHostKey, len(gone))
	for i, l := range gone {
		names := make([]string, len(l.Hosts))
		for j, h := range l.Hosts {
			names[j] = hostkey.Host(h)
		}
		out[i] = jsonHostKey{KeyType: l.KeyType, Fingerprint: l.Fingerprint, Host: strings.Join(names, ","), File: l.File, Line: l.Number}
		a.ui.result("removed  %s %s of %s", printable(l.KeyType), l.Fingerprint, printable(out[i].Host))
	}
	a.ui.object(map[string]any{"removed": out})
	for _, pin := range c.Endpoint.HostKeys {
		if byKey && pin == which || !byKey && host == address(c) {
			a.ui.warn("the configuration accepts %s as well: take it out of endpoint.host_keys", pin)
		}
	}
	return nil
}
