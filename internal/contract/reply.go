package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
)

// Fetch is what was brought from the folders.
type Fetch struct {
	Sets    []Set   `json:"sets"`
	Replies []Reply `json:"replies"`
	Left    []Left  `json:"left"`
	Error   *Error  `json:"error,omitempty"`
}

// Set is a set of replies, and what was done with it.
type Set struct {
	Environment string `json:"environment"`
	GO          string `json:"go"`
	New         bool   `json:"new"`
	Deleted     bool   `json:"deleted"`
	Error       *Error `json:"error,omitempty"`
}

// Reply is a reply that was read in this run.
type Reply struct {
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

// Left is a file that stays on the server.
type Left struct {
	Environment string `json:"environment"`
	Name        string `json:"name"`
	Reason      string `json:"reason"`
	Detail      string `json:"detail,omitempty"`
}

// StoredReply is a reply of the archive.
type StoredReply struct {
	Name        string         `json:"name"`
	Environment string         `json:"environment"`
	Application string         `json:"application"`
	Kind        string         `json:"kind"`
	Path        string         `json:"path"` // relative to the archive
	Size        int64          `json:"size"`
	SHA256      string         `json:"sha256"`
	Signature   string         `json:"signature"`
	Conflict    bool           `json:"conflict,omitempty"`
	FetchedAt   time.Time      `json:"fetched_at"`
	DeletedAt   *time.Time     `json:"deleted_at,omitempty"` // from the server
	ReadAt      *time.Time     `json:"read_at,omitempty"`
	SealedAt    *time.Time     `json:"sealed_at,omitempty"` // since when it lies encrypted
	PrunedAt    *time.Time     `json:"pruned_at,omitempty"` // when it was removed from the archive
	Count       int            `json:"forms"`
	Outcomes    map[string]int `json:"outcomes"`
	Answers     []string       `json:"answers"` // names of the sets that it answers
	MoreAnswers int            `json:"more_answers,omitempty"`
	Unmatched   int            `json:"unmatched,omitempty"`
	Ambiguous   int            `json:"ambiguous,omitempty"`
	Problem     string         `json:"problem,omitempty"`
}

// ShownReply is a reply with its forms, at most maxShown of them.
type ShownReply struct {
	*StoredReply
	Forms []Form `json:"form_list"`
}

// Opened are files in clear that were written for a person.
type Opened struct {
	Paths  []string `json:"paths"`
	Sealed bool     `json:"sealed,omitempty"`
}

// NewFetch is the result of a fetch, without its error.
func NewFetch(f app.FetchResult) Fetch {
	out := Fetch{Sets: []Set{}, Replies: []Reply{}, Left: []Left{}}
	for _, r := range f.Reports {
		for _, s := range r.Sets {
			js := Set{Environment: string(r.Environment), GO: s.GO, New: s.New, Deleted: s.Deleted}
			if s.Err != nil {
				x := NewError(s.Err)
				js.Error = &x
			}
			out.Sets = append(out.Sets, js)
		}
		for _, x := range r.Left {
			out.Left = append(out.Left, Left{string(r.Environment), x.Name, string(x.Reason), x.Detail.Error()})
		}
	}
	for _, r := range f.Read {
		out.Replies = append(out.Replies, NewReply(r))
	}
	return out
}

// NewReply is a reply that was read.
func NewReply(r answers.Result) Reply {
	jr := Reply{
		Name: r.Reply.Name, Environment: string(r.Reply.Environment), Kind: r.Kind.String(), Path: r.Reply.Path,
		SHA256: r.Reply.SHA256, Signature: r.Reply.Signature, Forms: r.Reply.Forms, Outcomes: r.Outcomes, Problem: r.Reply.Problem,
		Answers: []string{},
	}
	for _, s := range r.Submissions {
		jr.Answers = append(jr.Answers, s.Set.String())
	}
	return jr
}

// NewStoredReply is a reply of the archive.
func NewStoredReply(r ledger.ListedReply) *StoredReply {
	return &StoredReply{
		Name: r.Name, Environment: string(r.Environment), Application: r.Application, Kind: reply.KindOf(r.Root).String(),
		Path: r.Path, Size: r.Size, SHA256: r.SHA256, Signature: r.Signature, Conflict: r.Conflict, FetchedAt: r.FetchedAt,
		DeletedAt: Time(r.DeletedAt), ReadAt: Time(r.ReadAt), SealedAt: Time(r.SealedAt), PrunedAt: Time(r.PrunedAt), Count: r.Forms, Outcomes: r.Outcomes,
		Answers: append([]string{}, r.Sets...), MoreAnswers: r.MoreSets, Unmatched: r.Unmatched, Ambiguous: r.Ambiguous, Problem: r.Problem,
	}
}
