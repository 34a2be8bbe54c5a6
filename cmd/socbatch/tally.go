package main

import "github.com/socbatch/socbatch/internal/failure"

// tally counts what several things ended with, which was told bit by bit.
type tally struct{ failure.Tally }

// result is the error of the whole. together makes one class of all.
func (t *tally) result(together func([]failure.Class) failure.Class) error {
	if err := t.Result(together); err != nil {
		return toldError{err}
	}
	return nil
}

// explain is the error of the whole for programs.
func (t *tally) explain(together func([]failure.Class) failure.Class) explanation {
	return explain(t.First).of(together(t.Classes))
}
