package ledger_test

import (
	"slices"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
)

func TestOldSetKept(t *testing.T) {
	answered := []inbox.State{inbox.Accepted, inbox.AcceptedWithRemarks, inbox.Refused, inbox.Cancelled}
	for _, state := range inbox.States() {
		quiet, heard := ledger.KeptUnanswered, ledger.KeptUnanswered
		if slices.Contains(answered, state) {
			quiet, heard = "", ledger.KeptRecent
		}
		if got := (ledger.OldSet{State: state}).Kept(); got != quiet {
			t.Errorf("%s: got %q, want %q", state, got, quiet)
		}
		if got := (ledger.OldSet{State: state, Heard: true}).Kept(); got != heard {
			t.Errorf("%s, heard of: got %q, want %q", state, got, heard)
		}
	}
}

// Of several reasons the first one is said.
func TestOldReplyKept(t *testing.T) {
	all := ledger.OldReply{Unread: true, Unreadable: true, Invalid: true, OnServer: true, Unmatched: true, Open: true, Due: true}
	for _, c := range []struct {
		want  string
		clear func()
	}{
		{ledger.KeptUnread, func() { all.Unread = false }},
		{ledger.KeptUnreadable, func() { all.Unreadable = false }},
		{ledger.KeptSignature, func() { all.Invalid = false }},
		{ledger.KeptOnServer, func() { all.OnServer = false }},
		{ledger.KeptUnmatched, func() { all.Unmatched = false }},
		{ledger.KeptOpen, func() { all.Open = false }},
		{ledger.KeptHook, func() { all.Due = false }},
		{"", func() {}},
	} {
		if got := all.Kept(); got != c.want {
			t.Errorf("%+v: got %q, want %q", all, got, c.want)
		}
		c.clear()
	}
}
