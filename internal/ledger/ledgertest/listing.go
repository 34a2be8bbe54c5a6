package ledgertest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
)

func (kit suite) TestReplies(t *testing.T) {
	l := kit.ledger(t)
	a := testkit.Sent(t, l, testkit.Draft([]string{"a", "twice"}))
	b := testkit.Sent(t, l, testkit.Draft([]string{"b", "twice"}))
	read := func(env naming.Environment, change func(*ledger.Reply), answers ...ledger.Answer) ledger.Reply {
		t.Helper()
		r := stored(t, l, env)
		change(&r)
		for i := range answers {
			answers[i].Position = i + 1
		}
		if err := l.AddAnswers(t.Context(), r, answers); err != nil {
			t.Fatal(err)
		}
		if _, err := l.ReadReply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	nothing := func(*ledger.Reply) {}
	noti := func(reference string) ledger.Answer {
		return ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeToValidate, References: []string{reference}}
	}
	mixed := read(naming.Test, nothing, receipt(a, ledger.OutcomeAccepted), notified(a, 1, ledger.OutcomeAccepted), notified(b, 1, ledger.OutcomeRefused), noti("twice"), noti("?"))
	forged := read(naming.Test, func(r *ledger.Reply) { r.Signature = "not valid: forged" })
	odd := read(naming.Production, func(r *ledger.Reply) { r.Problem = "no XML" })
	for _, c := range []struct {
		name string
		f    ledger.ReplyFilter
		want []int64
	}{
		{"all", ledger.ReplyFilter{}, []int64{odd.ID, forged.ID, mixed.ID}},
		{"one", ledger.ReplyFilter{Limit: 1}, []int64{odd.ID}},
		{"by id", ledger.ReplyFilter{ID: forged.ID}, []int64{forged.ID}},
		{"by name", ledger.ReplyFilter{Name: mixed.Name}, []int64{mixed.ID}},
		{"by environment", ledger.ReplyFilter{Environment: naming.Production}, []int64{odd.ID}},
		{"by application", ledger.ReplyFilter{Application: "ACRF"}, nil},
		{"since now", ledger.ReplyFilter{Since: testkit.Now()}, []int64{odd.ID, forged.ID, mixed.ID}},
		{"since later", ledger.ReplyFilter{Since: testkit.Now().Add(time.Second)}, nil},
		{"unmatched", ledger.ReplyFilter{Unmatched: true}, []int64{mixed.ID}},
		{"trouble", ledger.ReplyFilter{Trouble: true}, []int64{odd.ID, forged.ID}},
		{"trouble in T", ledger.ReplyFilter{Trouble: true, Environment: naming.Test}, []int64{forged.ID}},
	} {
		found, err := l.Replies(t.Context(), c.f)
		var got []int64
		for _, r := range found {
			got = append(got, r.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v (%v)", c.name, got, c.want, err)
		}
	}
	found, err := l.Replies(t.Context(), ledger.ReplyFilter{ID: mixed.ID})
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	r := found[0]
	outcomes := map[string]int{ledger.OutcomeAccepted: 2, ledger.OutcomeRefused: 1, ledger.OutcomeToValidate: 2}
	kinds := slices.Sorted(slices.Values(r.Kinds))
	if !slices.Equal(kinds, []string{ledger.KindNotification, ledger.KindReceipt}) || !maps.Equal(r.Outcomes, outcomes) ||
		!slices.Equal(r.Sets, []string{a.Set.String(), b.Set.String()}) || r.MoreSets != 0 || r.Unmatched != 1 || r.Ambiguous != 1 {
		t.Errorf("got %+v", r)
	}
	within, err := l.AnswersIn(t.Context(), mixed.ID, 3)
	if err != nil || len(within) != 3 || within[0].Set != a.Set.String() || within[2].SubmissionID != b.ID || within[2].Form != 1 {
		t.Errorf("got %+v, %v", within, err)
	}
	if within, err := l.AnswersIn(t.Context(), mixed.ID, 9); err != nil || len(within) != 5 || within[3].MatchedBy != ledger.Ambiguous || within[4].Set != "" {
		t.Errorf("got %+v, %v", within, err)
	}
	if _, err := l.Reply(t.Context(), 999); err == nil {
		t.Error("a reply that is not there")
	}
}

// A reply that answers many sets names some of them.
func (kit suite) TestReplyToManySets(t *testing.T) {
	l := kit.ledger(t)
	var answers []ledger.Answer
	for i := range ledger.MaxListedSets + 3 {
		answers = append(answers, notified(testkit.Sent(t, l, testkit.Draft([]string{fmt.Sprint(i)})), 1, ledger.OutcomeAccepted))
	}
	answer(t, l, naming.Test, answers...)
	found, err := l.Replies(t.Context(), ledger.ReplyFilter{})
	if err != nil || len(found) != 1 || len(found[0].Sets) != ledger.MaxListedSets || found[0].MoreSets != 3 {
		t.Errorf("got %+v, %v", found, err)
	}
}

// What is wrong with a reply is known before it is read.
func (kit suite) TestFlagReply(t *testing.T) {
	l := kit.ledger(t)
	r := stored(t, l, naming.Test)
	r.Signature, r.Problem = "not valid: forged", "a valid signature is demanded"
	if err := l.FlagReply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	unread, err := l.UnreadReplies(t.Context())
	if err != nil || len(unread) != 1 || unread[0].Signature != r.Signature || unread[0].Problem != r.Problem {
		t.Errorf("got %+v, %v", unread, err)
	}
}

func (kit suite) TestHolders(t *testing.T) {
	l := kit.ledger(t)
	sent := testkit.Sent(t, l, lineEnds(1, 2, 1))
	for _, c := range []struct {
		f    ledger.Filter
		hash byte
		want int
	}{
		{ledger.Filter{}, 1, 1},
		{ledger.Filter{}, 2, 1},
		{ledger.Filter{}, 3, 0},
		{ledger.Filter{Sender: testkit.Sender, Environment: naming.Test, Application: "DIMN"}, 1, 1},
		{ledger.Filter{Environment: naming.Production}, 1, 0},
		{ledger.Filter{Application: "DMFA"}, 1, 0},
		{ledger.Filter{Sender: "000042"}, 1, 0},
	} {
		found, err := l.Holders(t.Context(), c.f, []inbox.Hash{{9}, {c.hash}})
		if err != nil || len(found) != c.want || c.want > 0 && found[0].ID != sent.ID {
			t.Errorf("%+v: %v, %v", c, found, err)
		}
	}
}

func (kit suite) TestTallies(t *testing.T) {
	now := testkit.Now()
	l := open(t, kit.places(t), func() time.Time { return now })
	unknown := testkit.Reserve(t, l, testkit.Draft([]string{"unknown"}))
	testkit.Walk(t, l, unknown.ID, inbox.Uploading, inbox.Unknown)
	now = now.Add(time.Hour)
	for i := range 3 {
		s := testkit.Sent(t, l, testkit.Draft([]string{fmt.Sprint(i)}))
		if i == 0 {
			answer(t, l, naming.Test, receipt(s, ledger.OutcomeAccepted))
		}
		now = now.Add(time.Hour)
	}
	stored(t, l, naming.Test)
	stored(t, l, naming.Production)
	all, err := l.Tallies(t.Context())
	if err != nil || len(all) != len(naming.Environments()) {
		t.Fatalf("%d environments, %v", len(all), err)
	}
	got := *all[naming.Test]
	sets := map[inbox.State]int{inbox.Unknown: 1, inbox.Sent: 2, inbox.Received: 1}
	if !maps.Equal(got.Sets, sets) || got.Replies != 2 || got.Unread != 1 {
		t.Errorf("got %+v", got)
	}
	begin := testkit.Now()
	if !got.Unknown.Equal(begin) || !got.NoNotification.Equal(begin.Add(time.Hour)) || !got.NoReceipt.Equal(begin.Add(2*time.Hour)) {
		t.Errorf("the oldest: %+v", got)
	}
	if other := *all[naming.Production]; len(other.Sets) > 0 || other.Replies != 1 || other.Unread != 1 || !other.Unknown.IsZero() {
		t.Errorf("got %+v", other)
	}
}

func (kit suite) TestLastChange(t *testing.T) {
	l := kit.ledger(t)
	if at, err := l.LastChange(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("empty: %s, %v", at, err)
	}
	if read, err := l.Clock(t.Context()); err != nil || !read.Latest.IsZero() || !read.Office.IsZero() {
		t.Errorf("empty: %+v, %v", read, err)
	}
	testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	if at, err := l.LastChange(t.Context()); err != nil || !at.Equal(testkit.Now()) {
		t.Errorf("%s, %v", at, err)
	}
	if read, err := l.Clock(t.Context()); err != nil || !read.Latest.Equal(testkit.Now()) || !read.Office.IsZero() {
		t.Errorf("%+v, %v", read, err)
	}
}

// A ledger that is closed is changed no more, and is as it was when it is opened
// again.
func (kit suite) TestClose(t *testing.T) {
	place := kit.places(t)
	l := open(t, place, testkit.Now)
	s := testkit.Reserve(t, l, testkit.Draft([]string{"a"}))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Move(t.Context(), s.ID, inbox.Uploading, ""); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if again, err := open(t, place, testkit.Now).Submission(t.Context(), s.ID); err != nil || again.Set != s.Set || again.State != inbox.Prepared {
		t.Errorf("opened again: %+v, %v", again, err)
	}
}
