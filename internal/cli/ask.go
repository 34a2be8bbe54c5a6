package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/internal/wording"
)

// questioner asks a person on the terminal; a secret is not shown while it is
// typed. Nil where nobody is to be asked.
type questioner func(question string, secret bool) (string, error)

// questions is how to ask; nil with --no-input.
func (a *program) questions(ctx context.Context, noInput bool) questioner {
	switch {
	case noInput:
		return nil
	case a.askPerson != nil:
		return a.askPerson
	}
	return func(question string, hidden bool) (string, error) {
		if hidden {
			return secret.PromptContext(ctx, question)
		}
		return secret.Ask(ctx, question)
	}
}

// line asks for a line; an empty answer is the proposal. check says what is
// wrong with an answer, and it is asked again.
func (a *program) line(ask questioner, question lang.Text, proposal string, check func(string) error) (string, error) {
	full := a.ui.in(question)
	if proposal != "" {
		full += " [" + proposal + "]"
	}
	for {
		answer, err := ask(full, false)
		if err != nil {
			return "", noBodyToAsk(err)
		}
		if answer = strings.TrimSpace(answer); answer == "" {
			answer = proposal
		}
		err = check(answer)
		if err == nil {
			return answer, nil
		}
		a.ui.say("%s", wording.Of(err))
	}
}

// yes asks a question of yes or no.
func yes(a *program, ask questioner, question lang.Text, proposal bool) (bool, error) {
	shown := text("yes/no")
	first := map[bool]string{true: a.ui.text("yes"), false: a.ui.text("no")}
	for {
		answer, err := ask(a.ui.in(question)+" ("+a.ui.in(shown)+") ["+first[proposal]+"]", false)
		if err != nil {
			return false, err
		}
		switch answer = strings.ToLower(strings.TrimSpace(answer)); {
		case answer == "":
			return proposal, nil
		case strings.HasPrefix(first[true], answer) || strings.HasPrefix("yes", answer):
			return true, nil
		case strings.HasPrefix(first[false], answer) || strings.HasPrefix("no", answer):
			return false, nil
		}
	}
}

// newPassword asks for a new password, twice.
func (a *program) newPassword(ask questioner, question lang.Text, check func(string) error) (string, error) {
	for {
		first, err := ask(a.ui.in(question), true)
		if err != nil {
			return "", noBodyToAsk(err)
		}
		if err := check(first); err != nil {
			a.ui.say("%s", wording.Of(err))
			continue
		}
		second, err := ask(a.ui.text("Once more"), true)
		if err != nil {
			return "", noBodyToAsk(err)
		}
		if first == second {
			return first, nil
		}
		a.ui.say("the two are not the same; again, please")
	}
}

func noBodyToAsk(err error) error {
	if errors.Is(err, secret.ErrNoTerminal) {
		return usagef("there is no terminal to ask on: give --no-input, and the answers as flags; nothing was done")
	}
	return err
}
