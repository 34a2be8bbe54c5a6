package readers

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := WithContext(ctx, strings.NewReader("text"))
	if n, err := r.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	cancel()
	if n, err := r.Read(make([]byte, 2)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d bytes after the end, %v", n, err)
	}
}

func TestKeepError(t *testing.T) {
	whole := &KeepError{R: strings.NewReader("text")}
	if b, err := io.ReadAll(whole); string(b) != "text" || err != nil || whole.Err != nil {
		t.Errorf("%q, %v, %v", b, err, whole.Err)
	}
	broken := errors.New("broken")
	r := &KeepError{R: iotest.ErrReader(broken)}
	if _, err := io.ReadAll(r); err != broken || r.Err != broken {
		t.Errorf("%v, %v", err, r.Err)
	}
}
