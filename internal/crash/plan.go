package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// schedule is one run from beginning to end.
type schedule struct {
	name         string
	server       behaviour
	declarations []shape
	acts         []act
	markSent     bool // sets that arrived are marked as sent before a fetch can tell
}

// behaviour of the stand-in server.
type behaviour struct {
	process         string        // as sandbox.Rule.Process
	receipt, notice time.Duration // until the receipt, and from there to the notifications; negative: at once
	compressed      bool
	unsigned        bool // replies have no FS
	noFileReference bool
	nameFI          bool
	forbid          []string // in IN
	refuseWrite     string   // as sandbox.Faults, until the quiet end
	refuseClose     string
}

// held is a delay that only a Flush ends.
const held = time.Hour

// noListing reports whether nobody but a person can settle an unknown outcome.
func (b behaviour) noListing() bool { return slices.Contains(b.forbid, "list") }

// shape is what a declaration looks like.
type shape string

const (
	dimona   shape = "dimona"    // unsigned, T
	dmfa     shape = "dmfa"      // signed, R
	dmfaPair shape = "dmfa-pair" // signed, two parts, R
)

func (s shape) environment() naming.Environment {
	if s == dimona {
		return naming.Test
	}
	return naming.Production
}

func (s shape) parts() int {
	if s == dmfaPair {
		return 2
	}
	return 1
}

// act is one or two commands at once, and what befalls them.
type act struct {
	flush    bool // let the server answer everything before
	commands []command
	blow     blow
	victim   int // the command that a kill strikes
}

type verb string

const (
	submit   verb = "submit"
	fetch    verb = "fetch"
	resume   verb = "resume"
	cancel   verb = "cancel"   // a set that was not completely sent, if there is one
	resubmit verb = "resubmit" // a set whose outcome is unknown and that did not arrive
	markSent verb = "mark-sent"
)

// command is one command line.
type command struct {
	verb         verb
	environments []naming.Environment
	declarations []int // of submit
	flags        []string
}

func (c command) String() string {
	var words []string
	for _, d := range c.declarations {
		words = append(words, "#"+strconv.Itoa(d))
	}
	for _, e := range c.environments {
		words = append(words, string(e))
	}
	return strings.Join(slices.Concat([]string{string(c.verb)}, words, c.flags), " ")
}

func (a act) String() string {
	var all []string
	for _, c := range a.commands {
		all = append(all, c.String())
	}
	text := strings.Join(all, " & ")
	if a.flush {
		text = "(server answers) " + text
	}
	if a.blow.what != "" {
		text += " | " + a.blow.String()
		if len(a.commands) > 1 && a.blow.kills() {
			text += fmt.Sprintf(" (command %d)", a.victim+1)
		}
	}
	return text
}

// violence is the kind of a blow.
type violence string

const (
	killPoint violence = "kill-at-step"    // the client, at a step of its own
	killTime  violence = "kill-at-time"    // the client, after a time
	kill      violence = "kill-at-request" // the client
	cut       violence = "cut"             // all connections
	restart   violence = "restart"         // of the server
	killSFTP  violence = "kill-sftp-server"
	away      violence = "away" // the server, during the whole act
)

// mode is what becomes of the request during which a blow strikes, or that it
// strikes at a step of the client instead.
type mode string

const (
	before mode = "before" // it arrived, and is carried out all the same
	after  mode = "after"  // it was carried out, and the answer is lost
	lost   mode = "lost"   // it never arrived
	atStep mode = "at-step"
)

var modes = []mode{before, after, lost}

// blow is what strikes during an act.
type blow struct {
	what violence
	mode mode
	on   string        // only requests of this kind count, such as "open IN GO", or steps with this in their line; empty: all
	at   int           // the how manieth step or request
	time time.Duration // of killTime; at a step: how much later, while the client goes on
}

func (b blow) kills() bool { return b.what == killPoint || b.what == killTime || b.what == kill }

// disturbs reports whether commands that are not killed may lose their
// connection.
func (b blow) disturbs() bool { return b.mode != "" || b.what == away }

func (b blow) kindText() string {
	switch b.mode {
	case "":
		return string(b.what)
	case atStep:
		return string(b.what) + " at a step of the client"
	}
	return string(b.what) + ", request " + string(b.mode)
}

func (b blow) String() string {
	on := b.on
	if on == "" {
		on = "any"
	}
	switch {
	case b.what == killPoint:
		return fmt.Sprintf("%s %d (%s)", b.what, b.at, on)
	case b.what == killTime:
		return fmt.Sprintf("%s %s", b.what, b.time)
	case b.what == away:
		return "the server is away"
	case b.mode == atStep:
		return fmt.Sprintf("%s at step %d (%s) and %s", b.what, b.at, on, b.time)
	}
	return fmt.Sprintf("%s %d (%s), %s", b.what, b.at, on, b.mode)
}

func (s *schedule) handedIn(declaration int) bool {
	return slices.ContainsFunc(s.acts, func(a act) bool {
		return slices.ContainsFunc(a.commands, func(c command) bool { return slices.Contains(c.declarations, declaration) })
	})
}
