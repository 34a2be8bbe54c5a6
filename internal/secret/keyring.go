package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/socbatch/socbatch/internal/problem"
)

// service is the name under which the keyring keeps our secrets.
const service = "socbatch"

// ErrNotKept says that the keyring has no such secret.
var ErrNotKept = errors.New("the keyring does not have it")

// Keyring keeps secrets for the person who is logged in: Secret Service on
// Linux, keychain on macOS, credential manager on Windows.
type Keyring interface {
	Get(name string) (string, error) // ErrNotKept
	Set(name, secret string) error
	Delete(name string) error // ErrNotKept
}

// SystemKeyring is that of the desktop; nil where there is none, as for a
// service on Linux. Without a message bus it is not even asked, since that
// would start one.
func SystemKeyring(getenv func(string) string) Keyring {
	switch runtime.GOOS {
	case "windows", "darwin":
		return system{}
	}
	if getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		bus := filepath.Join(getenv("XDG_RUNTIME_DIR"), "bus")
		if _, err := os.Stat(bus); err != nil || !filepath.IsAbs(bus) {
			return nil
		}
	}
	return system{}
}

type system struct{}

func (system) Get(name string) (string, error) {
	value, err := keyring.Get(service, name)
	return value, notKept(err)
}

func (system) Set(name, secret string) error { return keyring.Set(service, name, secret) }

func (system) Delete(name string) error { return notKept(keyring.Delete(service, name)) }

func notKept(err error) error {
	if errors.Is(err, keyring.ErrNotFound) {
		return ErrNotKept
	}
	return err
}

// Keep puts a secret into a keyring, within the time.
func Keep(ctx context.Context, k Keyring, timeout time.Duration, name, value string) error {
	_, err := ask(ctx, timeout, func() (string, error) { return "", k.Set(name, value) })
	return err
}

// Forget takes a secret out of a keyring, within the time; ErrNotKept.
func Forget(ctx context.Context, k Keyring, timeout time.Duration, name string) error {
	_, err := ask(ctx, timeout, func() (string, error) { return "", k.Delete(name) })
	return err
}

// ask bounds a question to the keyring: the message bus has no time limit, and
// a locked keyring waits for a person who may not be there.
func ask(ctx context.Context, timeout time.Duration, question func() (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	type answer struct {
		value string
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := question()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", problem.New("the keyring did not answer within %s", timeout)
		}
		return "", ctx.Err()
	}
}
