package main

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// dice make the choices of a schedule.
type dice struct {
	*rand.Rand
	server serverKind
}

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

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
