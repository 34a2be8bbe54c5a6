package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/internal/testsshd"
	"github.com/socbatch/socbatch/naming"
)

// openSSH is the sshd and sftp-server of the machine. The office looks into the
// same folders, as the real one does: it knows what they show and no more. No
// request is seen here; so blows strike at steps of a client, which waits there
// or goes on.
type openSSH struct {
	*stand
	dir  string
	sshd *testsshd.Server

	stopWatch func()

	checking sync.Mutex
	read     int             // events of the journal
	replies  []sandbox.Event // that are on the server, at least in part
	fetched  map[string]bool // reply files that were found deleted, by folder/name
}

// lookEvery is how often the office looks into the folders, and the driver for
// replies that are gone.
const lookEvery = 2 * time.Millisecond

func newOpenSSH(st *stand, dir string) (*openSSH, error) {
	o := &openSSH{stand: st, dir: dir, fetched: map[string]bool{}}
	st.setup.Watch = lookEvery
	office, err := sandbox.New(st.setup)
	if err != nil {
		return nil, err
	}
	if err := office.Start(context.Background()); err != nil {
		return nil, errors.Join(err, office.Close())
	}
	st.office = office
	ctx, stop := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			o.check()
			<-tick.C
		}
	})
	o.stopWatch = func() { stop(); watch.Wait() }
	return o, nil
}

func (o *openSSH) start(patience time.Duration) error {
	if o.sshd != nil {
		return patiently(patience, o.sshd.Up)
	}
	conf, err := os.MkdirTemp(o.dir, "sshd-")
	if err != nil {
		return err
	}
	var deny []string
	if slices.Contains(o.setup.Scenario.Faults.ForbidIn, "stat") {
		deny = []string{"stat", "lstat", "fstat"}
	}
	o.sshd, err = testsshd.New(conf, o.setup.Dir, testsshd.Options{
		HostKeys: []string{"ed25519"}, UserKeys: o.setup.AuthorizedKeys, NoUserKey: true,
		External: true, Deny: deny, Port: o.setup.Port,
	})
	return err
}

func (o *openSSH) stop() error {
	o.sshd.Down()
	return nil
}

func (o *openSSH) close() error {
	o.stopWatch()
	if o.sshd != nil {
		o.sshd.Close()
	}
	return o.current().Close()
}

func (o *openSSH) cut() { o.sshd.KillSessions() }

func (o *openSSH) killSFTP() { o.sshd.KillSFTPServers() }

func (o *openSSH) address() (addr, user, fingerprint string) {
	return o.sshd.Addr(), o.sshd.User, o.sshd.Fingerprint()
}

func (o *openSSH) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, idleTime)
	defer cancel()
	if err := o.sshd.Idle(ctx); err != nil {
		return err
	}
	o.look()
	return nil
}

func (o *openSSH) look() {
	o.current().Look()
	o.check()
}

// check finds the reply files that clients have deleted, and whether that was
// too early: what is gone must be stored, and stay so, so that it does not
// matter how long ago it was deleted.
func (o *openSSH) check() {
	o.checking.Lock()
	defer o.checking.Unlock()
	events := o.current().Journal()
	for _, e := range events[o.read:] {
		if e.Kind == sandbox.Replied {
			o.replies = append(o.replies, e)
		}
	}
	o.read = len(events)
	o.replies = slices.DeleteFunc(o.replies, o.gone)
}

// gone checks one reply, and reports whether nothing of it is left.
func (o *openSSH) gone(e sandbox.Event) bool {
	n, err := naming.Parse(e.Name)
	if err != nil {
		o.violation("the office's own reply: %v", err)
		return true
	}
	// The GO is looked for first: when it is gone, so are the others.
	goGone := o.absent(e.Folder, n.WithKind(naming.GO).String())
	left := !goGone
	for _, f := range e.Files {
		if !o.absent(e.Folder, f.Name) {
			left = true
			if goGone {
				o.violation("the GO of %s/%s is deleted while that is still there", e.Folder, f.Name)
				return true
			}
			continue
		}
		if key := e.Folder + "/" + f.Name; !o.fetched[key] {
			o.fetched[key] = true
			if err := o.stored(environmentOf(e.Folder), f.Name, f.SHA256); err != nil {
				o.violation("%s is deleted on the server before it is stored: %v", key, err)
			}
		}
	}
	return !left
}

func (o *openSSH) absent(folder, name string) bool {
	_, err := os.Lstat(filepath.Join(o.setup.Dir, folder, name))
	return errors.Is(err, os.ErrNotExist)
}
