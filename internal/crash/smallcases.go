package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/naming"
)

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
