package cli

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/hostile"
)

// on answers the requests of a type for files of a kind (FI, GO …; empty: of
// any) in its own way.
func on(typ byte, kind string, answer func(x *trial, r *hostile.Request)) func(*trial) {
	return func(x *trial) {
		x.files.Hook = func(r *hostile.Request) bool {
			if r.Type != typ || !strings.HasPrefix(path.Base(r.Path), kind) {
				return false
			}
			answer(x, r)
			return true
		}
	}
}

// noGO: the GO never went, or was never confirmed.
func noGO(x *trial) error {
	if slices.ContainsFunc(x.files.Taken(), func(p string) bool { return strings.HasPrefix(path.Base(p), "GO.") }) {
		return fmt.Errorf("the GO was sent: %v", x.files.Taken())
	}
	return nil
}

// healed lets the server be honest from now on.
func healed(x *trial) { x.files.Heal() }

func sendingLieCases() []hostileCase {
	const again = "submit"
	sent := step{command: again, code: exitDone, says: "^sent"}
	stat := func(kind string, answer func(r *hostile.Request)) func(*trial) {
		return func(x *trial) {
			x.files.Hook = func(r *hostile.Request) bool {
				about := strings.HasPrefix(path.Base(r.Path), kind)
				if about && slices.Contains([]byte{hostile.Stat, hostile.Lstat, hostile.Fstat}, r.Type) {
					answer(r)
					return true
				}
				if r.Type != hostile.Readdir || !strings.HasPrefix(r.Path, "IN") {
					return false
				}
				r.List() // nothing is there
				return true
			}
		}
	}
	return []hostileCase{
		{name: "takes a write and stores half of it", make: on(hostile.Write, "FI", func(x *trial, r *hostile.Request) {
			content, _ := x.files.Get(r.Path)
			x.files.Put(r.Path, append(content, r.Data[:len(r.Data)/2]...))
			r.Status(hostile.OK, "")
		}), steps: []step{{command: "submit", code: exitTemporary, or: exitFailed, says: "byte counts differ", then: func(x *trial) {
			if err := noGO(x); err != nil {
				panic(err)
			}
			healed(x)
		}}, sent}},
		{name: "takes a write and stores nothing", make: on(hostile.Write, "FI", func(_ *trial, r *hostile.Request) {
			r.Status(hostile.OK, "")
		}), steps: []step{{command: "submit", code: exitTemporary, or: exitFailed, says: "byte counts differ", then: healed}, sent}},
		{name: "says that it has more than was sent", make: stat("FI", func(r *hostile.Request) {
			r.Reply(hostile.Attrs, 1|4, uint64(1<<40), 0o100600)
		}), steps: []step{{command: "submit", code: exitTemporary, or: exitFailed, says: "^error: "}}, check: noGO},
		{name: "confirms everything and knows of no file", make: stat("FI", func(r *hostile.Request) {
			r.Status(hostile.NoSuchFile, "")
		}), steps: []step{sent}},
		{name: "confirms no FI", make: on(hostile.CloseReq, "FI", func(_ *trial, r *hostile.Request) {
			r.Status(hostile.Failure, "\x1b[2J\u202edisk gone")
		}), steps: []step{{command: "submit", code: exitFailed, says: "^error: ", then: healed}, sent}},
		{name: "confirms no GO, and took it", make: on(hostile.CloseReq, "GO", func(x *trial, r *hostile.Request) {
			r.Status(hostile.Failure, "no")
		}), steps: []step{
			{command: "submit", code: exitUnknown, says: "whether it is processed is not known, and it was not sent again", then: healed},
			// It lies in the folder: it is sent.
			{command: "resume", code: exitDone, says: "^sent"},
			{command: "submit", code: exitAlready, says: "was sent already"},
		}},
		{name: "refuses the GO, and took nothing", make: on(hostile.Open, "GO", func(x *trial, r *hostile.Request) {
			r.Status(hostile.Failure, "no")
		}), steps: []step{
			{command: "submit", code: exitUnknown, or: exitFailed, says: "^error: ", then: healed},
			{command: "resume", code: exitDone, says: "^sent"},
		}},
	}
}

func fetchingLieCases() []hostileCase {
	stored := step{command: "fetch", code: exitDone, says: "^stored"}
	// lists shows one reply of a size that the server makes up.
	lists := func(size int64, next func(r *hostile.Request) bool) func(*trial) {
		return func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Readdir {
					r.List(hostile.Name{Name: replyName(1), Size: size}, hostile.Name{Name: goName(1)})
					return true
				}
				return next != nil && next(r)
			}
		}
	}
	endless := func(r *hostile.Request) bool {
		if r.Type == hostile.Read {
			r.Reply(hostile.Data, string(make([]byte, min(r.Length, 32<<10))))
		}
		return r.Type == hostile.Read
	}
	kept := func(x *trial) error {
		if n := len(x.files.Removed()); n > 0 || len(x.archive()) > 0 {
			return fmt.Errorf("removed %v, stored %v", x.files.Removed(), x.archive())
		}
		return nil
	}
	once := func(x *trial) error {
		if got := x.archive(); !slices.Equal(got, []string{replyName(1)}) {
			return fmt.Errorf("stored %q", got)
		}
		return nil
	}
	bomb := func(content []byte, says string) hostileCase {
		return hostileCase{make: func(x *trial) { x.reply(1, content) }, steps: []step{{command: "fetch", code: exitDone, says: says}}, check: once}
	}
	named := func(name string, c hostileCase) hostileCase {
		c.name = name
		return c
	}
	return []hostileCase{
		{name: "gives fewer bytes than it lists", make: lists(int64(len(receipt))+1, nil), steps: []step{{command: "fetch", code: exitFailed, says: "byte counts differ"}}, check: kept},
		{name: "gives more bytes than it lists", make: lists(int64(len(receipt))-1, nil), steps: []step{{command: "fetch", code: exitFailed, says: "byte counts differ"}}, check: kept},
		{name: "gives bytes without end", make: lists(1000, endless), steps: []step{{command: "fetch", code: exitFailed, says: "byte counts differ"}}, check: kept},
		{name: "lists an absurd size", make: lists(1<<62, endless), steps: []step{{command: "fetch", code: exitFailed, says: "more than 4294967296 bytes, which no reply has"}}, check: kept},
		{name: "lists a size below zero", make: lists(-1<<63, nil), steps: []step{{command: "fetch", code: exitDone, or: exitFailed, says: "."}}},
		{name: "gives other bytes on the second read", make: func(x *trial) {
			x.lies = true
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Read && r.Offset == 0 && r.N > 2 {
					r.Reply(hostile.Data, strings.Repeat("x", len(receipt)))
					return true
				}
				return false
			}
		}, steps: []step{
			{command: "fetch --keep", code: exitDone, says: "^stored"},
			{command: "fetch", code: exitDone, says: "came a second time with other contents"},
			{command: "fetch", code: exitDone, says: "came a second time with other contents"},
		}, check: func(x *trial) error {
			if n := len(x.archive()); n != 2 || len(x.files.Removed()) > 0 {
				return fmt.Errorf("stored %q, removed %q", x.archive(), x.files.Removed())
			}
			return nil
		}},
		{name: "says removed, and is not", make: func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type == hostile.Remove {
					r.Status(hostile.OK, "")
				}
				return r.Type == hostile.Remove
			}
		}, steps: []step{stored, {command: "fetch", code: exitDone, says: "nothing new"}, {command: "fetch", code: exitDone, says: "nothing new", then: healed}, {command: "fetch", code: exitDone, says: "nothing new"}},
			check: func(x *trial) error {
				if _, there := x.files.Get("OUTTEST/" + goName(1)); there {
					return fmt.Errorf("the GO is left")
				}
				return once(x)
			}},
		{name: "says not removed, and is", make: func(x *trial) {
			x.reply(1, receipt)
			x.files.Hook = func(r *hostile.Request) bool {
				if r.Type != hostile.Remove {
					return false
				}
				r.Quietly()
				r.Status(hostile.Failure, "no")
				return true
			}
		}, steps: []step{
			{command: "fetch", code: exitFailed, or: exitPartly, says: "still on the server", then: healed},
			{command: "fetch", code: exitDone, says: "nothing new"},
		}, check: once},
		named("entities without end", bomb([]byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cccccccc"><!ENTITY d "&b;&b;&b;">]><ACRF>&d;</ACRF>`), "cannot be read")),
		named("depth without end", bomb(bytes.Repeat([]byte("<a>"), 1<<20), "cannot be read")),
		named("an element without end", bomb(append([]byte("<ACRF><Form><Identification>"), bytes.Repeat([]byte("x"), 8<<20)...), "cannot be read")),
		named("a million forms", bomb(slices.Concat([]byte("<ACRF>"), bytes.Repeat([]byte("<Form/>"), 1<<18), []byte("</ACRF>")), "^stored")),
		named("escapes in its error ids", bomb(bytes.Replace(receipt, []byte("<ResultCode>1</ResultCode>"), []byte("<ResultCode>0</ResultCode><ErrorID>&#x1b;[2J\u202eACRF-1</ErrorID><ErrorID>\u202e\u0085</ErrorID>"), 1), "^stored")),
	}
}

// cutCases: the connection breaks at the first, and at the second, request of
// each type, before it is carried out or before it is answered. The next runs
// bring everything to its end.
func cutCases() []hostileCase {
	var cases []hostileCase
	for _, at := range []struct {
		command string
		name    string
		typ     byte
	}{
		{"submit", "init", hostile.Init}, {"submit", "open", hostile.Open}, {"submit", "write", hostile.Write}, {"submit", "close", hostile.CloseReq},
		{"fetch", "init", hostile.Init}, {"fetch", "opendir", hostile.Opendir}, {"fetch", "readdir", hostile.Readdir}, {"fetch", "open", hostile.Open},
		{"fetch", "read", hostile.Read}, {"fetch", "remove", hostile.Remove},
	} {
		for _, done := range []bool{false, true} {
			for n := 1; n <= 2; n++ {
				when := map[bool]string{false: "before", true: "after"}[done]
				cases = append(cases, hostileCase{
					name: fmt.Sprintf("%s, %s %s %d", at.command, when, at.name, n),
					make: func(x *trial) {
						if at.command == "fetch" {
							x.reply(1, receipt)
						}
						x.files.Hook = func(r *hostile.Request) bool {
							if r.Type != at.typ || r.N != n {
								return false
							}
							if done {
								r.Quietly()
							}
							x.server.Cut()
							return true
						}
					},
					steps: []step{{command: at.command, any: true, says: "", then: healed}, {command: "resume", code: exitDone, says: ""}, {command: at.command, code: exitDone, or: exitAlready, says: ""}},
					check: func(x *trial) error {
						if at.command == "fetch" {
							return x.broughtHome()
						}
						return x.sentOnce()
					},
				})
			}
		}
	}
	return cases
}

// refusalCases: a type of request is refused for a while, for each reason that
// a server may give.
func refusalCases() []hostileCase {
	var cases []hostileCase
	for _, at := range []struct {
		command, name string
		typ           byte
	}{
		{"submit", "open", hostile.Open}, {"submit", "write", hostile.Write}, {"submit", "close", hostile.CloseReq},
		{"fetch", "opendir", hostile.Opendir}, {"fetch", "readdir", hostile.Readdir}, {"fetch", "open", hostile.Open}, {"fetch", "read", hostile.Read},
		{"fetch", "remove", hostile.Remove},
	} {
		for code, why := range map[int]string{hostile.Failure: "failure", 3: "permission denied", hostile.NoSuchFile: "no such file", hostile.OpUnsupp: "not supported", 999: "no known reason"} {
			cases = append(cases, hostileCase{
				name: fmt.Sprintf("%s, %s: %s", at.command, at.name, why),
				make: func(x *trial) {
					if at.command == "fetch" {
						x.reply(1, receipt)
					}
					x.files.Hook = func(r *hostile.Request) bool {
						if r.Type == at.typ {
							r.Status(code, "\x1b[2J\u202e"+strings.Repeat("no ", 10_000))
						}
						return r.Type == at.typ
					}
				},
				steps: []step{{command: at.command, any: true, says: "", then: healed}, {command: "resume", any: true, says: ""}, {command: at.command, code: exitDone, or: exitAlready, says: ""}},
				check: func(x *trial) error {
					if at.command == "fetch" {
						return x.broughtHome()
					}
					return x.sentOnce()
				},
			})
		}
	}
	slices.SortFunc(cases, func(a, b hostileCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

// sentOnce: the server has one set, complete.
func (x *trial) sentOnce() error {
	if all := x.files.Names(); len(all) != 2 || !strings.HasPrefix(all[0], "INTEST/FI.") || !strings.HasPrefix(all[1], "INTEST/GO.") {
		return fmt.Errorf("the server has %v", all)
	}
	return nil
}

// broughtHome: the reply is stored once, and nothing is left on the server.
func (x *trial) broughtHome() error {
	if got := x.archive(); !slices.Equal(got, []string{replyName(1)}) {
		return fmt.Errorf("stored %q", got)
	}
	for _, name := range []string{replyName(1), goName(1)} {
		if _, there := x.files.Get("OUTTEST/" + name); there {
			return fmt.Errorf("%s is left", name)
		}
	}
	return nil
}
