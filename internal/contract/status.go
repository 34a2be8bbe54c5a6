package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/internal/ledger"
)

// Story is a set with all that happened to it.
type Story struct {
	*Submission
	SealedAt *time.Time    `json:"sealed_at,omitempty"` // since when its frozen copies lie encrypted
	PrunedAt *time.Time    `json:"pruned_at,omitempty"` // when its frozen copies were removed
	Events   []StateChange `json:"events"`
	Answers  []Answer      `json:"answers"`
	Hooks    []Hook        `json:"hooks"`
}

// Answer is what one reply says of a set.
type Answer struct {
	Reply     string           `json:"reply"`
	Path      string           `json:"path"`
	Signature string           `json:"signature"`
	Kind      string           `json:"kind"`
	Outcome   string           `json:"outcome"`
	MatchedBy string           `json:"matched_by"`
	Part      int              `json:"part,omitempty"`
	Form      int              `json:"form,omitempty"`
	Ticket    string           `json:"ticket,omitempty"`
	Errors    []ledger.Anomaly `json:"errors,omitempty"`
}

// StateChange is a change of the state of a set.
type StateChange struct {
	At    string `json:"at"`
	State string `json:"state"`
	Note  string `json:"note,omitempty"`
}

// Hook is what a hook was told of a set or of a reply to it.
type Hook struct {
	Hook       string     `json:"hook"`
	Reply      string     `json:"reply,omitempty"`
	Result     string     `json:"result"`
	At         *time.Time `json:"at,omitempty"` // when it was begun
	ExitCode   *int       `json:"exit_code,omitempty"`
	DurationMS int64      `json:"duration_ms,omitempty"`
	Problem    string     `json:"problem,omitempty"`
}

// NewHooks are the calls of hooks about a set.
func NewHooks(calls []ledger.HookCall) []Hook {
	out := []Hook{}
	for _, c := range calls {
		h := Hook{Hook: c.Hook, Reply: c.Reply, Result: c.Result, At: Time(c.BegunAt), DurationMS: c.Duration.Milliseconds(), Problem: c.Problem}
		if c.Result == string(hook.Done) || c.Result == string(hook.Failed) {
			h.ExitCode = &c.ExitCode
		}
		out = append(out, h)
	}
	return out
}

// Time leaves a time out of JSON where there is none.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
