package secret

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/problem"
)

// ErrNoTerminal says that there is nobody to ask.
var ErrNoTerminal = errors.New("no terminal to ask for a password")

// Prompt asks on the terminal itself, not on standard input, and does not echo
// what is typed.
func Prompt(question string) (string, error) {
	in, out, err := openTerminal()
	if err != nil {
		return "", ErrNoTerminal
	}
	defer in.Close()  //nolint:errcheck // nothing was written
	defer out.Close() //nolint:errcheck // a prompt only
	if _, err := fmt.Fprintf(out, "%s: ", question); err != nil {
		return "", err
	}
	b, err := term.ReadPassword(int(in.Fd())) //nolint:gosec // a file descriptor is small
	_, _ = fmt.Fprintln(out)
	if err != nil {
		return "", problem.New("the password could not be read from the terminal")
	}
	return string(b), nil
}

func openTerminal() (in, out *os.File, err error) {
	if in, err = os.OpenFile(terminalIn, os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if !term.IsTerminal(int(in.Fd())) { //nolint:gosec // a file descriptor is small
		return nil, nil, errors.Join(ErrNoTerminal, in.Close())
	}
	if out, err = os.OpenFile(terminalOut, os.O_RDWR, 0); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, out, nil
}
