package ledgertest

import (
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

// What is still to be moved is known until it is moved, or is gone.
func (kit suite) TestToMove(t *testing.T) {
	l := kit.ledger(t)
	testkit.Reserve(t, l, testkit.Draft([]string{"by hand"}))
	d := testkit.Draft([]string{"first"}, []string{"second"})
	d.ToMove = true
	s := testkit.Reserve(t, l, d)
	left := func() []inbox.Submission {
		t.Helper()
		found, err := l.ToMove(t.Context(), d.Sender, d.Environment)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := left(); len(got) != 1 || got[0].ID != s.ID || !got[0].Parts[0].ToMove || !got[0].Parts[1].ToMove {
		t.Errorf("got %+v", got)
	}
	if got, err := l.ToMove(t.Context(), d.Sender, naming.Production); err != nil || len(got) > 0 {
		t.Errorf("in another environment: %+v, %v", got, err)
	}
	if err := l.Moved(t.Context(), s.ID, 1, "/out/sent/1.xml"); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) != 1 || got[0].Parts[0].ToMove || got[0].Parts[0].MovedTo != "/out/sent/1.xml" || !got[0].Parts[1].ToMove {
		t.Errorf("got %+v", got)
	}
	if err := l.Moved(t.Context(), s.ID, 2, ""); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}
