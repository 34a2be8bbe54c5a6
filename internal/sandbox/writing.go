package sandbox

import (
	"archive/zip"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/socbatch/socbatch/naming"
)

// writeReply writes FO or CO, FS and GO into dir, and gives their names.
func (s *Server) writeReply(d *answerDue, dir, tail string) (names []string, err error) {
	main := string(naming.FO) + tail
	write := func(w io.Writer) error { return s.writeContent(w, d) }
	if d.Rule.Compressed {
		entry := main
		main = string(naming.CO) + tail
		write = func(w io.Writer) error {
			z := zip.NewWriter(w)
			e, err := z.Create(entry)
			if err == nil {
				err = s.writeContent(e, d)
			}
			return errors.Join(err, z.Close())
		}
	}
	if err := s.writeFile(dir+"/"+main, write); err != nil {
		return nil, fmt.Errorf("write %s: %w", main, err)
	}
	names = append(names, main)
	if d.Rule.SignReplies == nil || *d.Rule.SignReplies {
		text, err := s.signReply(dir + "/" + main)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", main, err)
		}
		if err := s.root.WriteFile(dir+"/"+string(naming.FS)+tail, text, 0o600); err != nil {
			return nil, err
		}
		names = append(names, string(naming.FS)+tail)
	}
	if err := s.root.WriteFile(dir+"/"+string(naming.GO)+tail, nil, 0o600); err != nil {
		return nil, err
	}
	return append(names, string(naming.GO)+tail), nil
}

func (s *Server) writeFile(path string, write func(io.Writer) error) error {
	f, err := s.root.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = write(w)
	return errors.Join(err, w.Flush(), f.Close())
}

// publish moves the files of a reply set into its folder, GO last.
func (s *Server) publish(dir, folder string, names []string) error {
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	for _, name := range names {
		if err := s.root.Rename(dir+"/"+name, folder+"/"+name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("publish %s: %w", name, err)
		}
	}
	return nil
}

// growth is a reply that appears step by step.
type growth struct {
	stage, folder string
	names         []string // FO or CO, perhaps FS, GO
	step          int
	event         Event
}

// growReplies takes every half-written reply of a folder one step on.
func (s *Server) growReplies(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.growing = slices.DeleteFunc(s.growing, func(g *growth) bool {
		if g.folder != folder {
			return false
		}
		if err := s.grow(g); err != nil {
			s.failed("grow "+g.names[0], err)
			return true
		}
		return g.step > 2
	})
}

// grow takes the next step: half of the first file; all of it, and GO; the
// rest. Server.mu is held.
func (s *Server) grow(g *growth) error {
	dir := g.stage + "/" + g.folder
	g.step++
	switch g.step {
	case 1:
		whole, err := s.root.ReadFile(dir + "/" + g.names[0])
		if err != nil {
			return err
		}
		return s.root.WriteFile(g.folder+"/"+g.names[0], whole[:len(whole)/2], 0o600)
	case 2:
		whole, err := s.root.ReadFile(dir + "/" + g.names[0])
		if err != nil {
			return err
		}
		if err := s.root.WriteFile(g.folder+"/"+g.names[0], whole, 0o600); err != nil {
			return err
		}
		last := g.names[len(g.names)-1]
		return s.root.Rename(dir+"/"+last, g.folder+"/"+last)
	}
	if len(g.names) == 3 {
		if err := s.root.Rename(dir+"/"+g.names[1], g.folder+"/"+g.names[1]); err != nil {
			return err
		}
	}
	s.journal.add(g.event)
	return s.root.RemoveAll(g.stage)
}

// writeContent writes the XML of a reply.
func (s *Server) writeContent(w io.Writer, d *answerDue) error {
	if d.Application == receipt {
		return s.writeReceipt(w, d)
	}
	return s.writeNotification(w, d)
}
