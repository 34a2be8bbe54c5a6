package app

import (
	"context"
	"errors"

	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/transport"
)

// link is the one connection of a call: made when it is first needed, and made
// anew after it was dropped.
type link struct {
	call     *call
	dial     Dialer
	session  transport.Session
	once     bool  // where it could not be made, that is not tried again
	broken   error // why it could not be made, with once
	reported bool
}

// newLink finds the credentials, and does not connect.
func (c *call) newLink(ctx context.Context) (*link, error) {
	dial, err := c.Connect(ctx, c.config)
	return &link{call: c, dial: dial}, err
}

func (l *link) open(ctx context.Context) (transport.Session, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	if l.session == nil {
		s, err := l.dial(ctx)
		if err != nil && l.once {
			l.broken = err
		}
		if err != nil {
			return nil, err
		}
		l.session = s
	}
	return l.session, nil
}

// deliverer is what sends over the connection.
func (l *link) deliverer(ctx context.Context, led ledger.Ledger, pause time.Duration) (*inbox.Deliverer, error) {
	session, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	c := l.call
	return inbox.NewDeliverer(session, led, c.spool(c.config), inbox.Options{Parallel: c.config.Endpoint.Parallel, Pause: pause}), nil
}

// drop gives up a connection that does not work.
func (l *link) drop() {
	if l.session != nil {
		if err := l.session.Close(); err != nil {
			l.call.Log.Debug("close", "error", err)
		}
		l.session = nil
	}
}

// doubt drops the connection where an error may be that of the connection.
func (l *link) doubt(err error) {
	if err != nil && transport.ClassOf(err) != transport.Permanent {
		l.drop()
	}
}

// reportedBefore reports whether an error is that of a connection that could not
// be made, and was asked about before.
func (l *link) reportedBefore(err error) bool {
	if l.broken == nil || !errors.Is(err, l.broken) {
		return false
	}
	before := l.reported
	l.reported = true
	return before
}
