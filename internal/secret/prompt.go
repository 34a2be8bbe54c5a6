package secret

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/problem"
)

// ErrNoTerminal says that there is nobody to ask.
var ErrNoTerminal = errors.New("no terminal to ask for a password")

// PromptContext asks on the terminal itself, not on standard input, and does not
// echo what is typed. It gives up when ctx ends, and leaves the terminal as it
// was.
func PromptContext(ctx context.Context, question string) (string, error) {
	in, out, err := openTerminal()
	if err != nil {
		return "", ErrNoTerminal
	}
	defer out.Close()  //nolint:errcheck // a prompt only
	fd := int(in.Fd()) //nolint:gosec // a file descriptor is small
	before, err := term.GetState(fd)
	if err != nil {
		return "", errors.Join(err, in.Close())
	}
	type answer struct {
		typed []byte
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var typed []byte
		_, err := fmt.Fprintf(out, "%s: ", question)
		if err == nil {
			typed, err = term.ReadPassword(fd)
		}
		answers <- answer{typed, err}
	}()
	select {
	case a := <-answers:
		_, _ = fmt.Fprintln(out)
		_ = in.Close() // nothing was written
		if a.err != nil {
			return "", problem.New("the password could not be read from the terminal")
		}
		return string(a.typed), nil
	case <-ctx.Done():
		// It goes on reading until the program ends, so its file stays open.
		_ = term.Restore(fd, before)
		_, _ = fmt.Fprintln(out)
		return "", ctx.Err()
	}
}

// Ask asks on the terminal itself for what is no secret: a line, which is shown
// while it is typed. It gives up when ctx ends.
func Ask(ctx context.Context, question string) (string, error) {
	in, out, err := openTerminal()
	if err != nil {
		return "", ErrNoTerminal
	}
	defer out.Close() //nolint:errcheck // a prompt only
	return askOn(ctx, in, out, question)
}

func askOn(ctx context.Context, in io.ReadCloser, out io.Writer, question string) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		var line string
		_, err := fmt.Fprintf(out, "%s: ", question)
		if err == nil {
			line, err = bufio.NewReader(in).ReadString('\n')
		}
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		_ = in.Close() // nothing was written
		if a.err != nil && a.line == "" {
			return "", problem.New("the answer could not be read from the terminal")
		}
		return strings.TrimRight(a.line, "\r\n"), nil
	case <-ctx.Done():
		// It goes on reading until the program ends, so its file stays open.
		_, _ = fmt.Fprintln(out)
		return "", ctx.Err()
	}
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
