package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// Exit codes of the client that are expected somewhere; 1 and 2 never are.
const (
	done      = 0
	partly    = 3
	temporary = 5
	already   = 7
	noAnswer  = 8
	unknown   = 9
	locked    = 11
)

// result is what came of a schedule.
type result struct {
	name           string
	acts, commands int
	blows          []*strike
	struck         bool // the last blow did
	leftover       []string
	violations     []string
	log            []string
}

// performance is a schedule while it runs.
type performance struct {
	*schedule
	*stand
	binary       string
	dir          string
	declarations []*declaration
	result       result
	byHand       map[string]bool // sets that a person gave up: their files stay in IN
}

// run carries the schedule out in an empty directory. The error is about the
// driver; what the client did wrong stands in the result.
func (s *schedule) run(ctx context.Context, t *template, binary, dir string) (*result, error) {
	if err := os.MkdirAll(filepath.Join(dir, "declarations"), 0o700); err != nil {
		return nil, err
	}
	st, err := newStand(t, dir, s.server)
	if err != nil {
		return nil, err
	}
	defer func() { t.ports <- st.setup.Port }()
	p := &performance{schedule: s, stand: st, binary: binary, dir: dir, byHand: map[string]bool{}}
	p.result.name = s.name
	p.logf("server: %+v", s.server)
	for i, shape := range s.declarations {
		d, err := shape.write(filepath.Join(dir, "declarations"), i)
		if err != nil {
			return nil, err
		}
		p.declarations = append(p.declarations, d)
		p.logf("#%d: %s", i, shape)
	}
	err = p.perform(ctx)
	if cerr := st.close(); err == nil {
		err = cerr
	}
	p.result.violations = st.violations
	return &p.result, err
}

func (p *performance) logf(format string, args ...any) {
	p.result.log = append(p.result.log, fmt.Sprintf(format, args...))
}

func (p *performance) perform(ctx context.Context) error {
	for _, a := range p.acts {
		p.result.acts++
		if err := p.act(ctx, a); err != nil {
			return err
		}
	}
	p.logf("— no more blows: everything is brought to its end —")
	if err := p.calm(); err != nil {
		return err
	}
	if err := p.quiet(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	return p.verdict(ctx)
}

// act runs the commands of an act at once, under its blow.
func (p *performance) act(ctx context.Context, a act) error {
	if ctx.Err() != nil {
		return nil
	}
	p.logf("— %s", a)
	if a.flush {
		p.current().Flush()
	}
	crashLog := filepath.Join(p.dir, "crash.log")
	if err := os.WriteFile(crashLog, nil, 0o600); err != nil {
		return err
	}
	s := &strike{blow: a.blow, restarted: make(chan error, 1)}
	var running []*process
	var commands []command
	for i, c := range a.commands {
		args, err := p.arguments(c)
		if err != nil {
			return err
		}
		if args == nil {
			p.logf("  nothing to %s", c.verb)
			continue
		}
		var env []string
		if i == a.victim {
			env = p.planted(a.blow, crashLog)
		}
		proc := newProcess(p.binary, p.client, env, args)
		if i == a.victim {
			s.victim = proc
		}
		running, commands = append(running, proc), append(commands, c)
	}
	if len(running) == 0 {
		return nil
	}
	end := func() error { return nil }
	if a.blow.what != "" && s.victim != nil {
		p.arm(s)
		p.result.blows = append(p.result.blows, s)
		var err error
		if end, err = p.begin(s); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(running))
	for i, proc := range running {
		wg.Go(func() { errs[i] = proc.run() })
	}
	wg.Wait()
	p.arm(nil)
	errs = append(errs, end())
	if err := errors.Join(append(errs, p.idle(ctx))...); err != nil {
		return err
	}
	if a.blow.what != "" && s.victim != nil {
		if err := p.aftermath(s, crashLog); err != nil {
			return err
		}
	}
	for i, proc := range running {
		p.judge(proc, p.expected(commands[i], a, s.fired))
	}
	return nil
}

// begin lets a blow begin that waits for no request. The function returned ends
// it, when the commands have ended.
func (p *performance) begin(s *strike) (end func() error, err error) {
	switch {
	case s.mode == atStep:
		return p.ambush(s)
	case s.what == away:
		s.fired, s.where = true, "connect"
		return func() error { return p.start(10 * time.Second) }, p.stop()
	case s.what == killTime:
		timer := time.AfterFunc(s.time, func() { s.victim.kill() })
		return func() error { timer.Stop(); return nil }, nil
	}
	return func() error {
		if s.what == restart && s.fired {
			return <-s.restarted
		}
		return nil
	}, nil
}

// planted is what makes a client stop at a step of its own.
func (p *performance) planted(b blow, crashLog string) []string {
	env := []string{"SOCBATCH_CRASH_AT=" + strconv.Itoa(b.at), "SOCBATCH_CRASH_ON=" + b.on}
	switch {
	case b.what == killPoint:
		return append(env, "SOCBATCH_CRASH_LOG="+crashLog)
	case b.mode == atStep:
		return append(env, "SOCBATCH_CRASH_TELL="+p.socket())
	}
	return nil
}

func (p *performance) socket() string { return filepath.Join(p.dir, "step") }

// ambush strikes the server when the victim is at its step. The victim waits
// there until it is done; where the blow has a time, it goes on, and the blow
// comes so much later. The function returned waits for the end of it.
func (p *performance) ambush(s *strike) (struck func() error, err error) {
	l, err := net.Listen("unix", p.socket())
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- p.await(l, s) }()
	return func() error {
		err := l.Close()
		return errors.Join(err, <-done)
	}, nil
}

func (p *performance) await(l net.Listener, s *strike) error {
	c, err := l.Accept()
	if err != nil {
		return nil // the command ended before
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return nil
	}
	s.fired, s.where = true, stepName(strings.TrimSpace(line), p.client)
	if s.time > 0 {
		c.Close()
		time.Sleep(s.time)
	}
	switch s.what {
	case cut:
		p.cut()
	case killSFTP:
		p.killSFTP()
	case restart:
		err = p.restart()
	}
	p.look()
	return err
}

// aftermath finds out whether the blow struck, and where.
func (p *performance) aftermath(s *strike, crashLog string) error {
	switch s.what {
	case killPoint:
		text, err := os.ReadFile(crashLog)
		if err != nil {
			return err
		}
		if s.fired = len(text) > 0; s.fired {
			s.victim.killed = true
			s.where = stepName(strings.TrimSpace(string(text)), p.client)
		}
	case killTime:
		s.fired = s.victim.code < 0
		s.where = "some time"
	}
	p.result.struck = s.fired
	if s.fired {
		p.logf("  struck: %s", s.where)
	} else {
		p.logf("  not struck")
	}
	return nil
}

var stepWords = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`spool/\d{8}T\d{6}-[0-9a-f]{12}`), "spool/SET"},
	{regexp.MustCompile(`\d{4}-\d{2}-\d{2}`), "DAY"},
	{regexp.MustCompile(`\b(FO|CO|FS|GO)\.[A-Z]+\.[0-9A-Z.]+`), "$1"},
	{regexp.MustCompile(`\.incoming/\d+`), ".incoming/TEMP"},
	{regexp.MustCompile(`\.(fi|new)-\d+`), ".$1-TEMP"},
	{regexp.MustCompile(`/[12]\.(FI|FS)\b`), "/PART.$1"},
	{regexp.MustCompile(`replies/[RTS]\b`), "replies/ENV"},
	{regexp.MustCompile(` /\S+/client$`), " client"},
}

// stepName takes out of a step what is different in every run.
func stepName(line, client string) string {
	line = strings.ReplaceAll(line, client+string(filepath.Separator), "")
	for _, w := range stepWords {
		line = w.pattern.ReplaceAllString(line, w.word)
	}
	return line
}

// arguments makes the command line; nil where there is nothing for it to do.
func (p *performance) arguments(c command) ([]string, error) {
	args := []string{"--config", p.config, "--json", string(c.verb), "--timeout", "30s"}
	var envs []string
	for _, e := range c.environments {
		envs = append(envs, string(e))
	}
	settle := []string{"--settle-pause", p.settlePause(), "--env", strings.Join(envs, ",")}
	switch c.verb {
	case submit:
		args = append(args, settle...)
		if p.declarations[c.declarations[0]].shape.parts() > 1 {
			args = append(args, "--parts")
		}
		args = append(args, c.flags...)
		for _, i := range c.declarations {
			args = append(args, p.declarations[i].files...)
		}
		return args, nil
	case fetch, resume:
		return append(append(args, settle...), c.flags...), nil
	}
	sets, err := p.sets()
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		switch {
		case c.verb == cancel && slices.Contains([]string{"prepared", "uploading", "uploaded", "failed"}, s.State):
			return append(args, s.Name, "--reason", "of the schedule"), nil
		case c.verb == resubmit && s.State == "unknown" && !p.arrived(s):
			p.byHand[s.Name] = true
			return append(args, s.Name, "--reason", "it did not arrive"), nil
		case c.verb == markSent && s.State == "unknown" && p.arrived(s):
			return append(slices.DeleteFunc(args, func(a string) bool { return a == "--timeout" || a == "30s" }), s.Name, "--reason", "it arrived"), nil
		}
	}
	return nil, nil
}

// settlePause is longer than what a client had asked for can be under way when
// it is gone. An sftp-server may outlive its connection for a moment.
func (p *performance) settlePause() string {
	if p.setup.Watch > 0 {
		return "300ms"
	}
	return "100ms"
}

// arrived reports whether the GO of a set ever was on the server.
func (p *performance) arrived(s set) bool {
	for _, e := range p.current().Journal() {
		if e.Kind == sandbox.GoCreated && e.Name == "GO."+s.Name {
			return true
		}
	}
	return false
}

// expected gives the exit codes that a command may have.
func (p *performance) expected(c command, a act, fired bool) []int {
	codes := []int{done}
	add := func(more ...int) { codes = append(codes, more...) }
	noGO := p.setup.Scenario.Faults.RefuseClose != "" || p.setup.Scenario.Faults.RefuseWrite != ""
	switch c.verb {
	case submit:
		add(already)
		if len(c.declarations) > 1 {
			add(partly)
		}
		if slices.Contains(c.flags, "--wait") {
			add(noAnswer)
		}
		fallthrough
	case resume, resubmit:
		if p.schedule.server.noListing() || noGO {
			add(unknown)
		}
	case fetch:
		if noGO {
			add(unknown)
		}
	}
	if fired && a.blow.disturbs() {
		add(temporary, unknown, partly)
	}
	if len(a.commands) > 1 {
		add(locked)
	}
	return codes
}

// judge looks at how a command ended.
func (p *performance) judge(proc *process, expected []int) {
	p.result.commands++
	p.logf("%s", proc.story())
	line := strings.Join(proc.args[3:], " ")
	if err := proc.check(); err != nil {
		p.violation("%s: %v", line, err)
	}
	switch {
	case proc.code < 0 && proc.killed, slices.Contains(expected, proc.code):
	case proc.code < 0:
		p.violation("%s died without being killed", line)
	default:
		p.violation("%s ended with exit code %d; possible were %v", line, proc.code, expected)
	}
}

// command runs a command to its end, without a blow.
func (p *performance) command(ctx context.Context, c command) error {
	return p.act(ctx, act{commands: []command{c}})
}

// set is a set as status --json has it.
type set struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Parts []struct {
		SHA256 string `json:"sha256"`
	} `json:"parts"`
}

func (s set) hashes() []string {
	var all []string
	for _, x := range s.Parts {
		all = append(all, x.SHA256)
	}
	return all
}

// status asks for all sets.
func (p *performance) status() (*process, error) {
	proc := newProcess(p.binary, p.client, nil, []string{"--config", p.config, "--json", "status", "--limit", "0"})
	if err := proc.run(); err != nil {
		return nil, err
	}
	if proc.code != done {
		p.judge(proc, []int{done})
	}
	return proc, nil
}

func (p *performance) sets() ([]set, error) {
	proc, err := p.status()
	if err != nil {
		return nil, err
	}
	var all struct {
		Submissions []set `json:"submissions"`
	}
	if err := json.Unmarshal(proc.out.Bytes(), &all); err != nil {
		return nil, fmt.Errorf("status: %w: %s", err, proc.out.String())
	}
	return all.Submissions, nil
}

// rounds bounds the way to the quiet.
const rounds = 8

// quiet gives every command that a person would give, until nothing changes.
func (p *performance) quiet(ctx context.Context) error {
	last := ""
	for range rounds {
		if err := p.round(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		now, err := p.fingerprint()
		if err != nil {
			return err
		}
		if now == last {
			return nil
		}
		last = now
	}
	p.violation("after %d rounds of submit, resume and fetch something still changes", rounds)
	return nil
}

func (p *performance) round(ctx context.Context) error {
	var commands []command
	var envs []naming.Environment
	singles := map[naming.Environment][]int{}
	for i, d := range p.declarations {
		env := d.shape.environment()
		if !slices.Contains(envs, env) {
			envs = append(envs, env)
		}
		if d.shape.parts() > 1 {
			commands = append(commands, command{verb: submit, declarations: []int{i}, environments: []naming.Environment{env}})
		} else {
			singles[env] = append(singles[env], i)
		}
	}
	for _, env := range envs {
		if len(singles[env]) > 0 {
			commands = append(commands, command{verb: submit, declarations: singles[env], environments: []naming.Environment{env}})
		}
		commands = append(commands, command{verb: resume, environments: []naming.Environment{env}})
	}
	for _, c := range commands {
		if err := p.command(ctx, c); err != nil {
			return err
		}
	}
	p.current().Flush()
	if p.schedule.server.noListing() {
		if err := p.settleByHand(ctx); err != nil {
			return err
		}
	}
	return p.command(ctx, command{verb: fetch, environments: envs})
}

// settleByHand says of every set whose outcome is unknown what is true.
func (p *performance) settleByHand(ctx context.Context) error {
	sets, err := p.sets()
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.State != "unknown" {
			continue
		}
		v := resubmit
		if p.arrived(s) {
			if !p.markSent {
				continue // its answers tell
			}
			v = markSent
		}
		if err := p.command(ctx, command{verb: v}); err != nil {
			return err
		}
	}
	p.current().Flush()
	return nil
}

// fingerprint is everything that a round could change.
func (p *performance) fingerprint() (string, error) {
	proc, err := p.status()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(proc.out.String())
	for _, s := range p.current().Processed() {
		fmt.Fprintln(&b, s.GO, s.Outcome)
	}
	for _, env := range naming.Environments() {
		fmt.Fprintln(&b, p.current().Pending(env))
	}
	err = filepath.WalkDir(filepath.Join(p.client, "replies"), func(path string, _ os.DirEntry, err error) error {
		if err == nil || errors.Is(err, os.ErrNotExist) {
			fmt.Fprintln(&b, path)
			return nil
		}
		return err
	})
	return b.String(), err
}
