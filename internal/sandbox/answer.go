package sandbox

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/socbatch/socbatch/naming"
)

// Applications of replies.
const (
	receipt      = "ACRF"
	notification = "NOTI"
)

// plan lists the answers to a set. Server.mu is held.
func (s *Server) plan(set ProcessedSet, rule Rule, now time.Time) []*answerDue {
	env := environmentOf(set.Folder)
	fileName := set.GO
	if rule.NameFI && len(set.Files) > 0 {
		fileName = set.Files[0].Name
	}
	answer := answerDue{
		ID: s.state.lastDue, At: now, Folder: env.Outbox(), Environment: string(env), FileName: fileName,
		Sender: s.cfg.Sender, Ticket: set.Ticket, Rule: rule,
	}
	var due []*answerDue
	add := func(a answerDue) {
		answer.ID++
		a.ID = answer.ID
		due = append(due, &a)
	}
	if rule.Receipt != "none" {
		answer.At = now.Add(delayOf(rule.ReceiptDelay, s.cfg.ReceiptDelay))
		a := answer
		a.Application, a.For, a.Errors = receipt, set.GO, set.Errors
		add(a)
	}
	if set.Outcome != Accepted || rule.Notification == "none" {
		return due
	}
	for _, f := range set.Files {
		a := answer
		a.At = a.At.Add(delayOf(rule.NotificationDelay, s.cfg.NotificationDelay))
		a.Application, a.For, a.FI = notification, f.Name, set.path()+"/"+f.Name
		if rule.NameFI {
			a.FileName = f.Name
		}
		add(a)
	}
	return due
}

// delayOf prefers the rule's delay. It is never negative, so that a notification
// does not come before its receipt.
func delayOf(d *Duration, otherwise time.Duration) time.Duration {
	if d != nil {
		otherwise = time.Duration(*d)
	}
	return max(otherwise, 0)
}

func environmentOf(folder string) naming.Environment {
	for _, e := range naming.Environments() {
		if e.Inbox() == folder {
			return e
		}
	}
	return ""
}

// nextAnswer finds the earliest answer that is due; with all, that is planned.
func (s *Server) nextAnswer(now time.Time, all bool) *answerDue {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next *answerDue
	for _, d := range s.state.due {
		if next == nil || cmp.Or(d.At.Compare(next.At), cmp.Compare(d.ID, next.ID)) < 0 {
			next = d
		}
	}
	if next == nil || (!all && next.At.After(now)) {
		return nil
	}
	return next
}

// give makes one reply set appear. All its files are written first, outside of
// the client's sight; then FO, FS and GO move into the folder in this order. The
// work lock is held.
func (s *Server) give(d *answerDue) error {
	series := fmt.Sprintf("%s.%s.%s.", d.Application, naming.OfficeSender, naming.DateOf(s.clock()))
	s.mu.Lock()
	seq, ok := s.state.sequences[series+d.Environment]
	s.mu.Unlock()
	var err error
	if !ok {
		seq = naming.FirstSequence
	} else if seq, err = seq.Next(); err != nil {
		return err
	}
	tail := "." + series + string(seq) + "." + d.Environment
	stage := stagingDir + "/" + strconv.FormatInt(d.ID, 10)
	dir := stage + "/" + d.Folder
	if err := s.root.RemoveAll(stage); err != nil {
		return err
	}
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	names, err := s.writeReply(d, dir, tail)
	if err != nil {
		return err
	}
	var files []File
	for _, name := range names[:len(names)-1] {
		file, err := s.digest(member{name, dir + "/" + name}, io.Discard)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	s.mu.Lock()
	err = s.state.note(record{Done: d.ID, Series: series + d.Environment, Sequence: string(seq)})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	g := &growth{stage: stage, folder: d.Folder, names: names, event: Event{
		Kind: Replied, Folder: d.Folder, Name: names[0], Reply: d.Application, For: d.For, Ticket: d.Ticket, Files: files,
	}}
	if s.faults().HalfWrittenReplies {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.growing = append(s.growing, g)
		return s.grow(g)
	}
	if err := s.publish(dir, d.Folder, names); err != nil {
		return err
	}
	s.journal.add(g.event)
	return s.root.RemoveAll(stage)
}

// Pending lists the names in the folder OUT… of an environment, by name.
func (s *Server) Pending(env naming.Environment) []string {
	if !env.Valid() {
		return nil
	}
	entries, err := readDir(s.root, env.Outbox())
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
