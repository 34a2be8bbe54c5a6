package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/failure"
)

// Run is what run prints with --json.
type Run struct {
	Environments []string   `json:"environments"`
	Resumed      []Resumed  `json:"resumed"`
	Submissions  []Sent     `json:"submissions"`
	Left         []LeftFile `json:"left"`
	Fetch        Fetch      `json:"fetch"`
	Attention    Attention  `json:"attention"`
	Errors       []Step     `json:"errors"`
	Error        *Error     `json:"error,omitempty"`
}

// Resumed is a set that an earlier run began.
type Resumed struct {
	Submission *Submission `json:"submission"`
	Error      *Error      `json:"error,omitempty"`
}

// Step is a step that failed as a whole.
type Step struct {
	Step        string `json:"step"` // resume, send, fetch
	Environment string `json:"environment,omitempty"`
	Error       Error  `json:"error"`
}

// Attention counts what a person has to look after.
type Attention struct {
	PutAside   int `json:"put_aside"`  // files in failed
	Refused    int `json:"refused"`    // sets, in this run
	Unfinished int `json:"unfinished"` // sets that are not known to be sent
	Late       int `json:"late"`       // sets whose answer should have come
	NameUsed   int `json:"name_used"`  // sets whose name somebody else used
}

// HookDocument is what a hook reads from its standard input.
type HookDocument struct {
	Hook         string       `json:"hook"`
	At           time.Time    `json:"at"`
	Archive      string       `json:"archive,omitempty"`
	Reply        *StoredReply `json:"reply,omitempty"`
	Submission   *Submission  `json:"submission,omitempty"`
	Command      string       `json:"command,omitempty"`
	Environments []string     `json:"environments,omitempty"`
	Error        *Error       `json:"error,omitempty"`
}

// NewHookDocument is what a hook is told, as it reads it.
func NewHookDocument(d app.HookDocument) []byte {
	doc := HookDocument{Hook: d.Hook, At: d.At, Archive: d.Archive, Command: d.Command}
	if d.Reply != nil {
		doc.Reply = NewStoredReply(*d.Reply)
	}
	if d.Submission != nil {
		doc.Submission = NewSubmission(*d.Submission)
	}
	if d.Err != nil {
		x := NewError(d.Err)
		if failure.ClassOf(d.Err) == failure.Partly {
			x = x.Of(failure.Partly)
		}
		doc.Error = &x
	}
	for _, e := range d.Environments {
		doc.Environments = append(doc.Environments, string(e))
	}
	return []byte(Encode(doc))
}
