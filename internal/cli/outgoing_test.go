package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
)

// Whoever ends the program is told once, and not of every file that waited; a GO
// without an answer is told all the same.
func TestInterruptedIsToldOnce(t *testing.T) {
	t.Parallel()
	var errs strings.Builder
	a := &program{ui: newUI(streams{strings.NewReader(""), io.Discard, &errs}, noEnv), getenv: noEnv, now: time.Now}
	for _, err := range []error{
		context.Canceled,
		&inbox.SourceError{Path: "b.xml", Err: context.Canceled},
		&inbox.UnknownError{Err: context.Canceled},
		fmt.Errorf("put: %w", context.Canceled),
	} {
		printOutcome(a, inbox.JobResult{Job: inbox.Job{Files: []string{"a.xml"}}, Err: err})
	}
	said := errs.String()
	if strings.Count(said, "interrupted; what is not shown as sent was not sent") != 1 || strings.Count(said, "error:") != 2 || !strings.Contains(said, "GO was asked for") || strings.Contains(said, "context canceled") {
		t.Errorf("said:\n%s", said)
	}
}

// Also a fetch that did not begin says what programs rely on.
func TestNothingFetchedAsJSON(t *testing.T) {
	t.Parallel()
	if got, err := json.Marshal(fetchJSON(app.FetchResult{})); err != nil || string(got) != `{"sets":[],"replies":[],"left":[]}` {
		t.Errorf("%s, %v", got, err)
	}
}
