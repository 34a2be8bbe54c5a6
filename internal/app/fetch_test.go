package app

import (
	"context"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// emptyServer has nothing in any folder.
type emptyServer struct{ transport.Session }

func (emptyServer) List(context.Context, string, func(transport.Entry) error) error { return nil }
func (emptyServer) Close() error                                                    { return nil }

// Before a fetch the sets of every sender are settled, in every environment, but
// those of a sender for whom somebody is sending.
func TestSettleBeforeFetch(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	o := &recorder{}
	c := watched(o, testkit.Now)
	c.command, c.config.StateDir = "fetch", t.TempDir()
	var ids []int64
	senders := []string{"101380", "123456", "234567"}
	for i, sender := range senders {
		for _, env := range []naming.Environment{naming.Test, naming.Production} {
			d := testkit.Draft([]string{sender + string(env)})
			d.Sender, d.Environment = sender, env
			s := testkit.Reserve(t, l, d)
			testkit.Walk(t, l, s.ID, inbox.Uploading, inbox.Unknown)
			if i < 2 {
				ids = append(ids, s.ID)
			}
		}
	}
	for _, env := range []naming.Environment{naming.Test, naming.Production} {
		held, err := c.lock(t.Context(), SendLock(senders[2], env), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Release()
	}
	link := &link{call: c, dial: func(context.Context) (transport.Session, error) { return emptyServer{}, nil }}
	if err := c.settleBeforeFetch(t.Context(), l, link, []naming.Environment{naming.Test, naming.Production}, FetchRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if s, err := l.Submission(t.Context(), id); err != nil || s.State != inbox.Sent {
			t.Errorf("%s is %s, %v", s.Set, s.State, err)
		}
	}
	left, err := l.Submissions(t.Context(), ledger.Filter{States: []inbox.State{inbox.Unknown}})
	if err != nil || len(left) != 2 || left[0].Set.Sender != senders[2] {
		t.Errorf("left: %+v, %v", left, err)
	}
}
