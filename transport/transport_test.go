package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestClassOf(t *testing.T) {
	temporary := &Error{Op: "put", Path: "/IN/x", Class: Temporary, Kind: ErrConnection, Err: io.EOF}
	tests := []struct {
		name string
		err  error
		want Class
	}{
		{"nil", nil, Permanent},
		{"unknown", errors.New("x"), Permanent},
		{"bare EOF", io.ErrUnexpectedEOF, Permanent},
		{"temporary", temporary, Temporary},
		{"wrapped", fmt.Errorf("upload set: %w", temporary), Temporary},
		{"joined", errors.Join(errors.New("x"), temporary), Temporary},
		{"context", fmt.Errorf("x: %w", context.Canceled), Cancelled},
		{"deadline", context.DeadlineExceeded, Cancelled},
		{"zero", &Error{Op: "get"}, Permanent},
	}
	for _, tt := range tests {
		if got := ClassOf(tt.err); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("no route")
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "get", Path: "/OUT/x", Kind: ErrNotFound}, "get /OUT/x: no such file"},
		{&Error{Op: "connect", Path: "h:22", Kind: ErrConnection, Err: cause}, "connect h:22: connection failed: no route"},
		{&Error{Op: "put", Path: "a\x1b[2J", Err: cause}, `put "a\x1b[2J": no route`},
		{&Error{Op: "put", Path: "x", Kind: ErrSize, Err: fmt.Errorf("%w: 1 and 2", ErrSize)}, "put x: byte counts differ: 1 and 2"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if tt.err.Kind != nil && !errors.Is(tt.err, tt.err.Kind) {
			t.Errorf("%v is not its kind", tt.err)
		}
	}
	if !errors.Is(tests[1].err, cause) {
		t.Error("the cause is lost")
	}
	if !errors.Is(ErrTooManyOpen, ErrFailure) {
		t.Error("ErrTooManyOpen is an ErrFailure")
	}
}

func TestSafeName(t *testing.T) {
	good := []string{
		"FI.DMFA.101380.20100920.00001.R.4.1", "FO.ACRF.999999.20110701.00001.T", "a", ".hidden", "é", "CONSOLE", "com10",
		"x.CON", "a b", strings.Repeat("x", 255), "status_dk_1.xml", "…",
	}
	bad := []string{
		"", ".", "..", "a/b", "/a", `a\b`, `..\a`, `C:\x`, "C:x", "a\nb", "a\x00", "\x1b[2J", "\x7f", "\u0085", "\xff",
		strings.Repeat("x", 256), strings.Repeat("é", 128), "CON", "con", "NUL.txt", "com1", "LPT9.x.y", "COM¹", "aux ", "CON .txt",
		"a.", "a ", "a<", "a>", `a"`, "a|", "a?", "a*", "a\u202eb", "a\u200b", "a\u2028",
	}
	for _, n := range good {
		if err := SafeName(n); err != nil {
			t.Errorf("%q: %v", n, err)
		}
	}
	for _, n := range bad {
		if err := SafeName(n); !errors.Is(err, ErrUnsafeName) {
			t.Errorf("%q was let through", n)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"FI.DMFA", "..", "a/b", "CON", "\xff", "a\u202eb", "nul .x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := SafeName(name)
		if err == nil {
			if strings.ContainsAny(name, "/\\:\x00\n\r\x1b") || !utf8.ValidString(name) || len(name) > MaxNameBytes || strings.Trim(name, ".") == "" {
				t.Errorf("%q was let through", name)
			}
			return
		}
		for _, r := range err.Error() {
			if r < 0x20 || r == 0x7f {
				t.Errorf("control character in the message %q", err)
			}
		}
	})
}
