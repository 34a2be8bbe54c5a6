package failure

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sshkey"
)

func TestTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		classes      []Class
		whole, worst Class
	}{
		{"nothing", nil, None, None},
		{"all done", []Class{None, None}, None, None},
		{"one failed", []Class{Failed}, Failed, Failed},
		{"some failed", []Class{None, Failed}, Partly, Failed},
		{"the first failed", []Class{Failed, None}, Partly, Failed},
		{"some sent before", []Class{None, AlreadySent}, Partly, AlreadySent},
		{"all sent before", []Class{AlreadySent, AlreadySent}, AlreadySent, AlreadySent},
		{"unknown weighs most", []Class{None, Failed, Unknown, Refused}, Unknown, Unknown},
		{"a refusal weighs more than a done one", []Class{None, Refused}, Refused, Refused},
		{"so does a missing answer", []Class{NoAnswer, None}, NoAnswer, NoAnswer},
		{"different failures", []Class{Temporary, Failed}, Failed, Failed},
		{"locked and temporary", []Class{Locked, Temporary}, Locked, Locked},
		{"interrupted and unknown", []Class{Unknown, Interrupted}, Unknown, Unknown},
	} {
		if got := Together(c.classes); got != c.whole {
			t.Errorf("%s: together %s instead of %s", c.name, got, c.whole)
		}
		if got := MostUrgent(c.classes); got != c.worst {
			t.Errorf("%s: most urgent %s instead of %s", c.name, got, c.worst)
		}
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	plain := errors.New("x")
	for _, c := range []struct {
		err  error
		want Class
	}{
		{nil, None},
		{plain, Failed},
		{fmt.Errorf("about it: %w", New(Refused, plain)), Refused},
		{New(Partly, New(Refused, plain)), Partly},
		{Hint(New(Refused, plain), lang.Plain("do")), Refused},
		{Hint(&lock.HeldError{}), Locked},
		{New(Temporary, &UsageError{plain}), Temporary},
		{&UsageError{context.Canceled}, Usage},
		{&config.Error{Problem: plain}, Usage},
		{&inbox.AlreadyError{}, AlreadySent},
		{&inbox.UnknownError{Err: &transport.Error{Class: transport.Temporary}}, Unknown},
		{&inbox.UnsettledError{Err: context.Canceled}, Unknown},
		{&inbox.MaybeSentError{}, Unknown},
		{errors.Join(plain, sshkey.ErrWrongPassphrase), Credentials},
		{&transport.Error{Class: transport.HostKey}, Credentials},
		{&transport.Error{Class: transport.Authentication}, Credentials},
		{&transport.Error{Class: transport.Temporary}, Temporary},
		{&transport.Error{Class: transport.Cancelled}, Interrupted},
		{&transport.Error{}, Failed},
		{context.Canceled, Interrupted},
		{context.DeadlineExceeded, Interrupted},
	} {
		if got := ClassOf(c.err); got != c.want {
			t.Errorf("%v: %s instead of %s", c.err, got, c.want)
		}
	}
}

func TestHintsOf(t *testing.T) {
	t.Parallel()
	a, b := lang.Plain("a"), lang.Plain("b")
	err := fmt.Errorf("x: %w", New(Failed, Hint(Hint(errors.New("y"), b), a)))
	if got := HintsOf(err); len(got) != 1 || got[0].String() != "a" {
		t.Errorf("%v", got)
	}
	if HintsOf(New(Failed, errors.New("y"))) != nil || HintsOf(nil) != nil {
		t.Error("hints from nowhere")
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	var tally Tally
	tally.Add(nil)
	if tally.Result(Together) != nil {
		t.Error("an error from nowhere")
	}
	first, second := New(Temporary, errors.New("first")), New(Failed, errors.New("second"))
	tally.Add(first)
	tally.Add(second)
	tally.Add(New(Failed, errors.New("third")))
	if err := tally.Result(Together); !errors.Is(err, second) || ClassOf(err) != Partly || err.Error() != "second" {
		t.Errorf("%v, %s", err, ClassOf(err))
	}
}
