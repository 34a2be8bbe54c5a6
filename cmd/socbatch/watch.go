package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/heartbeat"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/metrics"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
)

// watchedRun is a run of whose end others are told: the ledger, a hook, the
// monitoring. Nothing of that changes the exit code.
type watchedRun struct {
	command      string // empty: only the metrics are written
	config       config.Config
	environments []naming.Environment
}

// watch has others be told of the end of this run.
func (a *app) watch(command string, c config.Config) {
	a.watched = &watchedRun{command: command, config: c}
}

// afterRun tells of the end of the run. err is what it ended with.
func (a *app) afterRun(ctx context.Context, err error) {
	w := a.watched
	if w == nil || (w.command == "" && w.config.Monitoring.MetricsFile == "") {
		return
	}
	// What is recorded is recorded also after Ctrl-C.
	recording := context.WithoutCancel(ctx)
	l, lerr := a.ledgerAfter(recording, w.config, err)
	if l != nil {
		defer func() {
			if err := l.Close(); err != nil {
				a.log.Debug("close", "error", err)
			}
		}()
	}
	if w.command != "" {
		a.recordRun(recording, l, exitCode(err))
		switch {
		case err == nil:
			a.sendHeartbeat(ctx, w.config)
		case exitCode(err) != exitInterrupted: // else a person knows
			a.callOnError(recording, l, err)
		}
	}
	a.writeMetrics(recording, l, lerr)
}

// ledgerAfter opens the ledger once more. A run that failed does not make one,
// and one that failed for it does not try again.
func (a *app) ledgerAfter(ctx context.Context, c config.Config, err error) (*ledger.Ledger, error) {
	if ledger.TroubleOf(err) != ledger.NoTrouble {
		return nil, err
	}
	if err != nil {
		if _, err := os.Stat(filepath.Join(c.StateDir, "ledger.db")); err != nil {
			return nil, err
		}
	}
	return a.openLedger(ctx, c)
}

func (a *app) recordRun(ctx context.Context, l *ledger.Ledger, code int) {
	if l == nil {
		return
	}
	for _, env := range a.watched.environments {
		if err := l.RecordRun(ctx, a.watched.command, string(env), code); err != nil {
			a.log.Debug("the end of the run is not recorded", "error", err)
		}
	}
}

func (a *app) sendHeartbeat(ctx context.Context, c config.Config) {
	if c.Monitoring.HeartbeatURL == "" {
		return
	}
	if err := heartbeat.Send(ctx, c.Monitoring.HeartbeatURL, "socbatch/"+version); err != nil {
		a.ui.warn("the heartbeat could not be sent: %s", wording.Sentence(err))
	}
}

func (a *app) writeMetrics(ctx context.Context, l *ledger.Ledger, lerr error) {
	path := a.watched.config.Monitoring.MetricsFile
	if path == "" {
		return
	}
	err := lerr
	if l != nil {
		err = metrics.WriteFile(ctx, &a.disk, path, l, version, a.now())
	}
	if err == nil && l == nil {
		err = errors.New("there is no ledger yet")
	}
	if err != nil {
		a.ui.warn("the metrics could not be written to %s: %s", printable(path), wording.Sentence(err))
	}
}
