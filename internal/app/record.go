package app

import (
	"context"
	"errors"
	"os"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/heartbeat"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/metrics"
)

// end is the end of a call: who looks on gets the result, and then others are
// told of it: the ledger, a hook, the monitoring. Nothing of that changes what the
// call ended with.
func (c *call) end(ctx context.Context, result any, err error) {
	c.event(Finished{result, err})
	c.record(ctx, err)
}

// WriteMetrics writes the metrics after a command that changed nothing; err is
// what it ended with.
func (a *App) WriteMetrics(ctx context.Context, c config.Config, o Observer, err error) {
	a.call(c, o).record(ctx, err)
}

func (c *call) record(ctx context.Context, err error) {
	if c.command == "" && c.config.Monitoring.MetricsFile == "" {
		return
	}
	// What is recorded is recorded also after Ctrl-C.
	recording := context.WithoutCancel(ctx)
	l, lerr := c.ledgerAfter(recording, err)
	if l != nil {
		defer func() {
			if err := l.Close(); err != nil {
				c.Log.Debug("close", "error", err)
			}
		}()
	}
	if c.command != "" {
		class := failure.ClassOf(err)
		c.recordRun(recording, l, class)
		switch class {
		case failure.None:
			c.sendHeartbeat(ctx)
		case failure.Interrupted: // a person knows
		default:
			c.callOnError(recording, l, err)
		}
	}
	c.writeMetrics(recording, l, lerr)
}

// ledgerAfter opens the ledger once more. A run that failed does not make one,
// and one that failed for it does not try again.
func (c *call) ledgerAfter(ctx context.Context, err error) (ledger.Ledger, error) {
	if ledger.FailureOf(err) != ledger.NoFailure {
		return nil, err
	}
	if err != nil {
		if _, err := os.Stat(WorkspaceOf(c.config).Ledger()); err != nil {
			return nil, err
		}
	}
	return c.OpenLedger(ctx, c.config)
}

func (c *call) recordRun(ctx context.Context, l ledger.Ledger, class failure.Class) {
	if l == nil {
		return
	}
	for _, env := range c.environments {
		if err := l.RecordRun(ctx, c.command, string(env), string(class)); err != nil {
			c.Log.Debug("the end of the run is not recorded", "error", err)
		}
	}
}

func (c *call) sendHeartbeat(ctx context.Context) {
	url := c.config.Monitoring.HeartbeatURL
	if url == "" {
		return
	}
	if err := heartbeat.Send(ctx, url, "socbatch/"+c.Version); err != nil {
		c.event(HeartbeatFailed{err})
	}
}

func (c *call) writeMetrics(ctx context.Context, l ledger.Ledger, lerr error) {
	path := c.config.Monitoring.MetricsFile
	if path == "" {
		return
	}
	err := lerr
	if l != nil {
		err = metrics.WriteFile(ctx, c.Disk, path, l, metrics.About{Version: c.Version, Now: c.Now(), ExitCode: c.ExitCode})
	}
	if err == nil && l == nil {
		err = errors.New("there is no ledger yet")
	}
	if err != nil {
		c.event(MetricsFailed{path, err})
	}
}
