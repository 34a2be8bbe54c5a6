package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/errorid"
	"github.com/socbatch/socbatch/internal/lang"
)

func newExplainCmd(a *program, run func(context.Context, *program, []string) error) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE…",
		Short: "Explain the error codes of receipts and notifications",
		Long: `Explain the error codes of receipts and notifications: what each one means and
what to do. A CODE stands in a receipt as ACRF-125, or only 125, and in a
notification as 90017-250: five digits for the zone, three for the error.

It needs no configuration and no connection. A code that is not explained here is
shown with the place where the office explains it.`,
		Example: `  socbatch explain ACRF-125
  socbatch explain 125 133 90017-250`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), a, args) },
	}
}

// jsonCode is a code with its texts by language.
type jsonCode struct {
	Code   string                     `json:"code"`
	Kind   errorid.Kind               `json:"kind"`
	Zone   string                     `json:"zone,omitempty"`
	Number string                     `json:"number"`
	Known  bool                       `json:"known"`
	Texts  map[lang.Language]jsonText `json:"texts"`
}

type jsonText struct {
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`
	Where string `json:"where,omitempty"` // where the office explains it
}

func runExplain(_ context.Context, a *program, args []string) error {
	ids := make([]errorid.ID, len(args))
	for i, arg := range args {
		var ok bool
		if ids[i], ok = errorid.Parse(arg); !ok {
			return usagef("%s is not an error code: write ACRF-125, 125 or 90017-250", printable(arg))
		}
	}
	list := []jsonCode{}
	for _, id := range ids {
		list = append(list, codeJSON(id))
		means, do := codeWords(id, a.ui.lang)
		a.ui.result("%s  %s", id, means)
		for _, line := range do {
			a.ui.result("  → %s", line)
		}
	}
	a.ui.object(map[string]any{"codes": list})
	return nil
}

// codeWords is what an error id means and what to do. In a notification the
// zone matters too, so that the place that names it is always told.
func codeWords(id errorid.ID, l lang.Language) (means string, do []string) {
	x, known := errorid.Lookup(id, l)
	if !known {
		return errorid.Unknown(l), []string{errorid.Where(id.Kind, l)}
	}
	do = []string{x.Do}
	if id.Kind == errorid.Notification {
		do = append(do, errorid.Where(id.Kind, l))
	}
	return x.Means, do
}

func codeJSON(id errorid.ID) jsonCode {
	out := jsonCode{Code: id.String(), Kind: id.Kind, Zone: id.Zone, Number: id.Number, Texts: map[lang.Language]jsonText{}}
	for _, l := range lang.Languages() {
		x, known := errorid.Lookup(id, l)
		text := jsonText{Means: x.Means, Do: x.Do}
		if !known || id.Kind == errorid.Notification {
			text.Where = errorid.Where(id.Kind, l)
		}
		out.Known, out.Texts[l] = known, text
	}
	return out
}

// codeTeller explains the error ids of a list on the way, each number once.
type codeTeller struct {
	ui   *ui
	told map[string]bool
}

func (u *ui) codeTeller() *codeTeller { return &codeTeller{ui: u, told: map[string]bool{}} }

// tell prints what the error id of the line above means. Of numbers that are
// not explained here it says only where they are.
func (t *codeTeller) tell(indent, errorID string) {
	id, ok := errorid.Parse(errorID)
	if !ok {
		return
	}
	x, known := errorid.Lookup(id, t.ui.lang)
	lines, key := []string{x.Means, "→ " + x.Do}, id.Number
	if !known {
		lines, key = []string{"→ " + errorid.Where(id.Kind, t.ui.lang)}, string(id.Kind)
	}
	if t.told[key] {
		return
	}
	t.told[key] = true
	for _, line := range lines {
		t.ui.result("%s%s", indent, line)
	}
}

// hintCodes explains the error ids in the note of a refused set.
func (u *ui) hintCodes(note string) {
	for _, word := range strings.FieldsFunc(note, func(r rune) bool { return r == ' ' || r == ',' || r == ':' }) {
		id, ok := errorid.Parse(word)
		if !ok || word != id.String() { // a number of three digits is a count
			continue
		}
		if x, known := errorid.Lookup(id, u.lang); known {
			u.hint("%s: %s %s", id, x.Means, x.Do)
		}
	}
}
