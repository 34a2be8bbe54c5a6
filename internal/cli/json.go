package cli

import (
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/internal/ledger"
)

// The shapes that --json prints. docs/json.md describes them; fields are added,
// never renamed.

type jsonSubmission struct {
	Name        string     `json:"name"`
	Application string     `json:"application"`
	Sender      string     `json:"sender"`
	Date        string     `json:"date"`
	Sequence    string     `json:"sequence"`
	Environment string     `json:"environment"`
	Folder      string     `json:"folder"`
	State       string     `json:"state"`
	Note        string     `json:"note,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Ticket      string     `json:"ticket,omitempty"`
	Signed      bool       `json:"signed"`
	SignedBy    string     `json:"signed_by,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	SentAt      *time.Time `json:"sent_at,omitempty"`
	Late        string     `json:"late,omitempty"` // receipt, notification; in status only
	Parts       []jsonPart `json:"parts"`
}

type jsonPart struct {
	Number int    `json:"number"`
	FI     string `json:"fi"`
	FS     string `json:"fs,omitempty"`
	Source string `json:"source"`
	Moved  string `json:"moved_to,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func submissionJSON(s inbox.Submission) *jsonSubmission {
	out := &jsonSubmission{
		Name: s.Set.String(), Application: s.Set.Application, Sender: s.Set.Sender, Date: string(s.Set.Date),
		Sequence: string(s.Set.Sequence), Environment: string(s.Set.Environment), Folder: s.Set.Inbox(),
		State: string(s.State), Note: s.Note, Reason: s.Reason, Ticket: s.Ticket, Signed: s.Signed(), SignedBy: s.SignedBy,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Parts: []jsonPart{},
	}
	if !s.SentAt.IsZero() {
		out.SentAt = &s.SentAt
	}
	for _, p := range s.Parts {
		jp := jsonPart{Number: p.Number, FI: s.Set.FI(p.Number).String(), Source: p.Source, Moved: p.MovedTo, Size: p.Size, SHA256: p.Hash.String()}
		if p.SignSize > 0 {
			jp.FS = s.Set.FS(p.Number).String()
		}
		out.Parts = append(out.Parts, jp)
	}
	return out
}

type jsonFetch struct {
	Sets    []jsonSet    `json:"sets"`
	Replies []jsonReply  `json:"replies"`
	Left    []jsonLeft   `json:"left"`
	Error   *explanation `json:"error,omitempty"`
}

type jsonSet struct {
	Environment string       `json:"environment"`
	GO          string       `json:"go"`
	New         bool         `json:"new"`
	Deleted     bool         `json:"deleted"`
	Error       *explanation `json:"error,omitempty"`
}

type jsonReply struct {
	Name        string         `json:"name"`
	Environment string         `json:"environment"`
	Kind        string         `json:"kind"`
	Path        string         `json:"path"` // relative to the archive
	SHA256      string         `json:"sha256"`
	Signature   string         `json:"signature"`
	Forms       int            `json:"forms"`
	Outcomes    map[string]int `json:"outcomes"`
	Answers     []string       `json:"answers"` // names of the sets that it answers
	Problem     string         `json:"problem,omitempty"`
}

type jsonLeft struct {
	Environment string `json:"environment"`
	Name        string `json:"name"`
	Reason      string `json:"reason"`
	Detail      string `json:"detail,omitempty"`
}

func fetchJSON(f app.FetchResult) jsonFetch {
	out := jsonFetch{Sets: []jsonSet{}, Replies: []jsonReply{}, Left: []jsonLeft{}}
	for _, r := range f.Reports {
		for _, s := range r.Sets {
			js := jsonSet{Environment: string(r.Environment), GO: s.GO, New: s.New, Deleted: s.Deleted}
			if s.Err != nil {
				x := explain(s.Err)
				js.Error = &x
			}
			out.Sets = append(out.Sets, js)
		}
		for _, x := range r.Left {
			out.Left = append(out.Left, jsonLeft{string(r.Environment), x.Name, string(x.Reason), x.Detail.Error()})
		}
	}
	for _, r := range f.Read {
		out.Replies = append(out.Replies, replyJSON(r))
	}
	return out
}

func replyJSON(r answers.Result) jsonReply {
	jr := jsonReply{
		Name: r.Reply.Name, Environment: string(r.Reply.Environment), Kind: r.Kind.String(), Path: r.Reply.Path,
		SHA256: r.Reply.SHA256, Signature: r.Reply.Signature, Forms: r.Reply.Forms, Outcomes: r.Outcomes, Problem: r.Reply.Problem,
		Answers: []string{},
	}
	for _, s := range r.Submissions {
		jr.Answers = append(jr.Answers, s.Set.String())
	}
	return jr
}

type jsonAnswer struct {
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

type jsonEvent struct {
	At    string `json:"at"`
	State string `json:"state"`
	Note  string `json:"note,omitempty"`
}

type jsonStory struct {
	*jsonSubmission
	SealedAt *time.Time   `json:"sealed_at,omitempty"` // since when its frozen copies lie encrypted
	PrunedAt *time.Time   `json:"pruned_at,omitempty"` // when its frozen copies were removed
	Events   []jsonEvent  `json:"events"`
	Answers  []jsonAnswer `json:"answers"`
	Hooks    []jsonHook   `json:"hooks"`
}

// jsonHook is what a hook was told of a set or of a reply to it.
type jsonHook struct {
	Hook       string     `json:"hook"`
	Reply      string     `json:"reply,omitempty"`
	Result     string     `json:"result"`
	At         *time.Time `json:"at,omitempty"` // when it was begun
	ExitCode   *int       `json:"exit_code,omitempty"`
	DurationMS int64      `json:"duration_ms,omitempty"`
	Problem    string     `json:"problem,omitempty"`
}

func hooksJSON(calls []ledger.HookCall) []jsonHook {
	out := []jsonHook{}
	for _, c := range calls {
		h := jsonHook{Hook: c.Hook, Reply: c.Reply, Result: c.Result, At: timeOrNil(c.BegunAt), DurationMS: c.Duration.Milliseconds(), Problem: c.Problem}
		if c.Result == string(hook.Done) || c.Result == string(hook.Failed) {
			h.ExitCode = &c.ExitCode
		}
		out = append(out, h)
	}
	return out
}
