// Package report writes one page of HTML that needs nothing else: no network,
// no script, no file beside it. It knows no words and no states: the page comes
// with its texts in the language of the reader.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

// Tone is the colour of a thing.
type Tone string

// The tones.
const (
	Good  Tone = "good"
	Fair  Tone = "fair" // good, with something to read
	Bad   Tone = "bad"
	Alert Tone = "alert" // somebody must do something
	Open  Tone = "open"  // nothing final is known
	Plain Tone = ""
)

// Page is what is written.
type Page struct {
	Language string // as HTML wants it: nl
	Title    string
	Subtitle string
	Cards    []Card
	Chart    Chart
	Sections []Section
	Footer   string
}

// Card is a number that stands out.
type Card struct {
	Label string
	Count int
	Tone  Tone
}

// Chart has a bar for each day, made of a piece for each series.
type Chart struct {
	Title  string
	Series []Series
	Days   []Day
}

// Series is a kind of piece.
type Series struct {
	Label string
	Tone  Tone
}

// Day is a bar; Counts has a number for each series.
type Day struct {
	Label  string
	Counts []int
}

// Section is a table; Empty is said where it has no rows.
type Section struct {
	Title   string
	Empty   string
	Columns []string
	Rows    [][]Cell
	More    string // said below where not all rows are there
}

// Cell of a table.
type Cell struct {
	Text  string
	Tone  Tone
	Code  bool     // a name or number, for copying
	Notes []string // smaller, below
}

//go:embed page.html.tmpl
var source string

var page = template.Must(template.New("page").Parse(source))

// Write writes the page.
func Write(w io.Writer, p Page) error {
	return page.Execute(w, struct {
		Page
		Bars bars
	}{p, draw(p.Chart)})
}

// The chart is drawn in these units; the browser scales it.
const (
	chartWidth  = 720
	chartHeight = 160
	axisHeight  = 18
	axisWidth   = 34
)

// bars are the chart as it is drawn.
type bars struct {
	Width, Height, Base float64
	Pieces              []piece
	Labels              []label
	Lines               []line
}

type piece struct {
	X, Y, W, H float64
	Tone       Tone
	Title      string
}

type label struct {
	X      float64
	Anchor string
	Text   string
}

type line struct {
	Y    float64
	Text string
}

// draw puts the days side by side. The scale ends at a round number.
func draw(c Chart) bars {
	b := bars{Width: chartWidth, Height: chartHeight + axisHeight, Base: chartHeight}
	most := 0
	for _, d := range c.Days {
		most = max(most, total(d.Counts))
	}
	if most == 0 {
		return b
	}
	top := roundUp(most)
	step := (chartWidth - axisWidth) / float64(len(c.Days))
	scale := (chartHeight - 10) / float64(top)
	for _, n := range []int{0, top / 2, top} {
		if n > 0 || top == 1 {
			b.Lines = append(b.Lines, line{Y: chartHeight - float64(n)*scale, Text: fmt.Sprint(n)})
		}
	}
	every := (len(c.Days) + 9) / 10
	for i, d := range c.Days {
		x, y := axisWidth+float64(i)*step, float64(chartHeight)
		for k, n := range d.Counts {
			if n == 0 {
				continue
			}
			h := float64(n) * scale
			y -= h
			b.Pieces = append(b.Pieces, piece{X: x + step*0.12, Y: y, W: step * 0.76, H: h, Tone: c.Series[k].Tone, Title: fmt.Sprintf("%s: %d %s", d.Label, n, c.Series[k].Label)})
		}
		if (len(c.Days)-1-i)%every == 0 {
			l := label{X: x + step/2, Anchor: "middle", Text: d.Label}
			if i == len(c.Days)-1 { // it would not fit
				l.X, l.Anchor = chartWidth, "end"
			}
			b.Labels = append(b.Labels, l)
		}
	}
	return b
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// roundUp gives the next of 1, 2, 4, 6, 10, 20, 40, 60, 100 …, which can be
// halved.
func roundUp(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, k := range []int{1, 2, 4, 6} {
			if n <= k*unit {
				return k * unit
			}
		}
	}
}
