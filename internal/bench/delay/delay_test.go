package delay

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type arrivals struct {
	at   []time.Time
	data []string
}

func (a *arrivals) Write(b []byte) (int, error) {
	a.at, a.data = append(a.at, time.Now()), append(a.data, string(b))
	return len(b), nil
}

// source gives its packets one after the other, with a pause before each.
type source struct {
	packets []string
	pause   time.Duration
	sent    []time.Time
}

func (s *source) Read(b []byte) (int, error) {
	if len(s.packets) == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	n := copy(b, s.packets[0])
	s.packets, s.sent = s.packets[1:], append(s.sent, time.Now())
	return n, nil
}

func TestForward(t *testing.T) {
	const hold = 30 * time.Millisecond
	packets := []string{"a", string(bytes.Repeat([]byte("b"), 1500)), "c"}
	src := &source{packets: packets, pause: 5 * time.Millisecond}
	dst := &arrivals{}
	if err := Forward(dst, src, hold); !errors.Is(err, io.EOF) {
		t.Fatalf("ended with %v", err)
	}
	if len(dst.data) != len(packets) {
		t.Fatalf("%d packets arrived, %d were sent", len(dst.data), len(packets))
	}
	for i := range packets {
		if dst.data[i] != packets[i] {
			t.Errorf("packet %d is another one", i)
		}
		if took := dst.at[i].Sub(src.sent[i]); took < hold {
			t.Errorf("packet %d took %v, less than %v", i, took, hold)
		}
	}
	// They travel side by side, not one after the other.
	if spread := dst.at[2].Sub(dst.at[0]); spread > 2*hold {
		t.Errorf("the line carried one packet at a time: %v", spread)
	}
}
