package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/naming"
)

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
