package inbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/inbox"
)

func TestPlan(t *testing.T) {
	const set = "DIMN.101380.20260302.00001.T"
	fi := func(dir, tail string) string { return dir + "/FI." + set + tail }
	for _, c := range []struct {
		name     string
		files    []string
		together bool
		want     []string // files of each job, and its name where it has one
		err      string
	}{
		{"each its own", []string{"a", "b"}, false, []string{"a", "b"}, ""},
		{"together", []string{"b", "a"}, true, []string{"b a"}, ""},
		{"nine together", strings.Split("123456789", ""), true, []string{"1 2 3 4 5 6 7 8 9"}, ""},
		{"ten together", strings.Split("1234567890", ""), true, nil, "at most 9"},
		{"named together", []string{fi("d", ".1.1"), "a"}, true, nil, "leave --parts out"},
		{"named", []string{fi("d", ".1.1")}, false, []string{fi("d", ".1.1") + " = " + set + ".1"}, ""},
		{"named, mixed and out of order", []string{fi("d", ".2.2"), "x", fi("e", ".2.1")}, false,
			[]string{fi("e", ".2.1") + " " + fi("d", ".2.2") + " = " + set + ".2", "x"}, ""},
		{"a part is missing", []string{fi("d", ".2.2")}, false, nil, "FI." + set + ".2.1 is not among the files"},
		{"parts disagree", []string{fi("d", ".2.2"), fi("d", ".1.1")}, false, nil, "another file says 2"},
		{"one name twice", []string{fi("d", ".1.1"), fi("e", ".1.1")}, false, nil, "have one name"},
		{"given twice", []string{"a", "a"}, false, nil, "given twice"},
		{"old form", []string{fi("d", "")}, false, nil, "add .1.1"},
		{"no name", []string{"FI.xml"}, false, nil, "FI.xml"},
		{"no name at all", []string{"a", ""}, false, nil, "the name of a file is empty"},
		{"no name at all, together", []string{""}, true, nil, "the name of a file is empty"},
		{"nothing", nil, false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := inbox.Plan
			if c.together {
				plan = inbox.PlanParts
			}
			jobs, err := plan(c.files)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want …%s…", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range jobs {
				line := strings.Join(j.Files, " ")
				if j.Named != nil {
					line += " = " + j.Named.String()
				}
				got = append(got, line)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
