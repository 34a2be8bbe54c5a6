package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
)

// verdict compares what there is with what was handed in.
func (p *performance) verdict(ctx context.Context) error {
	sets, err := p.sets()
	if err != nil {
		return err
	}
	p.processedOnce(sets)
	if err := p.repliesAtHome(); err != nil {
		return err
	}
	if err := p.nothingLeft(sets); err != nil {
		return err
	}
	return p.clientTidy(ctx)
}

// processedOnce: each declaration is one processed and accepted set, and there
// is no other; the ledger knows it as that set and as accepted. A GO that
// arrived was not given a second time.
func (p *performance) processedOnce(sets []set) {
	gos := map[string]int{}
	for _, e := range p.current().Journal() {
		if e.Kind == sandbox.GoCreated {
			if gos[e.Name]++; gos[e.Name] == 2 {
				p.violation("%s arrived and was given again", e.Name)
			}
		}
	}
	processed := p.current().Processed()
	for _, x := range processed {
		if x.Outcome != sandbox.Accepted {
			p.violation("the server refused %s: %s", x.GO, strings.Join(x.Errors, ", "))
		}
	}
	if len(processed) != len(p.declarations) {
		p.violation("the server processed %d sets, handed in were %d declarations", len(processed), len(p.declarations))
	}
	for i, d := range p.declarations {
		var names, live []string
		for _, x := range processed {
			var hashes []string
			for _, f := range x.Files {
				hashes = append(hashes, f.SHA256)
			}
			if slices.Equal(hashes, d.hashes) {
				names = append(names, strings.TrimPrefix(x.GO, "GO."))
			}
		}
		if len(names) != 1 {
			p.violation("declaration #%d was processed %d times", i, len(names))
		}
		for _, s := range sets {
			if s.State == "cancelled" || !slices.Equal(s.hashes(), d.hashes) {
				continue
			}
			live = append(live, s.Name)
			if s.State != "accepted" {
				p.violation("the ledger has %s, declaration #%d, as %s", s.Name, i, s.State)
			}
		}
		if !slices.Equal(live, names) {
			p.violation("declaration #%d is %v in the ledger and %v on the server", i, live, names)
		}
	}
}

// repliesAtHome: every reply that the server made is in the archive once, with
// the bytes that it had on the server, and in the ledger; nothing else is.
func (p *performance) repliesAtHome() error {
	want := map[string]string{} // hash by environment/name
	parts := 0
	for _, d := range p.declarations {
		parts += d.shape.parts()
	}
	replies := 0
	for _, e := range p.current().Journal() {
		switch e.Kind {
		case sandbox.ServerFailed:
			p.violation("the stand-in itself failed: %s", e.Detail)
		case sandbox.Replied:
			replies++
			env := e.Name[strings.LastIndexByte(e.Name, '.')+1:]
			for _, f := range e.Files {
				want[env+"/"+f.Name] = f.SHA256
			}
		}
	}
	if n := len(p.declarations) + parts; replies != n {
		p.violation("the server made %d replies, expected were %d", replies, n)
	}
	for name, hash := range want {
		env, base, _ := strings.Cut(name, "/")
		if err := p.stored(naming.Environment(env), base, hash); err != nil {
			p.violation("the reply %s is not at home: %v", name, err)
		}
	}
	root := filepath.Join(p.client, "replies")
	return filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		env, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		// What was in a compressed reply lies beside it.
		if _, ok := want[env+"/"+strings.TrimSuffix(e.Name(), answers.ContentSuffix)]; !ok {
			p.violation("the archive has %s, which is no reply", filepath.ToSlash(rel))
		}
		return nil
	})
}

// nothingLeft: the server's folders are empty, but for sets that were given up
// without the server knowing: by a person who knew that they did not arrive,
// or where a TD had to cancel them and did not arrive. They have no GO.
func (p *performance) nothingLeft(sets []set) error {
	for _, env := range naming.Environments() {
		if left := p.current().Pending(env); len(left) > 0 {
			p.violation("left in %s: %s", env.Outbox(), strings.Join(left, ", "))
		}
		in, err := os.ReadDir(filepath.Join(p.setup.Dir, env.Inbox()))
		if err != nil {
			return err
		}
		for _, e := range in {
			n, err := naming.Parse(e.Name())
			if err == nil && n.Kind != naming.GO && slices.ContainsFunc(sets, func(s set) bool {
				withTD := slices.Contains(p.schedule.server.forbid, "delete")
				return s.State == "cancelled" && (p.byHand[s.Name] || withTD) && strings.HasPrefix(s.Name, n.SetKey()+".")
			}) {
				continue
			}
			p.violation("left in %s: %s", env.Inbox(), e.Name())
		}
	}
	return nil
}

// clientTidy: the ledger is whole, all replies are read, and what killed
// commands left half-made does no harm.
func (p *performance) clientTidy(ctx context.Context) error {
	l, err := openRecords(p.client)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.sound(); err != nil {
		p.violation("%v", err)
		return nil
	}
	n, err := l.loose()
	if err != nil {
		return err
	}
	if n > 0 {
		p.violation("%d replies are not read, or not known to be deleted, or have a problem", n)
	}
	known, err := l.spools()
	if err != nil {
		return err
	}
	spool := filepath.Join(p.client, "state", "spool")
	there, err := os.ReadDir(spool)
	if err != nil {
		return err
	}
	var nameless []string
	for _, e := range there {
		if !known[e.Name()] {
			nameless = append(nameless, e.Name())
			p.result.leftover = append(p.result.leftover, "a frozen copy that never got a name")
		}
		delete(known, e.Name())
	}
	for name := range known {
		p.violation("the frozen copy %s is gone", name)
	}
	if err := p.abandoned(ctx, spool, nameless); err != nil {
		return err
	}
	temps, err := filepath.Glob(filepath.Join(p.client, "state", ".new-*"))
	if err != nil {
		return err
	}
	for range temps {
		p.result.leftover = append(p.result.leftover, "a temporary file of logins.json")
	}
	stray, err := filepath.Glob(filepath.Join(p.dir, "socbatch-*"))
	if err == nil && len(stray) > 0 {
		p.violation("temporary directories are left: %v", stray)
	}
	return ctx.Err()
}

// abandoned: frozen copies that never got a name are gone with the next submit
// when they are old enough.
func (p *performance) abandoned(ctx context.Context, spool string, nameless []string) error {
	if len(nameless) == 0 {
		return nil
	}
	var old []string
	for _, name := range nameless {
		_, random, _ := strings.Cut(name, "-")
		aged := filepath.Join(spool, time.Now().UTC().Add(-25*time.Hour).Format("20060102T150405")+"-"+random)
		if err := os.Rename(filepath.Join(spool, name), aged); err != nil {
			return err
		}
		old = append(old, aged)
	}
	env := p.declarations[0].shape.environment()
	if err := p.command(ctx, command{verb: submit, declarations: []int{0}, environments: []naming.Environment{env}}); err != nil {
		return err
	}
	for _, path := range old {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			p.violation("a frozen copy without a name is still there after a day: %s, %v", filepath.Base(path), err)
		}
	}
	return nil
}
