package secret

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
)

// Source is a place that a secret was found in.
type Source string

// The sources, in the order in which they are asked.
const (
	Stdin      Source = "stdin"
	Variable   Source = "variable"
	Credential Source = "credential"
	File       Source = "file"
	Command    Source = "command"
	InKeyring  Source = "keyring"
	Terminal   Source = "terminal"
)

// Wanted is a secret and the places where it may be. What is empty is not
// asked.
type Wanted struct {
	What           string   // what it opens; for people
	Line           int      // of standard input, from 1
	Value          string   // of the environment variable
	Variable       string   // its name
	CredentialName string   // that systemd hands over
	File           string   // its first line
	Command        []string // program and arguments: the first line of its output
	KeyringName    string   // its name in the keyring
	Question       string   // on the terminal
}

// Found is where a secret was found, without the secret.
type Found struct {
	Source Source
	Detail string // the variable, credential, file, program, or name in the keyring
}

// Finder looks for secrets, one at a time. Nil parts are not asked.
type Finder struct {
	Getenv  func(string) string
	Environ []string // of commands
	// Stdin is read no further than to the end of the line that is wanted. Nil:
	// it is a terminal, and the person is asked at once.
	Stdin   io.Reader
	Keyring Keyring
	Prompt  func(ctx context.Context, question string) (string, error)
	// Timeout bounds a command. The keyring gets no more than patience of it.
	Timeout time.Duration
	// Trouble is told why the keyring could not be asked; the search goes on.
	Trouble func(error)

	lines []string          // of standard input that were read
	typed map[string]string // answers of the person, by the question
}

// patience is how long the keyring may take: long enough to type its password,
// short enough where nobody sees that it asks for one.
const patience = 10 * time.Second

// Find gives the secret of the first source that has one. A source that is
// named and cannot be read ends the search, since another secret would be a
// guess; only a keyring that is not there or does not answer is passed over.
// ErrNoTerminal where nobody is left to ask.
func (f *Finder) Find(ctx context.Context, w Wanted) (string, Found, error) {
	for _, s := range f.sources(w) {
		value, ok, err := s.get(ctx)
		if err != nil || ok {
			return value, s.Found, err
		}
	}
	return "", Found{}, ErrNoTerminal
}

// Where tells which source Find would take, without running a command or
// asking a person.
func (f *Finder) Where(ctx context.Context, w Wanted) (Found, error) {
	for _, s := range f.sources(w) {
		switch s.Source {
		case Stdin, Command, Terminal:
			return s.Found, nil
		}
		if _, ok, err := s.get(ctx); err != nil || ok {
			return s.Found, err
		}
	}
	return Found{}, ErrNoTerminal
}

// source is a place to look in; get tells whether the secret is there.
type source struct {
	Found
	get func(context.Context) (value string, ok bool, err error)
}

// sources lists those that w names, in their order.
func (f *Finder) sources(w Wanted) []source {
	var out []source
	add := func(when bool, s Source, detail string, get func(context.Context) (string, bool, error)) {
		if when {
			out = append(out, source{Found{s, detail}, get})
		}
	}
	must := func(value string, err error) (string, bool, error) { return value, err == nil, err }
	prompt := func(ctx context.Context) (string, bool, error) { return must(f.prompt(ctx, w.Question)) }

	add(w.Line > 0 && f.Stdin != nil, Stdin, "", func(context.Context) (string, bool, error) { return must(f.line(w.Line)) })
	add(w.Line > 0 && f.Stdin == nil && f.Prompt != nil, Terminal, "", prompt)
	add(w.Value != "", Variable, w.Variable, func(context.Context) (string, bool, error) { return w.Value, true, nil })
	add(w.CredentialName != "" && f.Getenv != nil, Credential, w.CredentialName, func(context.Context) (string, bool, error) {
		return credential(f.Getenv, w.CredentialName)
	})
	add(w.File != "", File, w.File, func(context.Context) (string, bool, error) { return must(FromFile(w.File)) })
	if len(w.Command) > 0 {
		add(true, Command, w.Command[0], func(ctx context.Context) (string, bool, error) {
			return must(fromCommand(ctx, w.Command, f.Environ, f.Timeout))
		})
	}
	add(w.KeyringName != "" && f.Keyring != nil, InKeyring, w.KeyringName, func(ctx context.Context) (string, bool, error) {
		return f.fromKeyring(ctx, w.KeyringName)
	})
	add(w.Question != "" && f.Prompt != nil, Terminal, "", prompt)
	return out
}

// line gives a line of standard input. It reads a byte at a time: what follows
// may be for somebody else.
func (f *Finder) line(n int) (string, error) {
	for len(f.lines) < n {
		var line []byte
		b := make([]byte, 1)
		for !endsLine(line) && len(line) <= maxSize {
			_, err := io.ReadFull(f.Stdin, b)
			if errors.Is(err, io.EOF) && len(line) > 0 {
				break
			}
			if errors.Is(err, io.EOF) {
				return "", problem.New("standard input ended before the password")
			}
			if err != nil {
				return "", err
			}
			line = append(line, b[0])
		}
		if len(line) > maxSize {
			return "", problem.New("the line on standard input is too long to be a password")
		}
		s, err := Decode(line)
		if err != nil {
			return "", err
		}
		f.lines = append(f.lines, s)
	}
	return f.lines[n-1], nil
}

func endsLine(b []byte) bool { return len(b) > 0 && b[len(b)-1] == '\n' }

// fromKeyring asks the keyring. One that did not answer is not asked again.
func (f *Finder) fromKeyring(ctx context.Context, name string) (string, bool, error) {
	k := f.Keyring
	if k == nil {
		return "", false, nil
	}
	value, err := ask(ctx, min(f.Timeout, patience), func() (string, error) { return k.Get(name) })
	if err == nil || errors.Is(err, ErrNotKept) {
		return value, err == nil, nil
	}
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	f.Keyring = nil
	if f.Trouble != nil {
		f.Trouble(err)
	}
	return "", false, nil
}

// prompt asks a person, and asks no question twice.
func (f *Finder) prompt(ctx context.Context, question string) (string, error) {
	if value, ok := f.typed[question]; ok {
		return value, nil
	}
	value, err := f.Prompt(ctx, question)
	if err != nil {
		return "", err
	}
	if f.typed == nil {
		f.typed = map[string]string{}
	}
	f.typed[question] = value
	return value, nil
}
