package inbox

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// Job is one set to be: the files of its parts in order, and what is decided
// of its name so far.
type Job struct {
	Files []string
	// Sources are the paths that the ledger remembers instead of Files, where
	// those are copies.
	Sources []string
	// Named is the set that the files' own names give; nil where the name is
	// still to be made.
	Named *naming.Set
}

// given are the files as a person knows them.
func (j Job) given() []string {
	if len(j.Sources) > 0 {
		return j.Sources
	}
	return j.Files
}

// MissingPartError says that a part of a set whose files are named already is
// not among the files.
type MissingPartError struct{ said *problem.Error }

func (e *MissingPartError) Error() string { return e.said.Error() }

// Said is as that of problem.Error.
func (e *MissingPartError) Said() (format string, args []any) { return e.said.Said() }

var errNoName = problem.New("the name of a file is empty")

// PlanParts makes the files that a person handed in the parts of one set, in the
// order given.
func PlanParts(files []string) ([]Job, error) {
	if slices.Contains(files, "") {
		return nil, errNoName
	}
	if len(files) > naming.MaxParts {
		return nil, problem.New("a set has at most %d parts: %d files were given", naming.MaxParts, len(files))
	}
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "FI.") {
			return nil, problem.New("%s has its name already, which says which part it is: leave --parts out", f)
		}
	}
	return []Job{{Files: files}}, nil
}

// Plan groups the files that a person handed in. Each file is a set of its own.
// Files that are already named FI.… keep their names, and those of one set form
// it, wherever they stand among the others.
func Plan(files []string) ([]Job, error) {
	if slices.Contains(files, "") {
		return nil, errNoName
	}
	var jobs []*Job
	named := map[string]*Job{}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f] {
			return nil, problem.New("%s is given twice", f)
		}
		seen[f] = true
		base := filepath.Base(f)
		if !strings.HasPrefix(base, "FI.") {
			jobs = append(jobs, &Job{Files: []string{f}})
			continue
		}
		n, err := naming.Parse(base)
		if err != nil {
			return nil, err
		}
		if n.Parts == 0 {
			return nil, problem.New("%s has the old form of a name, without its parts: add .1.1", f)
		}
		set := n.Set()
		j := named[set.Key()]
		if j == nil {
			j = &Job{Files: make([]string, set.Parts), Named: &set}
			named[set.Key()] = j
			jobs = append(jobs, j)
		}
		if j.Named.Parts != n.Parts {
			return nil, problem.New("%s says that the set has %d parts, another file says %d", f, n.Parts, j.Named.Parts)
		}
		if j.Files[n.Part-1] != "" {
			return nil, problem.New("%s and %s have one name", j.Files[n.Part-1], f)
		}
		j.Files[n.Part-1] = f
	}
	out := make([]Job, 0, len(jobs))
	for _, j := range jobs {
		if i := slices.Index(j.Files, ""); i >= 0 {
			return nil, &MissingPartError{problem.New("the set %s has %d parts and %s is not among the files", j.Named, j.Named.Parts, j.Named.FI(i+1))}
		}
		out = append(out, *j)
	}
	return out, nil
}
