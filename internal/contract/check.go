package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/reply"
)

// Checked is what check found in one file.
type Checked struct {
	File         string       `json:"file"`
	Copy         string       `json:"copy,omitempty"`
	OK           bool         `json:"ok"`
	Code         int          `json:"code"`
	Application  string       `json:"application,omitempty"`
	Environment  string       `json:"environment,omitempty"`
	Root         string       `json:"root,omitempty"`
	Reply        *ReplyKind   `json:"reply,omitempty"`
	Schema       string       `json:"schema,omitempty"`
	ComparedWith string       `json:"compared_with,omitempty"`
	Forms        int          `json:"forms"`
	Size         int64        `json:"size"`
	SHA256       string       `json:"sha256,omitempty"`
	Faults       []Fault      `json:"faults"`
	AlreadySent  *AlreadySent `json:"already_sent,omitempty"`
	SameAs       string       `json:"same_as,omitempty"`
	Error        *Error       `json:"error,omitempty"`
}

// ReplyKind says which reply a file is.
type ReplyKind struct {
	Application string     `json:"application,omitempty"`
	Kind        reply.Kind `json:"kind"`
}

// Fault is one thing that is wrong with a file, or a doubt about it.
type Fault struct {
	ID      string `json:"id,omitempty"`
	Warning bool   `json:"warning"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

// AlreadySent is the set in which the contents of a file went before.
type AlreadySent struct {
	Name   string     `json:"name"`
	State  string     `json:"state"`
	SentAt *time.Time `json:"sent_at,omitempty"`
}
