package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/wording"
)

// hooksOf are the hooks that are configured, with their command lines.
func hooksOf(c config.Config) map[string][]string {
	all := map[string][]string{ledger.OnReply: c.Hooks.OnReply, ledger.OnRefused: c.Hooks.OnRefused, ledger.OnError: c.Hooks.OnError}
	maps.DeleteFunc(all, func(_ string, args []string) bool { return len(args) == 0 })
	return all
}

// hookDocument is what a hook reads from its standard input.
type hookDocument struct {
	Hook         string           `json:"hook"`
	At           time.Time        `json:"at"`
	Archive      string           `json:"archive,omitempty"`
	Reply        *jsonStoredReply `json:"reply,omitempty"`
	Submission   *jsonSubmission  `json:"submission,omitempty"`
	Command      string           `json:"command,omitempty"`
	Environments []string         `json:"environments,omitempty"`
	Error        *explanation     `json:"error,omitempty"`
}

// callHooks tells the hooks of replies and refusals, one after the other, also
// of those that a run which was killed left. What goes wrong is a warning.
func (a *app) callHooks(ctx context.Context, c config.Config, l *ledger.Ledger) {
	hooks := hooksOf(c)
	delete(hooks, ledger.OnError) // a run that failed is told of by itself
	if len(hooks) == 0 {
		return
	}
	// A call that was begun is recorded to its end, also after Ctrl-C.
	whole := context.WithoutCancel(ctx)
	calls, err := l.DueCalls(whole, slices.Collect(maps.Keys(hooks))...)
	for _, call := range calls {
		if err != nil || ctx.Err() != nil {
			break
		}
		if !a.tiredHooks[call.Hook] {
			err = a.callHook(whole, c, l, call)
		}
	}
	if err != nil {
		a.ui.warn("the hooks cannot be called now: %s", wording.Sentence(err))
	}
}

// callHook tells one hook of one thing. The error is about the ledger.
func (a *app) callHook(ctx context.Context, c config.Config, l *ledger.Ledger, call ledger.HookCall) error {
	doc := hookDocument{Hook: call.Hook, At: call.DueAt}
	about := call.Reply
	if call.Hook == ledger.OnReply {
		found, err := l.Replies(ctx, ledger.ReplyFilter{ID: call.ReplyID})
		if err != nil {
			return err
		}
		doc.Archive = c.Replies.Archive
		for _, r := range found {
			doc.Reply = storedReplyJSON(r)
		}
	} else {
		s, err := l.Submission(ctx, call.SubmissionID)
		if err != nil {
			return err
		}
		about = s.Set.String()
		doc.Submission = submissionJSON(s)
	}
	begun, err := l.BeginCall(ctx, call.ID)
	if err != nil || !begun {
		return err
	}
	return l.EndCall(ctx, call.ID, a.runHook(ctx, c, doc, about))
}

// callOnError tells the hook of a run that failed. It is told also where the
// ledger cannot be used.
func (a *app) callOnError(ctx context.Context, l *ledger.Ledger, err error) {
	w := a.watched
	if len(w.config.Hooks.OnError) == 0 {
		return
	}
	x := explain(err)
	if failure.ClassOf(err) == failure.Partly {
		x = x.of(failure.Partly)
	}
	doc := hookDocument{Hook: ledger.OnError, At: a.now().UTC().Truncate(time.Millisecond), Command: w.command, Error: &x}
	for _, e := range w.environments {
		doc.Environments = append(doc.Environments, string(e))
	}
	var id int64
	if l != nil {
		if id, err = l.BeginErrorCall(ctx, w.command); err != nil {
			a.log.Debug("the call of the hook is not recorded", "error", err)
			l = nil
		}
	}
	r := a.runHook(ctx, w.config, doc, w.command)
	if l != nil {
		if err := l.EndCall(ctx, id, r); err != nil {
			a.log.Debug("the result of the hook is not recorded", "error", err)
		}
	}
}

// runHook runs the program of a hook.
func (a *app) runHook(ctx context.Context, c config.Config, doc hookDocument, about string) ledger.CallResult {
	command := hook.Command{
		Args: hooksOf(c)[doc.Hook], Env: config.WithoutSecrets(os.Environ()), Timeout: time.Duration(c.Hooks.Timeout),
	}
	r := command.Run(ctx, []byte(contracted(doc)))
	a.log.Debug("hook", "hook", doc.Hook, "about", about, "result", r.Outcome, "exit_code", r.ExitCode,
		"duration", r.Duration.Round(time.Millisecond), "output", string(r.Output), "output_cut", r.Cut)
	out := ledger.CallResult{Result: string(r.Outcome), ExitCode: r.ExitCode, Duration: r.Duration}
	switch r.Outcome {
	case hook.Failed:
		a.ui.warn("hook %s for %s failed with exit code %d (--verbose shows its output)", doc.Hook, about, r.ExitCode)
	case hook.TimedOut:
		a.tire(doc.Hook)
		a.ui.warn("hook %s for %s took longer than %s and was ended", doc.Hook, about, command.Timeout)
	case hook.NotStarted:
		a.tire(doc.Hook)
		out.Problem = wording.Sentence(r.Err)
		a.ui.warn("hook %s for %s could not be started: %s", doc.Hook, about, out.Problem)
	case hook.Done:
	}
	return out
}

// tire lets a hook rest for this run: one that hangs is waited for once.
func (a *app) tire(hook string) {
	if a.tiredHooks == nil {
		a.tiredHooks = map[string]bool{}
	}
	a.tiredHooks[hook] = true
}
