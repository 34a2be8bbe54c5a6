package main

import (
	"context"
	"errors"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sftp"
)

// link is the one connection of a run: made when it is first needed, and made
// anew after it was dropped.
type link struct {
	app      *app
	config   config.Config
	endpoint sftp.Endpoint
	session  *sftp.Session
	once     bool  // where it could not be made, that is not tried again
	broken   error // why it could not be made, with once
	told     bool
}

// newLink finds the credentials, and does not connect.
func (a *app) newLink(ctx context.Context, c config.Config) (*link, error) {
	e, err := a.endpoint(ctx, c)
	return &link{app: a, config: c, endpoint: e}, err
}

func (l *link) open(ctx context.Context) (*sftp.Session, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	if l.session == nil {
		s, err := l.app.dial(ctx, l.config, l.endpoint)
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

// drop gives up a connection that does not work.
func (l *link) drop() {
	if l.session != nil {
		if err := l.session.Close(); err != nil {
			l.app.log.Debug("close", "error", err)
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

// toldAlready reports whether an error is that of a connection that could not be
// made, and was asked about before.
func (l *link) toldAlready(err error) bool {
	if l.broken == nil || !errors.Is(err, l.broken) {
		return false
	}
	told := l.told
	l.told = true
	return told
}
