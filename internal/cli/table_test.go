package cli

import (
	"bytes"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := &ui{streams: streams{out: &out}}
	u.table([]column{{"A", false}, {"LONG TITLE", true}, {"C", false}}, [][]cell{
		{{"één", ""}, {"1", "sent"}, {"x", ""}},
		{{"日本", ""}, {"", ""}, {"", ""}},
	})
	want := "A     LONG TITLE  C\néén   1           x\n日本\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestTableFits(t *testing.T) {
	t.Parallel()
	columns := []column{{"a", false}, {"b", true}, {"c", true}}
	for _, c := range []struct {
		most int
		want [3]int
	}{
		{0, [3]int{10, 30, 40}},
		{84, [3]int{10, 30, 40}},
		{80, [3]int{10, 26, 40}},
		{60, [3]int{10, 12, 34}},
		{10, [3]int{10, 12, 12}},
	} {
		widths := []int{10, 30, 40}
		fit(columns, widths, c.most)
		if [3]int(widths) != c.want {
			t.Errorf("in %d columns: %v, want %v", c.most, widths, c.want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"short", 5, "short"}, {"longer", 5, "long…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"ab", 1, "…"},
	} {
		if got := clip(c.text, c.most); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
