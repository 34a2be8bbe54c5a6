package sftp

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
)

// Probed is what a server shows before anybody logs in.
type Probed struct {
	Version string          // its greeting, such as "SSH-2.0-OpenSSH_9.2"; hostile text
	Offers  Algorithms      // what it announces, in its order; hostile text
	Keys    []ssh.PublicKey // one of each type; the server has proved that it owns them
}

// Probe asks a server who it is, on one connection for each type of key that it
// has, and ends each before anybody logs in: of the endpoint it needs the
// address, the time-outs and the algorithms only. No key is judged: that is for
// hostkey.Verifier.Check. The first key is the one that a login would be shown
// where none is known yet.
//
// Errors are those of Dial; a server that has no key of any type that is
// allowed is a transport.ErrAlgorithm.
func Probe(ctx context.Context, endpoint Endpoint, opts Options) (Probed, error) {
	e := endpoint.withDefaults()
	e.HostKeys, e.Keys, e.KeySource, e.Password = nil, nil, nil, nil
	d := newDialer(e, opts)
	kinds := hostkey.Families(e.AllowSSHRSA)
	if len(e.Algorithms.HostKeys) > 0 {
		kinds = [][]string{e.Algorithms.HostKeys}
	}
	var out Probed
	var none error
	for _, algorithms := range kinds {
		// Most servers have not all types: that was told on the first connection.
		offered := func(a string) bool { return slices.Contains(out.Offers.HostKeys, a) }
		if len(out.Offers.HostKeys) > 0 && !slices.ContainsFunc(algorithms, offered) {
			continue
		}
		key, err := d.probe(ctx, algorithms, &out)
		switch {
		case err == nil:
			out.Keys = append(out.Keys, key)
		case errors.Is(err, transport.ErrAlgorithm):
			none = err
		default:
			return Probed{}, err
		}
	}
	if len(out.Keys) == 0 {
		return Probed{}, none
	}
	return out, nil
}

// probe makes one connection, up to the server's key.
func (d *dialer) probe(ctx context.Context, algorithms []string, out *Probed) (ssh.PublicKey, error) {
	conn, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	stop := context.AfterFunc(ctx, func() { conn.fail(cancelled(ctx)) })
	defer stop()
	seen := &observed{}
	// No host key is accepted, so the handshake always ends in an error.
	_, err = d.handshake(ctx, conn, loginAttempt{}, algorithms, seen)
	out.Version, _ = conn.greeting.version()
	out.Offers = conn.greeting.offers()
	if seen.hostKey == nil {
		return nil, d.handshakeError(ctx, conn, seen, err)
	}
	return seen.hostKey, nil
}
