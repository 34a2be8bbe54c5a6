package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/socbatch/socbatch/internal/sandbox"
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
