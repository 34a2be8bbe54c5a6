package heartbeat_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/heartbeat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://hc.example.org/abc": true, "http://localhost:8000/x?y=1": true,
		"hc.example.org/abc": false, "ftp://example.org/": false, "https://": false, "http://a b/": false,
		"https://ann:secret@example.org/": false,
	} {
		err := heartbeat.Check(address)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a secret is told: %v", err)
		}
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	mux := http.NewServeMux()
	var last *http.Request
	mux.HandleFunc("/ok", func(_ http.ResponseWriter, r *http.Request) { last = r })
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") })
	mux.HandleFunc("/block", func(_ http.ResponseWriter, r *http.Request) { close(blocked); <-r.Context().Done() })
	mux.HandleFunc("/hop/{n}", func(w http.ResponseWriter, r *http.Request) {
		next := "/ok"
		if n := r.PathValue("n"); n != "1" {
			next = fmt.Sprintf("/hop/%c", n[0]-1)
		}
		http.Redirect(w, r, next, http.StatusFound)
	})
	mux.HandleFunc("/password", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://a:b@"+r.Host+"/ok", http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for path, want := range map[string]string{
		"/ok": "", "/large": "", "/hop/3": "", "/hop/4": "more than 3 redirects", "/gone": "status 410", "/cut": "EOF",
		"/password": "not a usable URL",
	} {
		last = nil
		err := heartbeat.Send(t.Context(), s.URL+path, "socbatch/v1")
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", path, err)
		case err != nil && strings.Contains(err.Error(), s.URL):
			t.Errorf("%s: the URL is told: %v", path, err)
		}
		if last == nil {
			continue
		}
		if last.Method != "GET" || last.UserAgent() != "socbatch/v1" || last.Referer() != "" || last.Header.Get("Cookie") != "" ||
			last.Header.Get("Authorization") != "" || last.URL.RawQuery != "" || last.ContentLength > 0 {
			t.Errorf("%s: %s %v", path, last.Method, last.Header)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-blocked; cancel() }()
	if err := heartbeat.Send(ctx, s.URL+"/block", "socbatch/v1"); err == nil {
		t.Error("a service that does not answer succeeded")
	}
	s.Close()
	if err := heartbeat.Send(t.Context(), s.URL+"/ok", "socbatch/v1"); err == nil || strings.Contains(err.Error(), "/ok") {
		t.Errorf("nobody there: %v", err)
	}
}
