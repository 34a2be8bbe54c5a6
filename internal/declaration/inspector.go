package declaration

import (
	"io"
	"sync"
)

// Inspector is Inspect as an io.WriteCloser, for the end of an io.MultiWriter:
// the file is copied once and inspected on the way.
//
// It runs one goroutine, from NewInspector until Close.
type Inspector struct {
	w     *io.PipeWriter
	done  chan struct{}
	close sync.Once
	info  Info
	err   error
}

// NewInspector returns an Inspector to write one file to. It has to be closed,
// also when the copy failed.
func NewInspector(o Options) *Inspector {
	r, w := io.Pipe()
	i := &Inspector{w: w, done: make(chan struct{})}
	go func() {
		defer close(i.done)
		i.info, i.err = Inspect(r, o)
	}()
	return i
}

// Write takes the next part of the file. It never fails before Close: what is
// wrong with the file must not end the copy beside it.
func (i *Inspector) Write(p []byte) (int, error) { return i.w.Write(p) }

// Close ends the file and waits for the inspection. It returns the error of
// Inspect; calling it again returns the same.
func (i *Inspector) Close() error {
	i.close.Do(func() { _ = i.w.Close() })
	<-i.done
	return i.err
}

// Result closes the Inspector and returns what Inspect returned.
func (i *Inspector) Result() (Info, error) {
	err := i.Close()
	return i.info, err
}
