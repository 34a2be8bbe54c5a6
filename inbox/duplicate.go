package inbox

import (
	"errors"
	"slices"
)

// contents says which job of a run has which contents. Whatever the ledger
// says of them, and also with Again, one run sends the same contents once.
type contents map[content]int

type content struct {
	application string
	hash        Hash
}

// duplicate is a job whose part has the contents of an earlier job that is sent.
type duplicate struct{ job, first, part int }

func (c contents) add(d Draft, job int) {
	for _, p := range d.Parts {
		for _, h := range p.Contents() {
			c[content{d.Application, h}] = job
		}
	}
}

// in gives the job that has contents of a draft, and which part has them.
func (c contents) in(d Draft) (job, part int, found bool) {
	for _, p := range d.Parts {
		for _, h := range p.Contents() {
			if job, found = c[content{d.Application, h}]; found {
				return job, p.Number, true
			}
		}
	}
	return 0, 0, false
}

func (s *Submitter) refuseDuplicate(o, first *JobResult, d Draft, part int) {
	o.Submission = first.Submission
	o.Err = errors.Join(
		&AlreadyError{Part: part, Existing: first.Submission, Same: sameContents(first.Submission.Parts, d.Parts)},
		s.Spool.Drop(d.Spool))
}

func sameContents(a, b []Part) bool {
	return slices.EqualFunc(a, b, func(a, b Part) bool { return a.Hash == b.Hash })
}
