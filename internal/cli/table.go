package cli

import (
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/lang"
)

// column of a table. Where the lines are wider than the terminal, the flexible
// one gives way; what it does not have room for ends in an ellipsis.
type column struct {
	title    string // in English
	flexible bool
}

// cell is a text with the state that colours it.
type cell struct{ text, state string }

// minFlexible is the width that a flexible column keeps.
const minFlexible = 12

// table prints rows under titles, two spaces between columns.
func (u *ui) table(columns []column, rows [][]cell) {
	if u.json {
		return
	}
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = width(u.in(lang.Word(c.title)))
		for _, r := range rows {
			widths[i] = max(widths[i], width(r[i].text))
		}
	}
	fit(columns, widths, terminalWidth(u.out))
	titles := make([]cell, len(columns))
	for i, c := range columns {
		titles[i] = cell{text: u.in(lang.Word(c.title))}
	}
	for _, r := range append([][]cell{titles}, rows...) {
		var b strings.Builder
		for i, c := range r {
			text := clip(c.text, widths[i])
			pad := strings.Repeat(" ", widths[i]-width(text)+2)
			b.WriteString(u.mark(c.state, text) + pad)
		}
		_, _ = io.WriteString(u.out, strings.TrimRight(b.String(), " ")+"\n")
	}
}

// fit takes from the flexible columns what is too much for a line.
func fit(columns []column, widths []int, most int) {
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for i, c := range columns {
		if most > 0 && total > most && c.flexible {
			cut := min(total-most, max(0, widths[i]-minFlexible))
			widths[i] -= cut
			total -= cut
		}
	}
}

// terminalWidth is 0 where the output is no terminal: then nothing is cut.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil { //nolint:gosec // a file descriptor is small
			return n
		}
	}
	return 0
}

// width is how many columns of a terminal a text takes.
func width(s string) int { return uniseg.StringWidth(s) }

// clip shortens a text to a width.
func clip(s string, most int) string {
	if width(s) <= most {
		return s
	}
	var b strings.Builder
	left := most - 1
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if left -= g.Width(); left < 0 {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}
