package contract

import (
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
)

// Submission is a set of declaration files, and where it stands.
type Submission struct {
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
	Parts       []Part     `json:"parts"`
}

// Part is one declaration file of a set.
type Part struct {
	Number int    `json:"number"`
	FI     string `json:"fi"`
	FS     string `json:"fs,omitempty"`
	Source string `json:"source"`
	Moved  string `json:"moved_to,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Sent is what became of the files of one declaration.
type Sent struct {
	Files      []string    `json:"files"`
	MovedTo    []string    `json:"moved_to,omitempty"`
	Submission *Submission `json:"submission,omitempty"`
	Resumed    bool        `json:"resumed,omitempty"`
	Warnings   []string    `json:"warnings,omitempty"`
	Error      *Error      `json:"error,omitempty"`
}

// LeftFile is a file that was left in its directory.
type LeftFile struct {
	Dir    string `json:"dir"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// NewSubmission is a set as the ledger has it.
func NewSubmission(s inbox.Submission) *Submission {
	out := &Submission{
		Name: s.Set.String(), Application: s.Set.Application, Sender: s.Set.Sender, Date: string(s.Set.Date),
		Sequence: string(s.Set.Sequence), Environment: string(s.Set.Environment), Folder: s.Set.Inbox(),
		State: string(s.State), Note: s.Note, Reason: s.Reason, Ticket: s.Ticket, Signed: s.Signed(), SignedBy: s.SignedBy,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Parts: []Part{},
	}
	if !s.SentAt.IsZero() {
		out.SentAt = &s.SentAt
	}
	for _, p := range s.Parts {
		jp := Part{Number: p.Number, FI: s.Set.FI(p.Number).String(), Source: p.Source, Moved: p.MovedTo, Size: p.Size, SHA256: p.Hash.String()}
		if p.SignSize > 0 {
			jp.FS = s.Set.FS(p.Number).String()
		}
		out.Parts = append(out.Parts, jp)
	}
	return out
}

// NewSent is what became of the files of one declaration.
func NewSent(f app.FileResult) Sent {
	out := Sent{Files: SourceFiles(f.Job), MovedTo: f.Moved, Resumed: f.Resumed}
	for _, w := range f.Warnings {
		out.Warnings = append(out.Warnings, w.Error())
	}
	if f.Latest.Set.Application != "" {
		out.Submission = NewSubmission(f.Latest)
	}
	if f.Final != nil {
		x := NewError(f.Final)
		out.Error = &x
	}
	return out
}

// NewLeft are the files that were left in their directories.
func NewLeft(left []app.LeftFile) []LeftFile {
	var out []LeftFile
	for _, l := range left {
		out = append(out, LeftFile(l))
	}
	return out
}

// SourceFiles are the files as the person knows them.
func SourceFiles(j inbox.Job) []string {
	if len(j.Sources) > 0 {
		return j.Sources
	}
	return j.Files
}
