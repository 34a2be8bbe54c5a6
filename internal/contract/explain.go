package contract

import (
	"github.com/socbatch/socbatch/internal/errorid"
	"github.com/socbatch/socbatch/internal/lang"
)

// Code is a code with its texts by language.
type Code struct {
	Code   string                 `json:"code"`
	Kind   errorid.Kind           `json:"kind"`
	Zone   string                 `json:"zone,omitempty"`
	Number string                 `json:"number"`
	Known  bool                   `json:"known"`
	Texts  map[lang.Language]Text `json:"texts"`
}

// Text is what an error code means, and what to do, in one language.
type Text struct {
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`
	Where string `json:"where,omitempty"` // where the office explains it
}
