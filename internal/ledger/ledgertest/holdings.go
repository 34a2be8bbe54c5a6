package ledgertest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// ids are those of holdings, in their order.
func ids(t *testing.T, holdings []ledger.Holding, err error) (all []int64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holdings {
		all = append(all, h.ID)
	}
	return all
}

func (kit suite) TestPlainReplies(t *testing.T) {
	l := kit.ledger(t)
	l.Tell(ledger.OnReply)
	long := testkit.Now().Add(-time.Hour)
	plain := func() []int64 {
		t.Helper()
		found, err := l.PlainReplies(t.Context(), naming.Test, long, 0, 9)
		return ids(t, found, err)
	}
	var all []ledger.Reply
	for range 3 {
		all = append(all, stored(t, l, naming.Test))
	}
	stored(t, l, naming.Production)
	for _, r := range all[:2] {
		if _, err := l.ReadReply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got := plain(); len(got) > 0 {
		t.Errorf("not told, or not read: %v", got)
	}
	calls, err := l.DueCalls(t.Context(), ledger.OnReply)
	if err != nil || len(calls) != 2 {
		t.Fatalf("%+v, %v", calls, err)
	}
	for _, c := range calls {
		if _, err := l.BeginCall(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := plain(); len(got) > 0 {
		t.Errorf("being told: %v", got)
	}
	if found, err := l.PlainReplies(t.Context(), naming.Test, testkit.Now().Add(time.Hour), 0, 9); len(ids(t, found, err)) != 2 {
		t.Errorf("the call was begun long ago: %v", found)
	}
	for _, c := range calls {
		if err := l.EndCall(t.Context(), c.ID, ledger.CallResult{Result: "done"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := plain(), []int64{all[1].ID, all[0].ID}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if found, err := l.PlainReplies(t.Context(), naming.Test, long, all[1].ID, 9); !slices.Equal(ids(t, found, err), []int64{all[0].ID}) {
		t.Errorf("below the second: %v", found)
	}
	if found, err := l.PlainReplies(t.Context(), naming.Test, long, 0, 1); !slices.Equal(ids(t, found, err), []int64{all[1].ID}) {
		t.Errorf("one: %v", found)
	}
	if err := l.Sealed(t.Context(), []ledger.Holding{{Kind: ledger.HeldReply, ID: all[0].ID}}); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Reply(t.Context(), all[0].ID); err != nil || !r.SealedAt.Equal(testkit.Now()) || !slices.Equal(plain(), []int64{all[1].ID}) {
		t.Errorf("%+v, %v", r, err)
	}
	// What is fetched once more lies in clear.
	if err := l.StoredAgain(t.Context(), all[0].ID); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Reply(t.Context(), all[0].ID); err != nil || !r.SealedAt.IsZero() || len(plain()) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func (kit suite) TestPlainSets(t *testing.T) {
	l := kit.ledger(t)
	testkit.Reserve(t, l, testkit.Draft([]string{"prepared"}))
	unknown := testkit.Reserve(t, l, testkit.Draft([]string{"unknown"}))
	testkit.Walk(t, l, unknown.ID, inbox.Uploading, inbox.Unknown)
	sent := testkit.Sent(t, l, testkit.Draft([]string{"sent"}))
	given := testkit.Reserve(t, l, testkit.Draft([]string{"given up"}))
	testkit.Walk(t, l, given.ID, inbox.Cancelled)
	now := testkit.Now()
	for _, c := range []struct {
		name    string
		givenUp time.Time
		below   int64
		limit   int
		want    []int64
	}{
		{"given up just now", now, 0, 9, []int64{sent.ID}},
		{"given up before", now.Add(time.Second), 0, 9, []int64{given.ID, sent.ID}},
		{"below one", now.Add(time.Second), given.ID, 9, []int64{sent.ID}},
		{"one", now.Add(time.Second), 0, 1, []int64{given.ID}},
	} {
		found, err := l.PlainSets(t.Context(), c.givenUp, c.below, c.limit)
		if got := ids(t, found, err); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	held := []ledger.Holding{{Kind: ledger.HeldSet, ID: sent.ID}}
	if err := l.Sealed(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if sealed, pruned, err := l.FrozenCopy(t.Context(), sent.ID); err != nil || !sealed.Equal(now) || !pruned.IsZero() {
		t.Errorf("%s, %s, %v", sealed, pruned, err)
	}
	if found, err := l.PlainSets(t.Context(), now, 0, 9); len(ids(t, found, err)) > 0 {
		t.Errorf("encrypted: %+v", found)
	}
}

// The files of a set and of a reply, as they are called on the server and on the
// disk.
func (kit suite) TestFilesOfHoldings(t *testing.T) {
	l := kit.ledger(t)
	d := testkit.Draft([]string{"a"}, []string{"b"})
	d.Parts[0].SignSize, d.Parts[0].Signature = 3, inbox.Hash{4}
	s := testkit.Sent(t, l, d)
	found, err := l.PlainSets(t.Context(), testkit.Now(), 0, 9)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	want := []ledger.HeldFile{
		{Name: s.Set.FI(1).String(), Path: "spool/1.FI", Size: d.Parts[0].Size, SHA256: d.Parts[0].Hash.String()},
		{Name: s.Set.FS(1).String(), Path: "spool/1.FS", Size: 3, SHA256: inbox.Hash{4}.String()},
		{Name: s.Set.FI(2).String(), Path: "spool/2.FI", Size: d.Parts[1].Size, SHA256: d.Parts[1].Hash.String()},
	}
	if h := found[0]; h.Kind != ledger.HeldSet || h.Name != s.Set.String() || h.Environment != naming.Test || !slices.Equal(h.Files, want) {
		t.Errorf("got %+v", h)
	}
	r := stored(t, l, naming.Test)
	for i, name := range []string{"FS", "FS"} { // the second one contradicts the first
		if err := l.AddSignature(t.Context(), r.ID, outbox.File{Name: name, Path: []string{"x/FS", "x/FS.2"}[i], Size: 2, Hash: outbox.Hash{byte(i + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	h, err := l.ReplyFiles(t.Context(), r.ID)
	want = []ledger.HeldFile{
		{Name: r.Name, Path: r.Path, Size: r.Size, SHA256: r.SHA256},
		{Name: "FS", Path: "x/FS", Size: 2, SHA256: outbox.Hash{1}.String()},
		{Name: "FS", Path: "x/FS.2", Size: 2, SHA256: outbox.Hash{2}.String()},
	}
	if err != nil || h.Kind != ledger.HeldReply || h.ID != r.ID || h.Name != r.Name || !slices.Equal(h.Files, want) {
		t.Errorf("got %+v, %v", h, err)
	}
	if _, err := l.ReplyFiles(t.Context(), 999); err == nil {
		t.Error("files of a reply that is not there")
	}
}

// age is a ledger with a set and a reply for each reason to keep one, and one of
// each that may go.
type age struct {
	l             ledger.Ledger
	set, reply    int64 // that may go
	before        time.Time
	sets, replies map[string]int // kept, by the reason
}

func (kit suite) aged(t *testing.T) age {
	t.Helper()
	now := testkit.Now()
	l := open(t, kit.places(t), func() time.Time { return now })
	l.Tell(ledger.OnReply)
	a := age{
		l:       l,
		before:  testkit.Now().AddDate(0, 1, 0),
		sets:    map[string]int{ledger.KeptUnanswered: 1, ledger.KeptRecent: 1},
		replies: map[string]int{},
	}
	read := func(r ledger.Reply, answers ...ledger.Answer) {
		t.Helper()
		for i := range answers {
			answers[i].Position = i + 1
		}
		if err := l.AddAnswers(t.Context(), r, answers); err != nil {
			t.Fatal(err)
		}
		if _, err := l.ReadReply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	told := func() {
		t.Helper()
		calls, err := l.DueCalls(t.Context(), ledger.OnReply)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if _, err := l.BeginCall(t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(r ledger.Reply) ledger.Reply {
		t.Helper()
		if err := l.Deleted(t.Context(), r.ID, now); err != nil {
			t.Fatal(err)
		}
		return r
	}
	open := testkit.Sent(t, l, testkit.Draft([]string{"open"}))
	done := testkit.Sent(t, l, testkit.Draft([]string{"done"}))
	late := testkit.Sent(t, l, testkit.Draft([]string{"late"}))
	a.set = done.ID

	may := gone(stored(t, l, naming.Test))
	read(may, receipt(done, ledger.OutcomeAccepted), notified(done, 1, ledger.OutcomeAccepted))
	a.reply = may.ID
	gone(stored(t, l, naming.Test)) // unread
	odd := gone(stored(t, l, naming.Test))
	odd.Problem = "no XML"
	read(odd)
	forged := gone(stored(t, l, naming.Test))
	forged.Signature = "not valid: forged"
	read(forged)
	read(stored(t, l, naming.Test)) // on the server
	stray := gone(stored(t, l, naming.Test))
	read(stray, ledger.Answer{Kind: ledger.KindNotification, Outcome: ledger.OutcomeAccepted})
	first := gone(stored(t, l, naming.Test))
	read(first, receipt(open, ledger.OutcomeAccepted))
	told()
	read(gone(stored(t, l, naming.Test))) // not told
	for _, why := range []string{
		ledger.KeptUnread, ledger.KeptUnreadable, ledger.KeptSignature, ledger.KeptOnServer, ledger.KeptUnmatched, ledger.KeptOpen, ledger.KeptHook,
	} {
		a.replies[why] = 1
	}
	// What changes later is kept, with what answers it; what comes later is not old.
	now = a.before
	a.replies[ledger.KeptOpen]++
	read(gone(stored(t, l, naming.Test)), receipt(late, ledger.OutcomeAccepted), notified(late, 1, ledger.OutcomeAccepted))
	testkit.Reserve(t, l, testkit.Draft([]string{"new"}))
	return a
}

func (kit suite) TestPrunable(t *testing.T) {
	a := kit.aged(t)
	l := a.l
	for _, c := range []struct {
		name          string
		f             ledger.PruneFilter
		above         int64
		limit         int
		sets, replies []int64
	}{
		{"all", ledger.PruneFilter{Before: a.before}, 0, 9, []int64{a.set}, []int64{a.reply}},
		{"of the environment", ledger.PruneFilter{Before: a.before, Environment: naming.Test}, 0, 1, []int64{a.set}, []int64{a.reply}},
		{"of another environment", ledger.PruneFilter{Before: a.before, Environment: naming.Production}, 0, 9, nil, nil},
		{"too new", ledger.PruneFilter{Before: testkit.Now()}, 0, 9, nil, nil},
		{"above all", ledger.PruneFilter{Before: a.before}, 99, 9, nil, nil},
	} {
		sets, err := l.PrunableSets(t.Context(), c.f, c.above, c.limit)
		if got := ids(t, sets, err); !slices.Equal(got, c.sets) {
			t.Errorf("%s: sets %v, want %v", c.name, got, c.sets)
		}
		replies, err := l.PrunableReplies(t.Context(), c.f, c.above, c.limit)
		if got := ids(t, replies, err); !slices.Equal(got, c.replies) {
			t.Errorf("%s: replies %v, want %v", c.name, got, c.replies)
		}
	}
	sets, replies, err := l.Kept(t.Context(), ledger.PruneFilter{Before: a.before})
	if err != nil || !maps.Equal(sets, a.sets) || !maps.Equal(replies, a.replies) {
		t.Errorf("kept: sets %v, want %v; replies %v, want %v (%v)", sets, a.sets, replies, a.replies, err)
	}
	if sets, replies, err := l.Kept(t.Context(), ledger.PruneFilter{Before: a.before, Environment: naming.Production}); err != nil || len(sets)+len(replies) > 0 {
		t.Errorf("kept: %v, %v, %v", sets, replies, err)
	}
}

// What a run that was killed had begun to remove is known until it is gone.
func (kit suite) TestPruning(t *testing.T) {
	a := kit.aged(t)
	l := a.l
	both := []ledger.Holding{{Kind: ledger.HeldReply, ID: a.reply}, {Kind: ledger.HeldSet, ID: a.set}}
	for range 2 { // again changes nothing
		if err := l.BeginPrune(t.Context(), both); err != nil {
			t.Fatal(err)
		}
	}
	left, err := l.Pruning(t.Context())
	if got := ids(t, left, err); !slices.Equal(got, []int64{a.reply, a.set}) || left[0].Kind != ledger.HeldReply || len(left[0].Files) != 1 || left[1].Kind != ledger.HeldSet {
		t.Errorf("got %+v", left)
	}
	if err := l.Pruned(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if left, err := l.Pruning(t.Context()); len(ids(t, left, err)) > 0 {
		t.Errorf("left: %+v", left)
	}
	if _, pruned, err := l.FrozenCopy(t.Context(), a.set); err != nil || pruned.IsZero() {
		t.Errorf("%s, %v", pruned, err)
	}
	if r, err := l.Reply(t.Context(), a.reply); err != nil || r.PrunedAt.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	f := ledger.PruneFilter{Before: a.before}
	if found, err := l.PrunableSets(t.Context(), f, 0, 9); len(ids(t, found, err)) > 0 {
		t.Errorf("again: %+v", found)
	}
	if found, err := l.PrunableReplies(t.Context(), f, 0, 9); len(ids(t, found, err)) > 0 {
		t.Errorf("again: %+v", found)
	}
}
