package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/sftp"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// A part is a piece of socbatch that runs as a program of its own, so that it
// can be measured beside a peer that does no more than that piece.
//
//	part deliver CONFIG PARALLEL   sends the sets that are prepared in the ledger
//	part fetch CONFIG              stores and deletes the replies, and does not read them
//	part list CONFIG DIR COUNT     lists a folder
//	part put CONFIG FILE PATH      sends one file
//	part get CONFIG PATH FILE      fetches one file
//
// With SOCBATCH_BENCH_PROFILE=FILE it leaves a CPU profile there.
func part(args []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if name := os.Getenv("SOCBATCH_BENCH_PROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // a profile
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if len(args) < 2 {
		return errors.New("no such part")
	}
	c, _, err := config.Load(args[1], func(string) string { return "" })
	if err != nil {
		return err
	}
	p := &parts{config: c, args: args[2:]}
	do, ok := map[string]func(context.Context) error{
		"deliver": p.deliver, "fetch": p.fetch, "list": p.list, "put": p.put, "get": p.get,
	}[args[0]]
	if !ok {
		return errors.New("no such part: " + args[0])
	}
	return do(ctx)
}

type parts struct {
	config config.Config
	args   []string
}

func (p *parts) dial(ctx context.Context) (*sftp.Session, error) {
	e := p.config.Endpoint
	text, err := os.ReadFile(e.Key)
	if err != nil {
		return nil, err
	}
	key, err := sshkey.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	verifier, err := hostkey.New(e.HostKeys)
	if err != nil {
		return nil, err
	}
	return sftp.Dial(ctx, sftp.Endpoint{Host: e.Host, Port: e.Port, User: e.User, Keys: []ssh.Signer{key}, HostKeys: verifier}, sftp.Options{})
}

func (p *parts) ledger(ctx context.Context) (ledger.Ledger, error) {
	return sqlite.Open(ctx, filepath.Join(p.config.StateDir, "ledger.db"), sqlite.Options{})
}

func (p *parts) spool() *inbox.Spool {
	return inbox.NewSpool(filepath.Join(p.config.StateDir, "spool"), &durable.Disk{})
}

func (p *parts) deliver(ctx context.Context) error {
	parallel, err := strconv.Atoi(p.args[0])
	if err != nil {
		return err
	}
	l, err := p.ledger(ctx)
	if err != nil {
		return err
	}
	sets, err := l.Submissions(ctx, ledger.Filter{States: []inbox.State{inbox.Prepared}})
	if err != nil {
		return err
	}
	session, err := p.dial(ctx)
	if err != nil {
		return err
	}
	d := inbox.NewDeliverer(session, l, p.spool(), inbox.Options{Parallel: parallel})
	limit := make(chan struct{}, parallel+8) // as inbox.Submitter does it
	errs := make([]error, len(sets))
	var wg sync.WaitGroup
	for i := range sets {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			errs[i] = d.Deliver(ctx, &sets[i])
		})
	}
	wg.Wait()
	return errors.Join(append(errs, session.Close(), l.Close())...)
}

func (p *parts) fetch(ctx context.Context) error {
	l, err := p.ledger(ctx)
	if err != nil {
		return err
	}
	session, err := p.dial(ctx)
	if err != nil {
		return err
	}
	r, err := outbox.NewFetcher(session, l, outbox.Options{Archive: p.config.Replies.Archive, Parallel: p.config.Endpoint.Parallel}).Fetch(ctx, naming.Production)
	errs := []error{err}
	for _, s := range r.Sets {
		errs = append(errs, s.Err)
	}
	if len(r.Left) > 0 {
		errs = append(errs, fmt.Errorf("%d files were left", len(r.Left)))
	}
	return errors.Join(append(errs, session.Close(), l.Close())...)
}

func (p *parts) list(ctx context.Context) error {
	session, err := p.dial(ctx)
	if err != nil {
		return err
	}
	n := 0
	err = session.List(ctx, p.args[0], func(transport.Entry) error { n++; return nil })
	if want := p.args[1]; err == nil && want != strconv.Itoa(n) {
		err = fmt.Errorf("%d names were listed, there are %s", n, want)
	}
	return errors.Join(err, session.Close())
}

func (p *parts) put(ctx context.Context) error {
	f, err := os.Open(p.args[0])
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	session, err := p.dial(ctx)
	if err != nil {
		return err
	}
	// As inbox does it: nothing but Read, so that every byte passes through us.
	return errors.Join(session.Put(ctx, p.args[1], struct{ io.Reader }{f}, info.Size()), session.Close())
}

func (p *parts) get(ctx context.Context) error {
	session, err := p.dial(ctx)
	if err != nil {
		return err
	}
	f, err := os.Create(p.args[1])
	if err != nil {
		return err
	}
	e, err := session.Stat(ctx, p.args[0])
	if err == nil {
		_, err = session.Get(ctx, p.args[0], struct{ io.Writer }{f}, e.Size)
	}
	return errors.Join(err, f.Close(), session.Close())
}
