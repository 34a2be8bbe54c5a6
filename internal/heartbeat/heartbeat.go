// Package heartbeat tells a monitoring service that a run succeeded, by asking
// for a URL.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Timeout is how long a service may take, redirects included.
const Timeout = 10 * time.Second

const maxRedirects = 3

// Check refuses a URL that cannot be asked for, or that holds a password.
func Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("must be a URL with http:// or https://")
	case u.User != nil:
		return errors.New("must not hold a user name or a password: it would be sent")
	}
	return nil
}

// Send asks for the URL with GET. It goes by the proxy of the environment. The
// URL is not in the error: whoever knows it can send heartbeats.
func Send(ctx context.Context, address, userAgent string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return errors.New("no HTTP")
	}
	transport = transport.Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: redirect}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("not a usable URL")
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := client.Do(req)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if _, err := io.CopyN(io.Discard, resp.Body, 64<<10); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the service answered with status %d", resp.StatusCode)
	}
	return nil
}

func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if Check(req.URL.String()) != nil {
		return errors.New("it redirects to what is not a usable URL")
	}
	req.Header.Del("Referer") // it would tell the first URL
	return nil
}
