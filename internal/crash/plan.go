package main

import (
	"fmt"
	"math/rand/v2"
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

// dice make the choices of a schedule.
type dice struct {
	*rand.Rand
	server serverKind
}

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// random makes schedule number index of a seed.
func random(server serverKind, seed uint64, index int) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, uint64(index))), server} //nolint:gosec // to be repeatable
	s := &schedule{name: strconv.Itoa(index), server: d.behaviour(), markSent: d.chance(50)}
	for range 1 + d.IntN(3) {
		s.declarations = append(s.declarations, pick(d, dimona, dimona, dmfa, dmfaPair, dmfaPair))
	}
	for n := 2 + d.IntN(4); len(s.acts) < n; {
		s.acts = append(s.acts, d.acts(s, len(s.acts) == 0)...)
	}
	return s
}

func (d dice) behaviour() behaviour {
	b := behaviour{
		process: pick(d, "", "", "manual", "20ms"), receipt: pick(d, -1, -1, 10*time.Millisecond, held),
		notice: pick(d, -1, -1, 15*time.Millisecond, held), compressed: d.chance(25), unsigned: d.chance(20),
		noFileReference: d.chance(15), nameFI: d.chance(15),
	}
	for _, f := range []struct {
		action  string
		percent int
	}{{"list", 15}, {"delete", 20}, {"stat", 15}} {
		if d.chance(f.percent) {
			b.forbid = append(b.forbid, f.action)
		}
	}
	switch {
	case d.chance(5):
		b.refuseClose = "GO.*"
	case d.chance(5):
		b.refuseWrite = "GO.*"
	}
	if d.server == sshdServer {
		// It knows no rights by folder; sftp-server refuses a request everywhere or nowhere.
		b.refuseClose, b.refuseWrite = "", ""
		b.forbid = slices.DeleteFunc(b.forbid, func(action string) bool { return action != "stat" })
	}
	return b
}

func (d dice) acts(s *schedule, first bool) []act {
	roll := d.IntN(100)
	if first {
		roll %= 40
	}
	one := func(c command, b blow) []act { return []act{{flush: d.chance(40), commands: []command{c}, blow: b}} }
	switch {
	case roll < 32:
		return one(d.submit(s), d.blow(submit, 35))
	case roll < 40:
		c := d.submit(s)
		return d.pair(c, c)
	case roll < 55:
		return []act{{flush: d.chance(80), commands: []command{d.fetch(s)}, blow: d.blow(fetch, 45)}}
	case roll < 65:
		return one(command{verb: resume, environments: d.environment(s)}, d.blow(resume, 25))
	case roll < 77:
		// What is to be cancelled has first to break off.
		early := d.early()
		give := act{commands: []command{{verb: cancel}}, blow: d.blow(cancel, 8)}
		return append(one(d.submit(s), early), give)
	case roll < 90:
		return d.pair(d.submit(s), d.fetch(s))
	}
	return d.pair(d.fetch(s), d.fetch(s))
}

// early is a blow before GO.
func (d dice) early() blow {
	b := blow{what: kill, mode: pick(d, modes...), on: pick(d, "", "open IN FI", "write IN FI", "close IN FI"), at: 1 + d.IntN(3)}
	if d.server == sshdServer {
		b = d.serverBlow()
		b.on, b.at = moves, uploadingSaid+d.IntN(2)
	}
	if d.chance(30) {
		return blow{what: killPoint, at: 4 + d.IntN(25)}
	}
	return b
}

func (d dice) pair(a, b command) []act {
	for _, c := range []*command{&a, &b} {
		c.flags = append(slices.Clone(c.flags), pick(d, nil, []string{"--lock-wait", "20s"})...)
	}
	x := act{flush: d.chance(70), commands: []command{a, b}, victim: d.IntN(2)}
	x.blow = d.blow(x.commands[x.victim].verb, 35)
	return []act{x}
}

func (d dice) environment(s *schedule) []naming.Environment {
	return []naming.Environment{pick(d, s.declarations...).environment()}
}

// submit takes one declaration, and often those that can go with it. It is
// rather one that was not handed in before.
func (d dice) submit(s *schedule) command {
	first := d.IntN(len(s.declarations))
	for tries := 0; tries < 3 && s.handedIn(first); tries++ {
		first = d.IntN(len(s.declarations))
	}
	c := command{verb: submit, declarations: []int{first}, environments: []naming.Environment{s.declarations[first].environment()}}
	for i, x := range s.declarations {
		if i != first && x == s.declarations[first] && x.parts() == 1 && d.chance(70) {
			c.declarations = append(c.declarations, i)
		}
	}
	if d.chance(8) {
		c.flags = append(c.flags, "--wait", "1200ms")
	}
	return d.flags(c)
}

func (s *schedule) handedIn(declaration int) bool {
	return slices.ContainsFunc(s.acts, func(a act) bool {
		return slices.ContainsFunc(a.commands, func(c command) bool { return slices.Contains(c.declarations, declaration) })
	})
}

func (d dice) fetch(s *schedule) command {
	c := command{verb: fetch, environments: d.environment(s)}
	if d.chance(30) {
		c.environments = []naming.Environment{naming.Production, naming.Test}
	}
	if d.chance(10) {
		c.flags = append(c.flags, "--keep")
	}
	return d.flags(c)
}

func (d dice) flags(c command) command {
	if p := pick(d, "", "", "1", "3"); p != "" {
		c.flags = append(c.flags, "--parallel", p)
	}
	return c
}

// decisive are the requests that most depends on.
var decisive = map[verb][]string{
	submit: {"open IN GO", "open IN GO", "close IN GO", "list IN"},
	fetch:  {"remove OUT GO", "remove OUT FO", "remove OUT CO", "list OUT"},
	resume: {"list IN", "open IN GO"},
}

// moves are the steps of the ledger in which a set gets another state: for a
// set that is sent without trouble two for each of uploading, unknown and sent,
// before it is on the disk and after.
const (
	moves         = "Move"
	uploadingSaid = 2 // everything is uploaded after it
	unknownSoon   = 3 // everything is there
	unknownSaid   = 4 // GO goes out after it
	sentSoon      = 5 // GO is there
)

// decisiveSteps are the steps around the requests that most depends on.
var decisiveSteps = map[verb][]string{
	submit: {moves},
	fetch:  {"Deleted", "StoreReplies", "rename"},
	resume: {moves},
	cancel: {moves},
}

// blow chooses what strikes a command; steps is about how many it has.
func (d dice) blow(v verb, steps int) blow {
	if d.chance(50) {
		steps = max(steps/2, 6)
	}
	b := blow{at: 1 + d.IntN(steps)}
	switch roll := d.IntN(100); {
	case roll < 15:
		return blow{}
	case roll < 42:
		b.what = killPoint
		if d.server == sshdServer {
			b = d.decisiveStep(v, b)
		}
		return b
	case roll < 46:
		return blow{what: away}
	case roll < 50:
		return blow{what: killTime, time: time.Duration(d.IntN(120)) * time.Millisecond}
	case roll < 73:
		b.what = kill
	case roll < 88:
		b.what = cut
	default:
		b.what = restart
	}
	if d.server == sshdServer {
		at := b.at
		b = d.serverBlow()
		b.at = at
		return d.decisiveStep(v, b)
	}
	b.mode, b.at = pick(d, modes...), 1+d.IntN(min(steps, 25))
	if on := decisive[v]; len(on) > 0 && d.chance(30) {
		b.on, b.at = pick(d, on...), 1
	}
	return b
}

// decisiveStep lets a blow often strike at a step that most depends on: there is
// no way to name a request.
func (d dice) decisiveStep(v verb, b blow) blow {
	if on := decisiveSteps[v]; len(on) > 0 && d.chance(60) {
		b.on, b.at = pick(d, on...), 1+d.IntN(sentSoon+1)
	}
	return b
}

// serverBlow strikes while the client waits, or shortly after: a request takes
// less than a millisecond, a login some ten.
func (d dice) serverBlow() blow {
	b := blow{what: pick(d, cut, cut, killSFTP, killSFTP, restart), mode: atStep}
	if d.chance(50) {
		b.time = time.Duration(1+d.IntN(pick(d, 2000, 60_000))) * time.Microsecond
	}
	return b
}

// smallCase is a command of which every step and every request is struck.
type smallCase struct {
	name  string
	base  schedule // the last act is the one to strike
	blows []blow
}

func (c smallCase) schedule(b blow, at int) *schedule {
	s := c.base
	s.name = strings.Join(slices.DeleteFunc([]string{c.name, string(b.what), string(b.mode), strconv.Itoa(at)}, func(p string) bool { return p == "" }), "/")
	s.acts = slices.Clone(c.base.acts)
	b.at = at
	s.acts[len(s.acts)-1].blow = b
	return &s
}

// smallCases are those of a kind of server.
func smallCases(server serverKind) []smallCase {
	atOnce := behaviour{receipt: -1, notice: -1}
	noList, noDelete := atOnce, atOnce
	noList.forbid, noDelete.forbid = []string{"list"}, []string{"delete"}
	envs := func(s shape) []naming.Environment { return []naming.Environment{s.environment()} }
	send := func(s shape) command {
		return command{verb: submit, declarations: []int{0}, environments: envs(s)}
	}
	steps := []blow{{what: killPoint}}
	var everything []blow
	for _, w := range []violence{kill, cut} {
		for _, m := range modes {
			everything = append(everything, blow{what: w, mode: m})
		}
	}
	everything = append(everything, steps...)
	one := func(name string, s shape, b behaviour, blows []blow, acts ...act) smallCase {
		return smallCase{name, schedule{server: b, declarations: []shape{s}, acts: acts}, blows}
	}
	do := func(c command, b blow) act { return act{commands: []command{c}, blow: b} }
	fetching := act{flush: true, commands: []command{{verb: fetch, environments: envs(dimona)}}}
	if server == sshdServer {
		for _, w := range []violence{cut, killSFTP, restart} {
			steps = append(steps, blow{what: w, mode: atStep})
		}
		dies := func(at int) blow { return blow{what: killPoint, on: moves, at: at} }
		return []smallCase{
			one("submit", dimona, atOnce, steps, do(send(dimona), blow{})),
			one("submit-pair", dmfaPair, atOnce, steps, do(send(dmfaPair), blow{})),
			one("fetch", dimona, atOnce, steps, do(send(dimona), blow{}), fetching),
			one("settle-go-lost", dmfaPair, atOnce, steps, do(send(dmfaPair), dies(unknownSaid)), do(command{verb: resume, environments: envs(dmfaPair)}, blow{})),
			one("settle-go-taken", dimona, atOnce, steps, do(send(dimona), dies(sentSoon)), do(command{verb: resume, environments: envs(dimona)}, blow{})),
			one("cancel", dmfaPair, atOnce, steps, do(send(dmfaPair), dies(unknownSoon)), do(command{verb: cancel}, blow{})),
		}
	}
	breaks := func(on string, m mode) blow { return blow{what: kill, mode: m, on: on, at: 1} }
	return []smallCase{
		one("submit", dimona, atOnce, everything, do(send(dimona), blow{})),
		one("submit-pair", dmfaPair, atOnce, everything, do(send(dmfaPair), blow{})),
		one("fetch", dimona, atOnce, everything, do(send(dimona), blow{}), fetching),
		one("settle-go-lost", dmfaPair, atOnce, everything, do(send(dmfaPair), breaks("open IN GO", lost)), do(command{verb: resume, environments: envs(dmfaPair)}, blow{})),
		one("settle-go-taken", dimona, atOnce, everything, do(send(dimona), breaks("close IN GO", after)), do(command{verb: resume, environments: envs(dimona)}, blow{})),
		one("cancel", dmfaPair, atOnce, everything, do(send(dmfaPair), breaks("close IN FI", after)), do(command{verb: cancel}, blow{})),
		one("cancel-with-td", dmfaPair, noDelete, everything, do(send(dmfaPair), breaks("close IN FI", after)), do(command{verb: cancel}, blow{})),
		one("resubmit", dmfaPair, noList, everything, do(send(dmfaPair), breaks("open IN GO", lost)), do(command{verb: resubmit}, blow{})),
		one("mark-sent", dimona, noList, steps, do(send(dimona), breaks("open IN GO", after)), do(command{verb: markSent}, blow{})),
	}
}

// scheduleNamed finds a schedule again: a number, or a small case with what
// struck it.
func scheduleNamed(server serverKind, seed uint64, name string) (*schedule, error) {
	if i, err := strconv.Atoi(name); err == nil {
		return random(server, seed, i), nil
	}
	for _, c := range smallCases(server) {
		for _, b := range c.blows {
			prefix := strings.TrimSuffix(c.schedule(b, 0).name, "0")
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				if at, err := strconv.Atoi(rest); err == nil {
					return c.schedule(b, at), nil
				}
			}
		}
	}
	return nil, fmt.Errorf("no schedule is called %q", name)
}
