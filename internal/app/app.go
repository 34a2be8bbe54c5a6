// Package app is what the commands do, apart from how it is asked and how it is
// told: a front end makes a request, hears on the way what happens, and gets a
// result. Requests, events and results are values; nothing here knows a command
// line, a terminal, JSON, or the words of a language.
//
// Every duty of a command is done here, whoever asks for it: the locks, the look
// at the clock, settling what earlier runs left unknown, the hooks, encrypting
// what is finished with, and the record of the run.
package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
)

// App does the work. It is safe for several calls at once; what they share are
// the files of the state directory, which locks keep apart.
type App struct {
	// Connect finds the credentials for the server without going there, and gives
	// what makes a session.
	Connect func(context.Context, config.Config) (Dialer, error)
	// Identity opens the certificate that signs now; nil where none is
	// configured. A rehearsal writes nothing, not even what it learns.
	Identity func(ctx context.Context, c config.Config, rehearsal bool) (*sign.Identity, error)
	// OpenLedger opens the ledger of a state directory, and OpenLedgerAt the file
	// of one.
	OpenLedger   func(context.Context, config.Config) (ledger.Ledger, error)
	OpenLedgerAt func(ctx context.Context, path string) (ledger.Ledger, error)
	// Document is what a hook reads from its standard input.
	Document func(HookDocument) []byte
	// Environ is the environment that programs get which are started from here.
	Environ func() []string

	// ExitCode is what a command line makes of a class of failures, for the
	// metrics.
	ExitCode func(class string) int

	Disk    *durable.Disk
	Now     func() time.Time
	Log     *slog.Logger
	Version string // of the program, for the metrics and the heartbeat
}

// Dialer makes a session with the server.
type Dialer func(context.Context) (transport.Session, error)

// Observer hears what happens while a request is under way. Its methods are
// called one at a time.
type Observer interface {
	Event(Event)
	Progress(Progress)
}

// Progress is how far a long piece of work is.
type Progress struct {
	Phase  Phase
	Folder string // of the server, when fetching
	Total  int64  // bytes or sets in all; -1: not known
	Added  int64  // since the last time
	Ended  bool   // there is no more of it
}

// Phase is a piece of work that takes long.
type Phase string

// The phases.
const (
	Sending  Phase = "sending"  // in bytes
	Fetching Phase = "fetching" // in sets
)

// call is one request under way.
type call struct {
	*App
	config   config.Config
	observer Observer

	command      string // for the record of the run; empty: none is kept
	environments []naming.Environment
	disabled     map[string]bool // hooks that are not called any more

	telling sync.Mutex
}

func (a *App) call(c config.Config, o Observer) *call {
	return &call{App: a, config: c, observer: o, disabled: map[string]bool{}}
}

func (c *call) event(e Event) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.observer.Event(e)
}

func (c *call) progress(p Progress) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.observer.Progress(p)
}

func usagef(format string, args ...any) error {
	return &failure.UsageError{Err: problem.New(format, args...)}
}

// needSender refuses to name or send something for nobody.
func needSender(c config.Config) error {
	if c.Sender == "" {
		return usagef("no sender number is known: put sender = \"123456\" into the configuration, or give --sender")
	}
	return nil
}
