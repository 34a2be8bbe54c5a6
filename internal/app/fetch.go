package app

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
)

// FetchRequest asks for the replies.
type FetchRequest struct {
	Config          config.Config
	Environments    []string // R, T, S; empty: the configured one
	Keep            bool     // leave everything on the server
	Incomplete      bool     // store also replies whose GO does not come
	DeleteConflicts bool     // delete replies that came a second time with other contents
	// Wait goes on until every sent declaration is answered, at most so long; 0:
	// one look. Interval is the time between two looks at first.
	Wait, Interval time.Duration
	LockWait       time.Duration
	Pause          time.Duration // between two looks at a set whose outcome is unknown
}

// Fetch stores the replies that are there, and ties them to what they answer. The
// error is that of the whole.
func (a *App) Fetch(ctx context.Context, r FetchRequest, o Observer) (res FetchResult, err error) {
	c := a.call(r.Config, o)
	c.command = "fetch"
	defer func() { c.end(ctx, res, err) }()
	envs, err := Environments(r.Environments, c.config)
	if err != nil {
		return res, err
	}
	c.environments = envs
	link, err := c.newLink(ctx)
	if err != nil {
		return res, err
	}
	defer link.drop()
	l, err := a.OpenLedger(ctx, c.config)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	res.Begun = true
	look := func(ctx context.Context) (done bool, err error) {
		anew := link.session == nil
		session, err := link.open(ctx)
		if err != nil {
			return false, err
		}
		if anew {
			if err := c.settleBeforeFetch(ctx, l, link, envs, r); err != nil {
				return false, err
			}
		}
		got, err := c.fetchOnce(ctx, l, session, envs, r)
		res.Reports, res.Read = append(res.Reports, got.Reports...), append(res.Read, got.Read...)
		c.event(NameUsed{answeredSets(got.Read)})
		if err != nil {
			link.drop()
			return false, err
		}
		open, err := awaited(ctx, l, envs)
		return open == 0, err
	}
	if r.Wait <= 0 {
		if _, err := look(ctx); err != nil {
			return res, err
		}
		return res, res.Error()
	}
	err = c.poll(ctx, r.Wait, r.Interval, look)
	if errors.Is(err, errNoAnswer) {
		open, err := awaited(ctx, l, envs)
		if err != nil {
			return res, err
		}
		return res, failure.New(failure.NoAnswer, problem.New("no final answer yet to %s sent from here", lang.N(open, "%d declaration", "%d declarations")))
	}
	if err != nil {
		return res, err
	}
	return res, res.Error()
}

// settleBeforeFetch looks what became of unknown sets of every sender, unless
// somebody is sending for that one: then that process settles them.
func (c *call) settleBeforeFetch(ctx context.Context, l ledger.Ledger, link *link, envs []naming.Environment, r FetchRequest) error {
	for _, env := range envs {
		left, err := l.Submissions(ctx, ledger.Filter{Environment: env, States: []inbox.State{inbox.Unknown}})
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, s := range left {
			if seen[s.Set.Sender] {
				continue
			}
			seen[s.Set.Sender] = true
			if err := c.settleSender(ctx, l, link, s.Set.Sender, env, r.Pause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *call) settleSender(ctx context.Context, l ledger.Ledger, link *link, sender string, env naming.Environment, pause time.Duration) error {
	held, err := c.lock(ctx, SendLock(sender, env), 0)
	var busy *lock.HeldError
	if errors.As(err, &busy) {
		return nil
	}
	if err != nil {
		return err
	}
	d, err := link.deliverer(ctx, l, pause)
	if err == nil {
		err = c.settleLeft(ctx, l, d, sender, env)
	}
	return errors.Join(err, held.Release())
}

// fetchOnce stores what is there now, and reads it. What one set does wrong
// stands in the reports; the error is about a folder or the ledger.
func (c *call) fetchOnce(ctx context.Context, l ledger.Ledger, session transport.Session, envs []naming.Environment, r FetchRequest) (FetchResult, error) {
	var out FetchResult
	reader, err := c.ReplyReader(c.config, l)
	if err != nil {
		return out, err
	}
	var errs []error
	for _, env := range envs {
		rep, err := c.fetchFolder(ctx, l, reader, session, env, r)
		out.Reports = append(out.Reports, rep)
		if err != nil {
			errs = append(errs, problem.New("folder %s: %s", env.Outbox(), err))
			if transport.ClassOf(err) != transport.Permanent {
				break
			}
		}
	}
	out.Read, err = reader.Unread(context.WithoutCancel(ctx))
	errs = append(errs, err)
	c.event(Fetched{c.config, out})
	c.callHooks(ctx, l)
	c.sealFinished(ctx, l, envs, len(out.Read))
	return out, errors.Join(errs...)
}

func (c *call) fetchFolder(ctx context.Context, l ledger.Ledger, reader *answers.Reader, session transport.Session, env naming.Environment, r FetchRequest) (rep outbox.Report, err error) {
	held, err := lock.Acquire(ctx, WorkspaceOf(c.config).Locks(), FetchLock(env), "socbatch fetch", r.LockWait)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	progress := Progress{Phase: Fetching, Folder: env.Outbox(), Total: -1}
	c.progress(progress)
	defer func() {
		progress.Ended = true
		c.progress(progress)
	}()
	options := outbox.Options{
		Archive: c.config.Replies.Archive, Parallel: c.config.Endpoint.Parallel, Keep: r.Keep, DeleteConflicts: r.DeleteConflicts, Now: c.Now, Disk: c.Disk,
		SealedSuffix: seal.Suffix,
		Observe: func(s outbox.ReplySet) {
			c.Log.Debug("stored", "set", s.GO, "replies", len(s.Replies))
			p := progress
			p.Added = 1
			c.progress(p)
		},
	}
	if r.Incomplete {
		options.Incomplete = time.Duration(c.config.Replies.IncompleteAfter)
	}
	if c.config.Replies.RequireSignature {
		options.Verify = demandSignature(l, reader)
	}
	return outbox.NewFetcher(session, l, options).Fetch(ctx, env)
}

// demandSignature refuses replies whose signature is not valid.
func demandSignature(l ledger.Ledger, reader *answers.Reader) func(context.Context, int64) error {
	return func(ctx context.Context, id int64) error {
		r, err := l.Reply(ctx, id)
		if err != nil {
			return err
		}
		if s := reader.Signature(r); !answers.Valid(s) {
			return &outbox.UnverifiedError{Reason: s}
		}
		return nil
	}
}

// awaited counts the sets that were sent and have no final answer.
func awaited(ctx context.Context, l ledger.Ledger, envs []naming.Environment) (int, error) {
	n := 0
	for _, env := range envs {
		open, err := l.Submissions(ctx, ledger.Filter{Environment: env, States: []inbox.State{inbox.Sent, inbox.Received}})
		if err != nil {
			return 0, err
		}
		n += len(open)
	}
	return n, nil
}

// answeredSets are the sets that replies answer, each once.
func answeredSets(read []answers.Result) []inbox.Submission {
	var sets []inbox.Submission
	seen := map[int64]bool{}
	for _, r := range read {
		for _, s := range r.Submissions {
			if !seen[s.ID] {
				seen[s.ID] = true
				sets = append(sets, s)
			}
		}
	}
	return sets
}

// ReplyReader reads what was fetched.
func (a *App) ReplyReader(c config.Config, l ledger.Ledger) (*answers.Reader, error) {
	roots, err := ReplyRoots(c)
	if err != nil {
		return nil, err
	}
	return &answers.Reader{Ledger: l, Archive: c.Replies.Archive, Roots: roots, Demand: c.Replies.RequireSignature, Now: a.Now}, nil
}

// ReplyRoots are the certificates to trust for replies; nil where none are
// configured.
func ReplyRoots(c config.Config) (*x509.CertPool, error) {
	if c.Replies.TrustedRoots == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.Replies.TrustedRoots)
	if err != nil {
		return nil, &config.Error{Key: "replies.trusted_roots", Problem: err}
	}
	certs, err := sign.ParseCertificates(data)
	if err != nil {
		return nil, &config.Error{Key: "replies.trusted_roots", Problem: problem.New("%s: %s", c.Replies.TrustedRoots, err)}
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// Tally counts what became of the single sets.
func (f FetchResult) Tally() failure.Tally {
	var t failure.Tally
	for _, r := range f.Reports {
		for _, s := range r.Sets {
			t.Add(setError(s))
		}
	}
	return t
}

// Error is that of the whole, as far as single sets are concerned.
func (f FetchResult) Error() error {
	t := f.Tally()
	return Reported(t.Result(failure.Together))
}

// New counts the sets of which something was stored.
func (f FetchResult) New() int {
	n := 0
	for _, r := range f.Reports {
		for _, s := range r.Sets {
			if s.New {
				n++
			}
		}
	}
	return n
}

// setError is what went wrong with a set. A GO whose reply is not there yet is
// no failure: it is on its way.
func setError(s outbox.ReplySet) error {
	var incomplete *outbox.IncompleteError
	if errors.As(s.Err, &incomplete) {
		return nil
	}
	return s.Err
}
