package outgoing

import "testing"

func TestEncoded(t *testing.T) {
	t.Parallel()
	if got := encoded("é\n\nx\n", true); got != "\xef\xbb\xbfé\r\n\r\nx\r\n" {
		t.Errorf("got %q", got)
	}
	if got := encoded("é\n\nx\n", false); got != "é\n\nx\n" {
		t.Errorf("got %q", got)
	}
}
