package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/naming"
)

// directories sends what is ready in directories.
func (s *submission) directories(ctx context.Context) (res SubmitResult, err error) {
	if s.request.Parts || s.request.Resubmit {
		return res, usagef("--parts and --resubmit go with files, and %s is a directory; nothing was sent", s.request.Files[0])
	}
	dirs, env, err := namedDirs(s.request, s.config)
	if err != nil {
		return res, err
	}
	s.to(env)
	if s.rehearsal {
		return s.previewDirectories(ctx, dirs)
	}
	w, err := s.openToSend(ctx, s.config.Sender, s.env, s.request.LockWait)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.link.once = s.request.Wait == 0
	e := &directorySubmitter{submission: s, ledger: w.ledger, link: w.link}
	for _, d := range dirs {
		if err := e.directory(ctx, d); err != nil {
			e.fail(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	s.tidy(ctx, w.ledger)
	s.sealFinished(ctx, w.ledger, nil, len(e.files))
	if len(e.files)+len(e.errs) == 0 {
		s.event(DirectoryEmpty{})
	}
	return s.waitAndFinish(ctx, w, e.results)
}

// previewDirectories gives what would be sent, and what would be put aside.
func (s *submission) previewDirectories(ctx context.Context, dirs []config.Outgoing) (SubmitResult, error) {
	e := &directorySubmitter{submission: s}
	for _, o := range dirs {
		d, names, err := e.open(o)
		if err != nil {
			e.fail(err)
			continue
		}
		jobs, wrong, err := e.plan(ctx, d, names, o)
		if err != nil {
			return SubmitResult{}, err
		}
		for _, w := range wrong {
			e.report(w, "")
			e.add(w, nil)
		}
		if len(jobs) == 0 {
			continue
		}
		if err := s.loadIdentity(ctx); err != nil {
			return SubmitResult{}, err
		}
		one := *s
		one.jobs, one.application = jobs, o.Application
		outcomes, err := one.preview(ctx)
		if err != nil {
			return SubmitResult{}, err
		}
		for _, x := range outcomes {
			e.add(x, nil)
		}
	}
	return s.finish(e.results, nil)
}

// namedDirs are the directories that were named, with what the configuration says of
// them, and the environment of all.
func namedDirs(r SubmitRequest, c config.Config) ([]config.Outgoing, naming.Environment, error) {
	var dirs []config.Outgoing
	env := r.Environment
	for _, f := range r.Files {
		if !isDir(f) {
			return nil, "", usagef("%s is no directory: give files or directories, not both; nothing was sent", f)
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, "", err
		}
		d := config.Outgoing{Dir: abs, Application: r.Application}
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
	to, err := Environment(env, c, nil)
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
