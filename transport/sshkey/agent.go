package sshkey

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// ErrNoAgent says that no ssh-agent can be reached.
var ErrNoAgent = errors.New("no ssh-agent")

// Agent is a connection to a running ssh-agent. Its signers work until Close.
type Agent struct {
	conn   io.Closer
	client agent.ExtendedAgent
}

// DialAgent connects to the ssh-agent at address: a socket path, on Windows a
// named pipe. An empty address means SSH_AUTH_SOCK, and on Windows, where that
// is not set, the pipe of the OpenSSH agent. Errors wrap ErrNoAgent.
func DialAgent(ctx context.Context, address string) (*Agent, error) {
	conn, err := dialAgent(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAgent, err)
	}
	return &Agent{conn: conn, client: agent.NewClient(conn)}, nil
}

// Signers returns the agent's keys that are strong enough. RSA keys sign with
// SHA-2 or SHA-1 as the caller asks.
func (a *Agent) Signers() ([]ssh.Signer, error) {
	all, err := a.client.Signers()
	if err != nil {
		return nil, fmt.Errorf("list the keys of the ssh-agent: %w", err)
	}
	var out []ssh.Signer
	for _, s := range all {
		if n := rsaBits(agentKey(s)); n > 0 && n < MinRSABits {
			continue
		}
		out = append(out, s)
	}
	return out, nil
}

// agentKey parses the key, which an agent hands over as bytes.
func agentKey(s ssh.Signer) ssh.PublicKey {
	if key, err := ssh.ParsePublicKey(s.PublicKey().Marshal()); err == nil {
		return key
	}
	return s.PublicKey()
}

// Close ends the connection.
func (a *Agent) Close() error { return a.conn.Close() }
