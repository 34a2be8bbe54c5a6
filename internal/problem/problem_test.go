package problem

import (
	"errors"
	"io"
	"testing"
)

func TestError(t *testing.T) {
	t.Parallel()
	err := New("line %d: %s: %s", 3, Word("cut off"), io.ErrUnexpectedEOF)
	if got, want := err.Error(), "line 3: cut off: unexpected EOF"; got != want {
		t.Errorf("%q instead of %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not wrapped")
	}
	if format, args := err.Said(); format != "line %d: %s: %s" || len(args) != 3 {
		t.Errorf("said as %q with %v", format, args)
	}
}
