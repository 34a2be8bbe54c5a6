package lock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAcquire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	first, err := lock.Acquire(t.Context(), dir, "send", "socbatch submit", 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := lock.Acquire(t.Context(), dir, "fetch", "socbatch fetch", 0)
	if err != nil {
		t.Fatalf("another lock: %v", err)
	}
	_, err = lock.Acquire(t.Context(), dir, "send", "socbatch resume", 0)
	var held *lock.HeldError
	if !errors.As(err, &held) {
		t.Fatalf("got %v", err)
	}
	host, _ := os.Hostname()
	if h := held.Holder; h.PID != os.Getpid() || h.Command != "socbatch submit" || h.Host != host || h.Since.IsZero() {
		t.Errorf("holder %+v", h)
	}
	if !strings.Contains(err.Error(), "socbatch submit") || !strings.Contains(err.Error(), held.Path) {
		t.Errorf("got %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(held.Path); err != nil {
		t.Errorf("the lock file went with the lock: %v", err)
	}
	again, err := lock.Acquire(t.Context(), dir, "send", "socbatch resume", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*lock.Lock{again, other} {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestAcquireWaits(t *testing.T) {
	dir := t.TempDir()
	first, err := lock.Acquire(t.Context(), dir, "send", "first", 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := lock.Acquire(context.Background(), dir, "send", "second", time.Hour)
		if err == nil {
			err = second.Release()
		}
		got <- err
	}()
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAcquireGivesUp(t *testing.T) {
	dir := t.TempDir()
	first, err := lock.Acquire(t.Context(), dir, "send", "first", 0)
	if err != nil {
		t.Fatal(err)
	}
	var held *lock.HeldError
	if _, err := lock.Acquire(t.Context(), dir, "send", "second", time.Nanosecond); !errors.As(err, &held) || held.Holder.Command != "first" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lock.Acquire(ctx, dir, "send", "second", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// A holder that cannot be read is not told.
	if err := os.WriteFile(filepath.Join(dir, "send.lock.holder"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Acquire(t.Context(), dir, "send", "second", 0); !errors.As(err, &held) || held.Holder.PID != 0 || err.Error() == "" {
		t.Errorf("got %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
}
