// Package metrics writes what the ledger knows as a text file for Prometheus:
// node_exporter's textfile collector reads it.
//
// The format is a few lines of text, and no label value here needs escaping but
// that of the version; Prometheus's own library would add several megabytes to
// the program. The tests read the file with it.
package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// About is what the ledger does not know.
type About struct {
	Version string
	Now     time.Time
	// ExitCode is that of the command line for what a run ended with, as
	// ledger.Run.Class says it.
	ExitCode func(class string) int
}

// WriteFile creates or replaces the file, readable by everybody. Its directory
// has to be there.
func WriteFile(ctx context.Context, disk *durable.Disk, path string, l ledger.Ledger, about About) error {
	t, err := disk.Create(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	if err := errors.Join(Write(ctx, t, l, about), t.Chmod(0o644)); err != nil {
		return errors.Join(err, t.Discard())
	}
	return t.Commit(path)
}

// Write writes the metrics. Names, contents and numbers of persons are not
// among them: labels are environments, states and commands.
func Write(ctx context.Context, w io.Writer, l ledger.Ledger, about About) error {
	tallies, err := l.Tallies(ctx)
	if err != nil {
		return err
	}
	runs, err := l.Runs(ctx)
	if err != nil {
		return err
	}
	now := about.Now
	var b bytes.Buffer
	for _, f := range []family{
		{"socbatch_build_info", "gauge", "Version of the program; always 1.", []sample{{labels("version", about.Version, "goversion", runtime.Version()), 1}}},
		sets(tallies),
		ages(tallies, "without_receipt", "sent and has no receipt", now, func(t *ledger.Tally) time.Time { return t.NoReceipt }),
		ages(tallies, "without_notification", "has a receipt and no final notification", now, func(t *ledger.Tally) time.Time { return t.NoNotification }),
		ages(tallies, "unknown", "has an unknown outcome", now, func(t *ledger.Tally) time.Time { return t.Unknown }),
		counts(tallies, "socbatch_replies_stored_total", "counter", "Replies stored in the archive.", func(t *ledger.Tally) int { return t.Replies }),
		counts(tallies, "socbatch_replies_unread", "gauge", "Stored replies whose answers are not entered.", func(t *ledger.Tally) int { return t.Unread }),
		perRun(runs, "socbatch_last_success_timestamp_seconds", "When a run of the command last ended with exit code 0.", func(r ledger.Run) (float64, bool) {
			return seconds(r.SucceededAt), !r.SucceededAt.IsZero()
		}),
		perRun(runs, "socbatch_last_run_timestamp_seconds", "When a run of the command last ended.", func(r ledger.Run) (float64, bool) {
			return seconds(r.EndedAt), true
		}),
		perRun(runs, "socbatch_last_run_exit_code", "Exit code of the last run of the command.", func(r ledger.Run) (float64, bool) {
			return float64(about.ExitCode(r.Class)), true
		}),
	} {
		f.write(&b)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// family is a metric with all its samples.
type family struct {
	name, kind, help string
	samples          []sample
}

type sample struct {
	labels string
	value  float64
}

func (f family) write(b *bytes.Buffer) {
	if len(f.samples) == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
	for _, s := range f.samples {
		fmt.Fprintf(b, "%s{%s} %s\n", f.name, s.labels, strconv.FormatFloat(s.value, 'f', -1, 64))
	}
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labels(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+`="`+escape.Replace(pairs[i+1])+`"`)
	}
	return strings.Join(out, ",")
}

func sets(tallies map[naming.Environment]*ledger.Tally) family {
	f := family{"socbatch_sets", "gauge", "Sets in the ledger by state.", nil}
	for _, e := range naming.Environments() {
		for _, s := range inbox.States() {
			f.samples = append(f.samples, sample{labels("environment", string(e), "state", string(s)), float64(tallies[e].Sets[s])})
		}
	}
	return f
}

func ages(tallies map[naming.Environment]*ledger.Tally, what, words string, now time.Time, of func(*ledger.Tally) time.Time) family {
	f := family{"socbatch_oldest_set_" + what + "_age_seconds", "gauge", "Age of the oldest set that " + words + "; 0 where there is none.", nil}
	for _, e := range naming.Environments() {
		age := 0.0
		if t := of(tallies[e]); !t.IsZero() {
			age = max(0, now.Sub(t).Seconds())
		}
		f.samples = append(f.samples, sample{labels("environment", string(e)), age})
	}
	return f
}

func counts(tallies map[naming.Environment]*ledger.Tally, name, kind, help string, of func(*ledger.Tally) int) family {
	f := family{name, kind, help, nil}
	for _, e := range naming.Environments() {
		f.samples = append(f.samples, sample{labels("environment", string(e)), float64(of(tallies[e]))})
	}
	return f
}

func perRun(runs []ledger.Run, name, help string, of func(ledger.Run) (float64, bool)) family {
	f := family{name, "gauge", help, nil}
	for _, r := range runs {
		if v, ok := of(r); ok {
			f.samples = append(f.samples, sample{labels("command", r.Command, "environment", r.Environment), v})
		}
	}
	return f
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
