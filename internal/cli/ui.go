package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/lang"
)

// This file is the only one that writes to the person.
//
//   - Results go to standard output, talk goes to standard error.
//   - With --json, standard output has JSON and nothing else, on failure too.
//   - Talk is for people: whole sentences, what happened first, what to do next
//     last. Errors are never lost by --quiet.
//   - Nothing here ever prints a secret or the content of a declaration.

type streams struct {
	in       io.Reader
	out, err io.Writer
}

type ui struct {
	streams
	lang        lang.Language
	json, quiet bool
	events      bool // with json: objects also while the work goes on
	colour      bool // on standard error
	colourOut   bool // on standard output
	printed     bool // the result is on standard output with --json
	writing     sync.Mutex
}

func newUI(s streams, getenv func(string) string) *ui {
	return &ui{
		streams:   s,
		lang:      lang.English,
		colour:    isTerminal(s.err) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
		colourOut: isTerminal(s.out) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor is small
}

func (u *ui) logger(verbose bool) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(u.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// text says something in the language of the person. In English it is the
// format with its arguments.
func (u *ui) text(format string, args ...any) string { return u.in(text(format, args...)) }

// in says a text in the language of the person.
func (u *ui) in(t lang.Text) string { return t.In(u.lang) }

// result prints a line of the result, for people.
func (u *ui) result(format string, args ...any) {
	if !u.json {
		_, _ = fmt.Fprintln(u.out, u.text(format, args...))
	}
}

// object prints the result for programs.
func (u *ui) object(v any) {
	if !u.json {
		return
	}
	u.printed = true
	u.line(v)
}

// event prints what has just happened, for programs that want to hear of it
// before the end.
func (u *ui) event(what string, e contract.Event) {
	if !u.json || !u.events {
		return
	}
	e.Event, e.At = what, time.Now().UTC().Truncate(time.Millisecond)
	u.line(e)
}

// line writes one object on one line.
func (u *ui) line(v any) {
	text := contract.Encode(v)
	u.writing.Lock()
	defer u.writing.Unlock()
	_, _ = io.WriteString(u.out, text)
}

// say tells the person something that is no result.
func (u *ui) say(format string, args ...any) {
	if !u.quiet {
		_, _ = fmt.Fprintln(u.err, u.text(format, args...))
	}
}

// ask puts a question to a person at the terminal; the answer is typed behind it.
func (u *ui) ask(format string, args ...any) {
	_, _ = fmt.Fprint(u.err, u.text(format, args...)+" ")
}

// warn tells the person something that should not be overlooked.
func (u *ui) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(u.err, "%s %s\n", u.paint(u.colour, yellow, u.text("warning:")), u.text(format, args...))
}

// hint says what to do next.
func (u *ui) hint(format string, args ...any) {
	text := strings.ReplaceAll(u.text(format, args...), "\n", "\n    ")
	_, _ = fmt.Fprintf(u.err, "  %s %s\n", u.paint(u.colour, cyan, "→"), text)
}

// problem reports what went wrong with one thing among several.
func (u *ui) problem(what string, err error) {
	_, _ = fmt.Fprintf(u.err, "%s %s\n", u.paint(u.colour, red, u.text("error:")), u.problemWords(what, err))
}

// problemWords says what went wrong with one thing.
func (u *ui) problemWords(what string, err error) string {
	message := u.in(explain(err).Message)
	if !strings.Contains(message, what) {
		message = what + ": " + message
	}
	return message
}

// fail reports the error that ends the program.
func (u *ui) fail(err error) {
	if !isReported(err) {
		u.tell(err)
	}
	if u.json && !u.printed {
		u.object(contract.Failure{Error: explain(err)})
	}
}

// tell reports an error with its hints.
func (u *ui) tell(err error) {
	x := explain(err)
	_, _ = fmt.Fprintf(u.err, "%s %s\n", u.paint(u.colour, red, u.text("error:")), u.in(x.Message))
	for _, h := range x.Hints {
		u.hint("%s", h)
	}
}

// isReported reports whether the person has been told of an error already.
func isReported(err error) bool {
	var told toldError
	var reported app.ReportedError
	return errors.As(err, &told) || errors.As(err, &reported)
}

// toldError is an error that the person has been told of already.
type toldError struct{ error }

func (t toldError) Unwrap() error { return t.error }

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (u *ui) paint(on bool, colour, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// mark colours a state on standard output: good, bad or in between.
func (u *ui) mark(state, text string) string {
	switch state {
	case "accepted", "sent", "received", "stored", "ok":
		return u.paint(u.colourOut, green, text)
	case "refused", "failed", "unknown", "late":
		return u.paint(u.colourOut, red, text)
	case "accepted-with-remarks", "uploading", "uploaded", "prepared", "to-validate", "warning":
		return u.paint(u.colourOut, yellow, text)
	}
	return text
}

// progress shows how far a long piece of work is: on a terminal only, and only
// after a second; where programs listen to events, once a second and at the end.
type progress struct {
	bar  *progressbar.ProgressBar
	tell func(done int64)

	mu   sync.Mutex
	sum  int64
	told time.Time
}

func (u *ui) progress(phase, what string, total int64, inBytes bool) *progress {
	if u.json && u.events {
		unit := "sets"
		if inBytes {
			unit = "bytes"
		}
		return &progress{told: time.Now(), tell: func(done int64) {
			e := contract.Event{Phase: phase, Done: &done, Unit: unit}
			if total >= 0 {
				e.Total = &total
			}
			u.event("progress", e)
		}}
	}
	if u.quiet || u.json || !isTerminal(u.err) {
		return &progress{}
	}
	began := time.Now()
	return &progress{bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(&later{u.err, began.Add(time.Second)}),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(inBytes),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond),
	)}
}

func (p *progress) add(n int64) {
	if p.bar != nil {
		_ = p.bar.Add64(n)
	}
	if p.tell == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum += n
	if now := time.Now(); now.Sub(p.told) >= time.Second {
		p.told = now
		p.tell(p.sum)
	}
}

// reader counts what is read.
func (p *progress) reader(r io.Reader) io.Reader {
	if p.bar == nil && p.tell == nil {
		return r
	}
	return counted{r, p}
}

type counted struct {
	r io.Reader
	p *progress
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.add(int64(n))
	return n, err
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	if p.tell != nil && p.sum > 0 {
		p.tell(p.sum)
	}
}

// later swallows what is written before its time.
type later struct {
	w    io.Writer
	from time.Time
}

func (l *later) Write(p []byte) (int, error) {
	if time.Now().Before(l.from) {
		return len(p), nil
	}
	return l.w.Write(p)
}

// fields are lines of a label and a value, the values below each other.
type fields []field

type field struct {
	label lang.Text // empty: a further line of the one before
	value string
}

func (f *fields) add(label lang.Text, value string) { *f = append(*f, field{label, value}) }

// narrowest is the least width of the labels and the room after them.
const narrowest = 13

func (u *ui) fields(indent string, f fields) {
	for _, line := range u.fieldLines(indent, f) {
		u.result("%s", line)
	}
}

func (u *ui) fieldLines(indent string, f fields) []string {
	var lines []string
	widest := narrowest
	for _, x := range f {
		widest = max(widest, width(u.in(x.label))+2)
	}
	for _, x := range f {
		label := u.in(x.label)
		lines = append(lines, indent+label+strings.Repeat(" ", widest-width(label))+x.value)
	}
	return lines
}
