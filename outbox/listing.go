package outbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// Left is a file that was left on the server.
type Left struct {
	Name   string // as the server gave it: check before any use
	Reason LeftReason
	Detail error     // in words
	Time   time.Time // when the server says that it was last written
}

// LeftReason says why a file was left on the server.
type LeftReason string

// Why files are left.
const (
	LeftUnknown    LeftReason = "unknown"    // not a name of the channel, or not a file
	LeftIncomplete LeftReason = "incomplete" // a reply whose GO is not there yet
	LeftAlone      LeftReason = "alone"      // a GO or FS without a reply
	LeftConflict   LeftReason = "conflict"   // same name as a stored reply, other contents
	LeftUnverified LeftReason = "unverified" // stored; its signature is not as demanded
	LeftOverflow   LeftReason = "overflow"   // the folder holds more than one run takes
)

// Bounds, so that no server can fill our memory: entries of a listing that are
// looked at in one run (the rest is left for the next), and files of a kind
// that are reported as left.
const (
	maxListed = 100_000
	maxBytes  = 32 << 20 // of their names
	maxLeft   = 1_000
)

// groupID tells reply sets apart. Files of one set have one tail, and either
// all of them or none say how many parts there are.
type groupID struct {
	key   string
	parts int // 0: the names do not say
}

// group is a reply set as listed.
type group struct {
	groupID
	goName  string
	moreGOs []string // where each part has a GO of its own
	replies []listed // FO and CO
	signs   []listed // FS
}

type listed struct {
	name naming.Name
	size int64
	time time.Time
}

// list reads the folder and gives the complete sets, and what is to be left.
func (f *Fetcher) list(ctx context.Context, env naming.Environment) ([]*group, []Left, error) {
	all := map[groupID]*group{}
	var left []Left
	n, bytes, unknowns := 0, 0, 0
	seen := map[string]bool{}
	err := f.session.List(ctx, env.Outbox(), func(e transport.Entry) error {
		n, bytes = n+1, bytes+len(e.Name)
		if n > maxListed || bytes > maxBytes {
			return errEnough
		}
		leave := func(detail error) {
			if unknowns++; unknowns <= maxLeft {
				left = append(left, Left{Name: cut(e.Name), Reason: LeftUnknown, Detail: detail, Time: e.ModTime})
			}
		}
		name, err := naming.Parse(e.Name)
		var unknown *naming.UnknownError
		switch {
		case errors.As(err, &unknown):
			leave(unknown.Reason)
			return nil
		case err != nil:
			return err
		case e.Type == transport.TypeDir:
			leave(problem.New("it is a directory"))
			return nil
		case e.Type != transport.TypeFile:
			leave(problem.New("it is not a regular file"))
			return nil
		case seen[e.Name]: // a folder that changes while it is read may give a name twice
			return nil
		}
		seen[e.Name] = true
		id := groupID{name.SetKey(), name.Parts}
		g := all[id]
		if g == nil {
			g = &group{groupID: id}
			all[id] = g
		}
		l := listed{name, e.Size, e.ModTime}
		switch name.Kind {
		case naming.FO, naming.CO:
			g.replies = append(g.replies, l)
		case naming.FS:
			g.signs = append(g.signs, l)
		case naming.GO:
			if g.goName != "" {
				g.moreGOs = append(g.moreGOs, max(g.goName, e.Name))
				g.goName = min(g.goName, e.Name)
			} else {
				g.goName = e.Name
			}
		default:
			leave(problem.New("it is not a reply"))
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	if unknowns > maxLeft {
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("%d more files that are no replies", unknowns-maxLeft)})
	}
	switch {
	case n > maxListed:
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("it holds more than the %d entries that one run takes", maxListed)})
	case bytes > maxBytes:
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("it holds more than the %d bytes of names that one run takes", maxBytes)})
	}
	var complete []*group
	waiting := 0
	for _, g := range all {
		switch {
		case g.goName == "" && f.overdue(g):
			complete = append(complete, g)
		case g.goName == "":
			for _, l := range append(g.replies, g.signs...) {
				reason := LeftIncomplete
				if len(g.replies) == 0 {
					reason = LeftAlone
				}
				if waiting++; waiting <= maxLeft {
					left = append(left, Left{Name: l.name.String(), Reason: reason, Detail: problem.New("no GO yet"), Time: l.time})
				}
			}
		default:
			complete = append(complete, g)
		}
	}
	if waiting > maxLeft {
		left = append(left, Left{Reason: LeftOverflow, Detail: problem.New("%d more files that have no GO yet", waiting-maxLeft)})
	}
	slices.SortFunc(complete, func(a, b *group) int { return cmp.Compare(a.key, b.key) })
	slices.SortFunc(left, func(a, b Left) int { return cmp.Compare(a.Name, b.Name) })
	return complete, left, nil
}

// errEnough ends a listing: of a hostile one there may be no other end.
var errEnough = errors.New("enough entries")

// cut shortens a name that no file system would take.
func cut(name string) string {
	if len(name) > transport.MaxNameBytes {
		return name[:transport.MaxNameBytes] + "…"
	}
	return name
}

// maxLooks is how often a folder is listed in which sets appear meanwhile.
const maxLooks = 4

// listWhole is list, again while a set may have been published during the
// listing: what came before its GO is seen only by a listing that begins after
// the GO was seen. Sets that are still new at the last look are for the next run.
func (f *Fetcher) listWhole(ctx context.Context, env naming.Environment) (groups []*group, left []Left, err error) {
	before := map[string]bool{} // GOs that were seen by an earlier listing
	unsure := func(g *group) bool { return g.unsigned() && !before[g.goName] }
	for look := 1; ; look++ {
		groups, left, err = f.list(ctx, env)
		if err != nil || !slices.ContainsFunc(groups, unsure) {
			return groups, left, err
		}
		if look == maxLooks {
			return slices.DeleteFunc(groups, unsure), left, nil
		}
		for _, g := range groups {
			before[g.goName] = true
		}
	}
}

// secondLook lists the folder once more, at the first call.
func (f *Fetcher) secondLook(ctx context.Context, env naming.Environment) func() (map[groupID]*group, error) {
	return sync.OnceValues(func() (map[groupID]*group, error) {
		groups, _, err := f.list(ctx, env)
		byID := map[groupID]*group{}
		for _, g := range groups {
			byID[g.groupID] = g
		}
		return byID, err
	})
}

// overdue reports whether a set without a GO is to be stored all the same.
func (f *Fetcher) overdue(g *group) bool {
	if f.opt.Incomplete <= 0 || len(g.replies) == 0 {
		return false
	}
	for _, l := range append(g.replies, g.signs...) {
		if l.time.IsZero() || f.opt.Now().Sub(l.time) < f.opt.Incomplete {
			return false
		}
	}
	return true
}

// missing says which replies a set with a GO still lacks.
func (g *group) missing() error {
	if len(g.replies) == 0 {
		return errAlone
	}
	have := map[int]bool{}
	parts := 0
	for _, l := range g.replies {
		have[l.name.Part] = true
		parts = max(parts, l.name.Parts)
	}
	for p := 1; p <= parts; p++ {
		if !have[p] {
			return problem.New("part %d of %d is not there yet", p, parts)
		}
	}
	return nil
}

var errAlone = problem.New("a GO without a reply")

// unsigned reports whether a set whose GO is there lacks a signature, as far as
// it was seen.
func (g *group) unsigned() bool { return g.goName != "" && len(g.signs) < len(g.replies) }

// more reports whether a set holds a reply or signature that was not there
// before.
func (g *group) more(before *group) bool {
	if g == nil {
		return false
	}
	old := map[naming.Name]bool{}
	for _, l := range slices.Concat(before.replies, before.signs) {
		old[l.name] = true
	}
	return slices.ContainsFunc(slices.Concat(g.replies, g.signs), func(l listed) bool { return !old[l.name] })
}
