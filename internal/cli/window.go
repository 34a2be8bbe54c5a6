package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
)

// On Windows the program may be started from the desktop: then its window
// closes with it, and what was said is gone before it is read.

// startedAlone reports whether the program was started from the desktop without
// a command: by a double click, or by files that were dropped on it.
func (a *program) startedAlone(args []string) bool {
	if a.fromDesktop == nil || !a.fromDesktop() {
		return false
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil {
			return false
		}
	}
	return true
}

// introduce says what to do instead of starting the program alone. Nothing is
// sent: nobody has said where to.
func (a *program) introduce(program string, files int) int {
	u := a.ui
	code := exitDone
	if files > 0 {
		code = exitUsage
		u.warn("files were dropped on socbatch itself, which does not say where they are to go: nothing was sent")
	} else {
		u.say("socbatch sends declarations to the social security and brings the answers back. It is told what to do by a shortcut, or on the command line: nothing was done.")
	}
	u.hint("to send files by dropping them on an icon, make a shortcut with this target: \"%s\" submit --env T --pause-at-end", program)
	u.hint("to see every command: open a Command Prompt and type: socbatch help")
	u.hint("all of it step by step: docs/windows.md")
	return code
}

// pause waits for Enter, so that the window stays open. Where nobody can press
// it, it does not wait.
func (u *ui) pause(ctx context.Context) {
	f, ok := u.streams.in.(*os.File)
	if !ok || !isTerminal(f) {
		return
	}
	_, _ = fmt.Fprintf(u.err, "\n%s", u.text("Press Enter to close this window."))
	pressed := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(f).ReadString('\n')
		close(pressed)
	}()
	stopped := ctx.Done()
	if ctx.Err() != nil {
		stopped = nil // that was the work; Ctrl-C ends the program now
	}
	select {
	case <-pressed:
	case <-stopped:
	}
}

// notCommand says what is wrong with a file where a command is expected.
func notCommand(args []string) error {
	if _, err := os.Stat(args[0]); err != nil {
		return nil
	}
	return usagef("%s is a file or directory, and no command: to send it, type: socbatch submit --env T %s; nothing was sent", args[0], quoted(args[0]))
}

// quoted is a path as it is typed.
func quoted(path string) string {
	if strings.Contains(path, " ") {
		return `"` + path + `"`
	}
	return path
}
