package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// memoryLimit is what socbatch may take, in bytes.
const memoryLimit = 64 << 20

// report collects what came out.
type report struct {
	begin   time.Time
	machine string
	rows    []row
	results [][]*standing
}

func (r *report) add(x row, s []*standing) {
	r.rows, r.results = append(r.rows, x), append(r.results, s)
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s, in %d minutes. %s\n\n", r.begin.Format("2 January 2006"), int(time.Since(r.begin).Minutes()+0.5), r.machine)
	b.WriteString("| | socbatch | s | peer | s | ratio | wanted | |\n|---|---|---:|---|---:|---:|---:|---|\n")
	for i, x := range r.rows {
		fmt.Fprintf(&b, "| **%d** | **%s** | | | | | | |\n", x.number, x.title)
		for _, c := range x.comparisons {
			b.WriteString(r.line(c, r.results[i]))
		}
	}
	b.WriteString("\nEvery program that ran; times are of the whole process, memory is the peak of the largest process.\n\n")
	b.WriteString("| | program | runs | median s | from – to | CPU s | MiB |\n|---|---|---:|---:|---:|---:|---:|\n")
	var peak int64
	for i, x := range r.rows {
		for _, s := range r.results[i] {
			b.WriteString(programLine(x.number, s))
			if s.ours {
				peak = max(peak, s.memory())
			}
		}
	}
	verdict := "as wanted"
	if peak >= memoryLimit {
		verdict = "**missed**"
	}
	fmt.Fprintf(&b, "\n**7** Peak memory of socbatch over all of these: %d MiB, wanted less than %d MiB: %s.\n", (peak+1<<20-1)>>20, memoryLimit>>20, verdict)
	return b.String()
}

func (r *report) line(c comparison, all []*standing) string {
	var ours, peer *standing
	for _, s := range all {
		switch s.name {
		case c.ours:
			ours = s
		case c.peer:
			peer = s
		}
	}
	seconds := func(s *standing) string {
		if len(s.runs) == 0 {
			return "not run"
		}
		return figure(s.median())
	}
	ratio, wanted, verdict := "", "", ""
	if c.want > 0 {
		wanted = fmt.Sprintf("≤ %.2f", c.want)
	}
	if len(ours.runs) > 0 && len(peer.runs) > 0 {
		q := ours.median().Seconds() / peer.median().Seconds()
		ratio = fmt.Sprintf("%.3f", q)
		switch {
		case c.want == 0:
		case q <= c.want:
			verdict = "yes"
		default:
			verdict = fmt.Sprintf("**no**, by %.0f %%", 100*(q/c.want-1))
		}
	}
	return fmt.Sprintf("| | %s | %s | %s | %s | %s | %s | %s |\n", c.ours, seconds(ours), c.peer, seconds(peer), ratio, wanted, verdict)
}

func programLine(row int, s *standing) string {
	if len(s.runs) == 0 {
		return fmt.Sprintf("| %d | %s | 0 | %s | | | |\n", row, s.name, oneLine(s.notRun))
	}
	walls := s.walls()
	var cpu time.Duration
	for _, u := range s.runs {
		cpu += u.CPU
	}
	cpu /= time.Duration(len(s.runs))
	note := ""
	if s.notRun != "" {
		note = "; then " + oneLine(s.notRun)
	}
	return fmt.Sprintf("| %d | %s%s | %d | %s | %s – %s | %s | %.0f |\n", row, s.name, note, len(s.runs), figure(s.median()),
		figure(walls[0]), figure(walls[len(walls)-1]), figure(cpu), float64(s.memory())/(1<<20))
}

func oneLine(s string) string {
	s = strings.NewReplacer("\n", " ", "|", "/").Replace(s)
	if len(s) > 160 {
		s = s[:160] + "…"
	}
	return s
}

// figure writes seconds with three significant digits.
func figure(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 10:
		return fmt.Sprintf("%.2f", s)
	case s < 100:
		return fmt.Sprintf("%.1f", s)
	default:
		return fmt.Sprintf("%.0f", s)
	}
}

// machine describes what the figures depend on.
func (b *bench) machine(ctx context.Context) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	add("%d cores (%s), %s of memory, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"), gibibytes(field("/proc/meminfo", "MemTotal")), kernel())
	if d, err := b.net.measureRoundTrip(ctx, b.self); err == nil {
		if b.net.Why == "" {
			add("round trip %.1f ms through TUN devices", d.Seconds()*1000)
		} else {
			add("**no delay** (%s)", b.net.Why)
		}
	}
	if d, err := flushTime(b.dir); err == nil {
		add("a small file is flushed to the disk in %.2f ms", d.Seconds()*1000)
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		add("load %s before the run", strings.Fields(string(load))[0])
	}
	add("%s", runtime.Version())
	for _, v := range [][]string{{"ssh", "-V"}, {"lftp", "--version"}, {"rclone", "version"}, {"openssl", "version"}} {
		if text := b.version(ctx, v...); text != "" {
			add("%s", text)
		} else {
			add("no %s", v[0])
		}
	}
	if b.quick {
		add("**a tenth of the sizes**")
	}
	return strings.ToUpper(parts[0][:1]) + parts[0][1:] + "; " + strings.Join(parts[1:], "; ") + "."
}

func (b *bench) version(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(out), "\n") {
		if !strings.ContainsAny(line, "0123456789") {
			continue
		}
		line = strings.ReplaceAll(line, "LFTP | Version", "lftp")
		line, _, _ = strings.Cut(line, " | ")
		line, _, _ = strings.Cut(line, ", OpenSSL")
		line, _, _ = strings.Cut(line, " (Library")
		return strings.TrimSpace(line)
	}
	return ""
}

// field takes a value out of a file with lines "name: value".
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func gibibytes(text string) string {
	var kib int64
	if _, err := fmt.Sscanf(text, "%d kB", &kib); err != nil {
		return text
	}
	return fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
}

// flushTime is how long it takes to write a small file and flush it.
func flushTime(dir string) (time.Duration, error) {
	const n = 50
	begin := time.Now()
	for range n {
		name := filepath.Join(dir, "flush")
		f, err := os.Create(name)
		if err != nil {
			return 0, err
		}
		_, err = f.Write(make([]byte, declarationSize))
		if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(name)); err != nil {
			return 0, err
		}
	}
	return time.Since(begin) / n, nil
}

const beginMark, endMark = "<!-- bench -->\n", "<!-- /bench -->\n"

// writeBetweenMarks replaces what stands between the marks of a file; a file
// that is not there is made.
func writeBetweenMarks(path, text string) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		old, err = []byte("# Performance\n\n"+beginMark+endMark), os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		return err
	}
	head, rest, ok1 := bytes.Cut(old, []byte(beginMark))
	_, tail, ok2 := bytes.Cut(rest, []byte(endMark))
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q: nothing was written", path, beginMark, endMark)
	}
	out := string(head) + beginMark + text + endMark + string(tail)
	return os.WriteFile(path, []byte(out), 0o644)
}
