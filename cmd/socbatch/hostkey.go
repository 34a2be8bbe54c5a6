package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/transport/hostkey"
)

func newHostKeyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hostkey",
		Short: "Accept the key of the server",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
	a.connectionFlags(accept)
	cmd.AddCommand(accept)
	return cmd
}

func runAcceptHostKey(ctx context.Context, a *app, fingerprint string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		return usagef("a fingerprint begins with SHA256:")
	}
	endpoint, err := a.endpoint(ctx, c)
	if err != nil {
		return err
	}
	session, err := a.dial(ctx, c, endpoint)
	if err == nil {
		info := session.Info()
		same := info.HostKey == fingerprint
		_ = session.Close()
		if !same {
			return usagef("the server has another key, which is accepted already; nothing was changed")
		}
		a.ui.say("this key is accepted already")
		a.ui.object(map[string]any{"host": endpoint.Address(), "key_type": info.HostKeyType, "fingerprint": info.HostKey})
		return nil
	}
	var seen *hostkey.Error
	if !errors.As(err, &seen) || errors.Is(seen, hostkey.ErrRevoked) {
		return err
	}
	if seen.Fingerprint != fingerprint {
		return credentialf(text("compare the fingerprints again; if the server's is not the one that the office confirms, call the office"),
			"the server shows %s %s, not the key that you gave; nothing was accepted", seen.KeyType, seen.Fingerprint)
	}
	if err := hostkey.Accept(knownHostsPath(c), seen.Host, seen.Key); err != nil {
		return err
	}
	a.ui.result("accepted  %s %s for %s", seen.KeyType, seen.Fingerprint, seen.Host)
	a.ui.object(map[string]any{"host": seen.Host, "key_type": seen.KeyType, "fingerprint": seen.Fingerprint})
	return nil
}
