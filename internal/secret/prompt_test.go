package secret

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	for _, c := range []struct{ typed, want, err string }{
		{"123456\n", "123456", ""},
		{" a b \r\n", " a b ", ""},
		{"\n", "", ""},
		{"no end", "no end", ""},
		{"", "", "could not be read"},
	} {
		var out strings.Builder
		got, err := askOn(t.Context(), io.NopCloser(strings.NewReader(c.typed)), &out, "Number")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: got %q, %v", c.typed, got, err)
		}
		if out.String() != "Number: " {
			t.Errorf("%q: asked %q", c.typed, out.String())
		}
	}
}

// Whoever presses Ctrl-C at a question is not asked on.
func TestAskInterrupted(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close() //nolint:errcheck // it cannot fail
	ctx, cancel := context.WithCancel(t.Context())
	out, asked := io.Pipe()
	go func() {
		_, _ = out.Read(make([]byte, 100)) // the question is there
		cancel()
		_, _ = io.Copy(io.Discard, out)
	}()
	defer asked.Close() //nolint:errcheck // it cannot fail
	if got, err := askOn(ctx, in, asked, "Number"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
}
