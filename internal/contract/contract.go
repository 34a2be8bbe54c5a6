// Package contract has the shapes of what programs get: results of commands with
// --json, events, what hooks read. docs/json.md describes them, docs/schema checks
// them; fields are added, never renamed.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Version is that of the contract: it grows when a field is taken away or changes
// its meaning.
const Version = 1

// Encode is an object as JSON on one line, with the version of the contract
// first.
func Encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // no shape of ours holds what JSON cannot write
	}
	head := fmt.Sprintf(`{"contract":%d`, Version)
	if rest := b.String()[1:]; strings.HasPrefix(rest, "}") {
		head += rest
	} else {
		head += "," + rest
	}
	return head
}
