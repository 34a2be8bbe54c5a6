package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/export"
)

// Clock compares the clock with the ledger and with the office.
type Clock struct {
	Now      time.Time  `json:"now"`
	Latest   *time.Time `json:"latest"`
	Office   *time.Time `json:"office"`
	Behind   bool       `json:"behind"`
	Accepted bool       `json:"accepted"`
}

// Export is the ZIP that was written, and what is not in it as the ledger says.
type Export struct {
	File      string           `json:"file"`
	Size      int64            `json:"size"`
	SHA256    string           `json:"sha256"`
	Encrypted bool             `json:"encrypted"`
	Rows      map[string]int   `json:"rows"` // by table of the ledger
	Files     int              `json:"files"`
	Sealed    int              `json:"sealed"` // files that are encrypted in the ZIP
	Pruned    int              `json:"pruned"`
	Problems  []export.Problem `json:"problems"`
	Error     *Error           `json:"error,omitempty"`
}

// Prune is what prune removed, or would remove.
type Prune struct {
	DryRun           bool           `json:"dry_run"`
	Before           time.Time      `json:"before"`
	Environment      string         `json:"environment,omitempty"`
	Replies          int            `json:"replies"`
	Declarations     int            `json:"declarations"`
	Files            int            `json:"files"`
	Bytes            int64          `json:"bytes"`
	Missing          int            `json:"missing,omitempty"`
	KeptReplies      map[string]int `json:"kept_replies"` // by the reason
	KeptDeclarations map[string]int `json:"kept_declarations"`
}
