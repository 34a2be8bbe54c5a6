package app

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
)

// send delivers the jobs and gives what became of them.
func (s *submission) send(ctx context.Context) (res SubmitResult, err error) {
	w, err := s.openToSend(ctx, s.config.Sender, s.env, s.request.LockWait)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	outcomes, err := s.deliver(ctx, w.ledger, w.link)
	if err != nil {
		return res, err
	}
	for _, o := range outcomes {
		s.event(FilesDone{Result: o})
	}
	s.tidy(ctx, w.ledger)
	s.sealFinished(ctx, w.ledger, nil, len(outcomes))
	return s.waitAndFinish(ctx, w, resultsOf(outcomes))
}

// waitAndFinish waits for the answers where that was asked for.
func (s *submission) waitAndFinish(ctx context.Context, w *opened, r results) (SubmitResult, error) {
	var latest []inbox.Submission
	if s.request.Wait > 0 && ctx.Err() == nil {
		var err error
		if latest, err = s.await(ctx, w, r.files); err != nil {
			return SubmitResult{}, err
		}
	}
	return s.finish(r, latest)
}

func (s *submission) submitter(spool *inbox.Spool, l inbox.Ledger) *inbox.Submitter {
	r := s.request
	sub := &inbox.Submitter{
		Spool: spool, Ledger: l, Sender: s.config.Sender, Environment: s.env, Application: s.application, Meant: r.Application,
		Freeze: inbox.FreezeOptions{
			Identity: s.identity, Sign: sign.Options{IncludeChain: s.config.Identity.IncludeChain}, Text: s.text,
			MaxSize: s.config.Declaration.MaxSize, CRLF: r.CRLF, Now: s.Now(),
		},
		SkipChecks: r.SkipChecks, Again: r.Resubmit, Reason: r.Reason, ToMove: s.toMove, Now: s.Now,
	}
	if s.schemas != nil {
		sub.Freeze.Validate = func(ctx context.Context, location string, doc io.Reader) ([]declaration.Fault, error) {
			faults, _, err := CompareWithSchema(ctx, s.schemas, location, doc, false)
			return faults, err
		}
	}
	if s.identity != nil {
		sub.SignedBy = sign.Describe(s.identity.Certificate()).Owner
	}
	return sub
}

// preview gives what would be sent.
func (s *submission) preview(ctx context.Context) ([]inbox.JobResult, error) {
	dir, err := os.MkdirTemp("", "socbatch-dry-run-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path := WorkspaceOf(s.config).Ledger()
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(dir, "ledger.db") // none yet, and none is made
	}
	l, err := s.OpenLedgerAt(ctx, path)
	if err != nil {
		return nil, err
	}
	defer l.Close() //nolint:errcheck // nothing was written
	outcomes := s.submitter(inbox.NewSpool(dir, s.Disk), l).Preview(ctx, s.jobs, l.Preview)
	for _, o := range outcomes {
		s.event(Previewed{o})
	}
	return outcomes, nil
}

// deliver sends the jobs, and gives what became of each. The error says that
// nothing was sent at all.
func (s *submission) deliver(ctx context.Context, l ledger.Ledger, link *link) ([]inbox.JobResult, error) {
	c := s.config
	progress := Progress{Phase: Sending}
	for _, j := range s.jobs {
		for _, f := range j.Files {
			if info, err := os.Stat(f); err == nil {
				progress.Total += info.Size()
			}
		}
	}
	s.progress(progress)
	spool := s.spool(c)
	submitter := s.submitter(spool, l)
	var mu sync.Mutex
	submitter.Deliverer = func(ctx context.Context) (*inbox.Deliverer, error) {
		session, err := link.open(ctx)
		if err != nil {
			return nil, err
		}
		d := inbox.NewDeliverer(session, l, spool, inbox.Options{
			Parallel: c.Endpoint.Parallel, Pause: s.request.Pause,
			Observe: func(e inbox.Event) {
				mu.Lock()
				defer mu.Unlock()
				s.Log.Debug(string(e.Kind), "set", e.Set.String(), "file", e.File, "bytes", e.Size)
				if strings.HasPrefix(e.File, string(naming.FI)) {
					p := progress
					p.Added = e.Size
					s.progress(p)
				}
			},
		})
		if s.settled {
			return d, nil
		}
		return d, s.settleLeft(ctx, l, d, c.Sender, s.env)
	}
	outcomes, err := submitter.Run(ctx, s.jobs)
	progress.Ended = true
	s.progress(progress)
	if err != nil {
		return nil, err
	}
	for i := range outcomes {
		s.refresh(ctx, l, &outcomes[i])
		if outcomes[i].Err == nil {
			s.event(Sent{outcomes[i].Submission})
		}
	}
	return outcomes, nil
}

// refresh takes the set of an outcome as the ledger has it now, with its times
// and its note.
func (s *submission) refresh(ctx context.Context, l ledger.Ledger, o *inbox.JobResult) {
	if o.Submission.ID == 0 {
		return
	}
	now, err := l.Submission(context.WithoutCancel(ctx), o.Submission.ID)
	if err != nil {
		return
	}
	o.Submission = now
	var already *inbox.AlreadyError
	if errors.As(o.Err, &already) && already.Existing.ID == now.ID {
		already.Existing = now
	}
}

// settleLeft looks what became of sets whose outcome an earlier run left
// unknown. What cannot be settled now stays for Resume.
func (c *call) settleLeft(ctx context.Context, l ledger.Ledger, d *inbox.Deliverer, sender string, env naming.Environment) error {
	left, err := l.Submissions(ctx, ledger.Filter{Sender: sender, Environment: env, States: []inbox.State{inbox.Unknown}})
	if err != nil || len(left) == 0 {
		return err
	}
	c.event(Settling{len(left)})
	sets := make([]*inbox.Submission, len(left))
	for i := range left {
		sets[i] = &left[i]
	}
	err = d.Settle(ctx, sets)
	for _, s := range sets {
		if s.State != inbox.Unknown {
			c.event(Settled{*s})
		}
	}
	if err != nil && (transport.ClassOf(err) == transport.Temporary || transport.ClassOf(err) == transport.Cancelled) {
		return err
	}
	if err != nil {
		c.event(SettleFailed{err})
	}
	return nil
}
