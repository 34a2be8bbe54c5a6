package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/hook"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/naming"
)

// HookDocument is what a hook is told.
type HookDocument struct {
	Hook         string // of package ledger: OnReply, OnRefused, OnError
	At           time.Time
	Archive      string // with a reply
	Reply        *ledger.ListedReply
	Submission   *inbox.Submission
	Command      string // with an error: what failed
	Environments []naming.Environment
	Err          error
}

// Hooks are the hooks that are configured, with their command lines.
func Hooks(c config.Config) map[string][]string {
	all := map[string][]string{ledger.OnReply: c.Hooks.OnReply, ledger.OnRefused: c.Hooks.OnRefused, ledger.OnError: c.Hooks.OnError}
	maps.DeleteFunc(all, func(_ string, args []string) bool { return len(args) == 0 })
	return all
}

// callHooks tells the hooks of replies and refusals, one after the other, also
// of those that a run which was killed left. What goes wrong is an event.
func (c *call) callHooks(ctx context.Context, l ledger.Ledger) {
	hooks := Hooks(c.config)
	delete(hooks, ledger.OnError) // a run that failed is told of by itself
	if len(hooks) == 0 {
		return
	}
	// A call that was begun is recorded to its end, also after Ctrl-C.
	whole := context.WithoutCancel(ctx)
	due, err := l.DueCalls(whole, slices.Collect(maps.Keys(hooks))...)
	for _, one := range due {
		if err != nil || ctx.Err() != nil {
			break
		}
		if !c.disabled[one.Hook] {
			err = c.callHook(whole, l, one)
		}
	}
	if err != nil {
		c.event(HooksFailed{err})
	}
}

// callHook tells one hook of one thing. The error is about the ledger.
func (c *call) callHook(ctx context.Context, l ledger.Ledger, due ledger.HookCall) error {
	doc := HookDocument{Hook: due.Hook, At: due.DueAt}
	about := due.Reply
	if due.Hook == ledger.OnReply {
		found, err := l.Replies(ctx, ledger.ReplyFilter{ID: due.ReplyID})
		if err != nil {
			return err
		}
		doc.Archive = c.config.Replies.Archive
		for i := range found {
			doc.Reply = &found[i]
		}
	} else {
		s, err := l.Submission(ctx, due.SubmissionID)
		if err != nil {
			return err
		}
		about = s.Set.String()
		doc.Submission = &s
	}
	begun, err := l.BeginCall(ctx, due.ID)
	if err != nil || !begun {
		return err
	}
	return l.EndCall(ctx, due.ID, c.runHook(ctx, doc, about))
}

// callOnError tells the hook of a run that failed. It is told also where the
// ledger cannot be used.
func (c *call) callOnError(ctx context.Context, l ledger.Ledger, failed error) {
	if len(c.config.Hooks.OnError) == 0 {
		return
	}
	doc := HookDocument{Hook: ledger.OnError, At: c.Now().UTC().Truncate(time.Millisecond), Command: c.command, Environments: c.environments, Err: failed}
	var id int64
	if l != nil {
		var err error
		if id, err = l.BeginErrorCall(ctx, c.command); err != nil {
			c.Log.Debug("the call of the hook is not recorded", "error", err)
			l = nil
		}
	}
	r := c.runHook(ctx, doc, c.command)
	if l != nil {
		if err := l.EndCall(ctx, id, r); err != nil {
			c.Log.Debug("the result of the hook is not recorded", "error", err)
		}
	}
}

// runHook runs the program of a hook. One that hangs, or cannot be started, is
// not tried again in this call.
func (c *call) runHook(ctx context.Context, doc HookDocument, about string) ledger.CallResult {
	command := hook.Command{
		Args: Hooks(c.config)[doc.Hook], Env: config.WithoutSecrets(c.Environ()), Timeout: time.Duration(c.config.Hooks.Timeout),
	}
	r := command.Run(ctx, c.Document(doc))
	c.Log.Debug("hook", "hook", doc.Hook, "about", about, "result", r.Outcome, "exit_code", r.ExitCode,
		"duration", r.Duration.Round(time.Millisecond), "output", string(r.Output), "output_cut", r.Cut)
	out := ledger.CallResult{Result: string(r.Outcome), ExitCode: r.ExitCode, Duration: r.Duration}
	if r.Outcome == hook.TimedOut || r.Outcome == hook.NotStarted {
		c.disabled[doc.Hook] = true
	}
	if r.Outcome == hook.NotStarted {
		out.Problem = r.Err.Error()
	}
	if r.Outcome != hook.Done {
		c.event(HookFailed{Hook: doc.Hook, About: about, Result: r, Timeout: command.Timeout})
	}
	return out
}
