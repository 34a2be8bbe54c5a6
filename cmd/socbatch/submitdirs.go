package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// submitDirs sends what is ready in directories.
func submitDirs(ctx context.Context, a *app, o submitOptions) error {
	s, err := newSubmission(a, o)
	if err != nil {
		return err
	}
	if o.parts || o.resubmit {
		return usagef("--parts and --resubmit go with files, and %s is a directory; nothing was sent", o.files[0])
	}
	dirs, env, err := namedDirs(o, s.config)
	if err != nil {
		return err
	}
	s.to(a, env)
	if o.dryRun {
		return dryRunDirs(ctx, a, s, dirs)
	}
	return s.underLock(ctx, a, func(l *ledger.Ledger, link *link) error {
		link.once = o.wait == 0
		e := &emptying{app: a, base: s, ledger: l, link: link}
		for _, d := range dirs {
			if err := e.directory(ctx, d); err != nil {
				e.fail(err)
			}
			if ctx.Err() != nil {
				break
			}
		}
		tidy(ctx, a, s.config, l)
		a.sealFinished(ctx, s.config, l, "socbatch submit", nil, len(e.outcomes))
		if len(e.outcomes)+len(e.errs) == 0 {
			a.ui.say("nothing to send")
		}
		return s.waitAndFinish(ctx, a, l, link, e.results)
	})
}

// dryRunDirs shows what would be sent, and what would be put aside.
func dryRunDirs(ctx context.Context, a *app, s *submission, dirs []config.Outgoing) error {
	e := &emptying{app: a, base: s}
	for _, o := range dirs {
		d, names, err := e.open(o)
		if err != nil {
			e.fail(err)
			continue
		}
		jobs, wrong, err := e.plan(ctx, d, names, o)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			e.tell(w, "")
			e.add(w, nil)
		}
		if len(jobs) == 0 {
			continue
		}
		if err := s.loadIdentity(ctx, a); err != nil {
			return err
		}
		one := *s
		one.jobs, one.options.application = jobs, o.Application
		outcomes, err := one.preview(ctx, a)
		if err != nil {
			return err
		}
		for _, x := range outcomes {
			e.add(x, nil)
		}
	}
	return s.endDryRun(a, e.results)
}

// fail notes what concerns no single file. The same broken connection is told
// once.
func (e *emptying) fail(err error) {
	e.errs = append(e.errs, err)
	if e.link == nil || !e.link.toldAlready(err) {
		e.app.ui.tell(err)
	}
}

// namedDirs are the directories that were named, with what the configuration says of
// them, and the environment of all.
func namedDirs(o submitOptions, c config.Config) ([]config.Outgoing, naming.Environment, error) {
	var dirs []config.Outgoing
	env := o.environment
	for _, f := range o.files {
		if !isDir(f) {
			return nil, "", usagef("%s is no directory: give files or directories, not both; nothing was sent", f)
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, "", err
		}
		d := config.Outgoing{Dir: abs, Application: o.application}
		if known := configured(abs, c); known != nil {
			switch {
			case env == "" && known.Environment == string(naming.Production):
				return nil, "", usagef("%s is for production: say so with --env R; nothing was sent", f)
			case env == "":
				env = known.Environment
			}
			d.Environment = known.Environment
			if d.Application == "" {
				d.Application = known.Application
			}
		}
		dirs = append(dirs, d)
	}
	to, err := environmentOf(env, c, nil)
	for _, d := range dirs {
		if err == nil && d.Environment != "" && d.Environment != string(to) {
			err = usagef("%s is configured for environment %s, and its files were to go to %s; nothing was sent", d.Dir, d.Environment, to)
		}
	}
	return dirs, to, err
}

// configured finds a directory in the configuration.
func configured(dir string, c config.Config) *config.Outgoing {
	info, err := os.Stat(dir)
	if err != nil {
		return nil
	}
	for i, o := range c.Outgoing {
		if there, err := os.Stat(o.Dir); err == nil && os.SameFile(info, there) {
			return &c.Outgoing[i]
		}
	}
	return nil
}
