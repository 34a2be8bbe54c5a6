package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/report"
)

func write(t *testing.T, p report.Page) string {
	t.Helper()
	var b strings.Builder
	if err := report.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func page() report.Page {
	evil := `<script>alert(1)</script>"'&`
	return report.Page{
		Language: "nl", Title: evil, Subtitle: evil, Footer: evil,
		Cards: []report.Card{{evil, 3, report.Bad}},
		Chart: report.Chart{
			Title: evil, Series: []report.Series{{evil, report.Good}, {"b", report.Bad}},
			Days: []report.Day{{evil, []int{3, 1}}, {"2", []int{0, 0}}, {"3", []int{0, 8}}},
		},
		Sections: []report.Section{
			{Title: evil, Columns: []string{evil}, Rows: [][]report.Cell{{{Text: evil, Tone: report.Bad, Code: true, Notes: []string{evil}}}}, More: evil},
			{Title: "empty", Empty: evil, Columns: []string{"x"}},
		},
	}
}

// Whatever a text holds stays text, and the page asks for nothing.
func TestWriteIsSafeAndAlone(t *testing.T) {
	got := write(t, page())
	if strings.Contains(got, "<script") || strings.Contains(got, "alert(1)</script>\"'&\"") {
		t.Errorf("a text became a part of the page:\n%s", got)
	}
	if m := regexp.MustCompile(`(?i)(https?:|//|src=|href=|@import|url\(|<link|<iframe)`).FindString(got); m != "" {
		t.Errorf("the page refers to something: %q", m)
	}
	// It is well-formed: every element is closed, but for meta.
	d := xml.NewDecoder(strings.NewReader(strings.Replace(got, "<!DOCTYPE html>", "", 1)))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
}

func TestWriteChart(t *testing.T) {
	got := write(t, page())
	rects := regexp.MustCompile(`<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)">`).FindAllStringSubmatch(got, -1)
	if len(rects) != 3 {
		t.Fatalf("%d pieces", len(rects))
	}
	// 8 on a scale to 10, of 150 units: 120 high, standing on the axis at 160.
	if last := rects[2]; last[1] != "bad" || last[3] != "40.0" || last[5] != "120.0" {
		t.Errorf("%v", last)
	}
	// The second piece stands on the first.
	if rects[0][3] != "115.0" || rects[1][3] != "100.0" || rects[0][2] != rects[1][2] {
		t.Errorf("%v", rects[:2])
	}
	for _, want := range []string{">10</text>", ">5</text>", "3: 8 b</title>"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not there", want)
		}
	}
	p := page()
	p.Chart.Days = []report.Day{{"1", []int{0, 0}}}
	if strings.Contains(write(t, p), "<figure>") {
		t.Error("a chart of nothing")
	}
}
