package main

// toll collects what several things ended with.
type toll struct {
	codes []int
	first error // the most urgent one
}

func (t *toll) add(err error) {
	t.codes = append(t.codes, exitCode(err))
	if err != nil && (t.first == nil || urgency(exitCode(err)) > urgency(exitCode(t.first))) {
		t.first = err
	}
}

// result is the error of the whole, which was told bit by bit. together makes
// one exit code of all.
func (t *toll) result(together func([]int) int) error {
	if t.first == nil {
		return nil
	}
	return toldError{codedError{t.first, together(t.codes)}}
}

// explain is the error of the whole for programs.
func (t *toll) explain(together func([]int) int) explanation {
	x := explain(t.first)
	x.Code = together(t.codes)
	x.Class = className(x.Code)
	return x
}
