package main

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// begin lets a blow begin that waits for no request. The function returned ends
// it, when the commands have ended.
func (p *performance) begin(s *strike) (end func() error, err error) {
	switch {
	case s.mode == atStep:
		return p.ambush(s)
	case s.what == away:
		s.fired, s.where = true, "connect"
		return func() error { return p.start(10 * time.Second) }, p.stop()
	case s.what == killTime:
		timer := time.AfterFunc(s.time, func() { s.victim.kill() })
		return func() error { timer.Stop(); return nil }, nil
	}
	return func() error {
		if s.what == restart && s.fired {
			return <-s.restarted
		}
		return nil
	}, nil
}

// planted is what makes a client stop at a step of its own.
func (p *performance) planted(b blow, crashLog string) []string {
	env := []string{"SOCBATCH_CRASH_AT=" + strconv.Itoa(b.at), "SOCBATCH_CRASH_ON=" + b.on}
	switch {
	case b.what == killPoint:
		return append(env, "SOCBATCH_CRASH_LOG="+crashLog)
	case b.mode == atStep:
		return append(env, "SOCBATCH_CRASH_TELL="+p.socket())
	}
	return nil
}

func (p *performance) socket() string { return filepath.Join(p.dir, "step") }

// ambush strikes the server when the victim is at its step. The victim waits
// there until it is done; where the blow has a time, it goes on, and the blow
// comes so much later. The function returned waits for the end of it.
func (p *performance) ambush(s *strike) (struck func() error, err error) {
	l, err := net.Listen("unix", p.socket())
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- p.await(l, s) }()
	return func() error {
		err := l.Close()
		return errors.Join(err, <-done)
	}, nil
}

func (p *performance) await(l net.Listener, s *strike) error {
	c, err := l.Accept()
	if err != nil {
		return nil // the command ended before
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return nil
	}
	s.fired, s.where = true, stepName(strings.TrimSpace(line), p.client)
	if s.time > 0 {
		c.Close()
		time.Sleep(s.time)
	}
	switch s.what {
	case cut:
		p.cut()
	case killSFTP:
		p.killSFTP()
	case restart:
		err = p.restart()
	}
	p.look()
	return err
}

// aftermath finds out whether the blow struck, and where.
func (p *performance) aftermath(s *strike, crashLog string) error {
	switch s.what {
	case killPoint:
		text, err := os.ReadFile(crashLog)
		if err != nil {
			return err
		}
		if s.fired = len(text) > 0; s.fired {
			s.victim.killed = true
			s.where = stepName(strings.TrimSpace(string(text)), p.client)
		}
	case killTime:
		s.fired = s.victim.code < 0
		s.where = "some time"
	}
	p.result.struck = s.fired
	if s.fired {
		p.logf("  struck: %s", s.where)
	} else {
		p.logf("  not struck")
	}
	return nil
}

var stepWords = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`spool/\d{8}T\d{6}-[0-9a-f]{12}`), "spool/SET"},
	{regexp.MustCompile(`\d{4}-\d{2}-\d{2}`), "DAY"},
	{regexp.MustCompile(`\b(FO|CO|FS|GO)\.[A-Z]+\.[0-9A-Z.]+`), "$1"},
	{regexp.MustCompile(`\.incoming/\d+`), ".incoming/TEMP"},
	{regexp.MustCompile(`\.(fi|new)-\d+`), ".$1-TEMP"},
	{regexp.MustCompile(`/[12]\.(FI|FS)\b`), "/PART.$1"},
	{regexp.MustCompile(`replies/[RTS]\b`), "replies/ENV"},
	{regexp.MustCompile(` /\S+/client$`), " client"},
}

// stepName takes out of a step what is different in every run.
func stepName(line, client string) string {
	line = strings.ReplaceAll(line, client+string(filepath.Separator), "")
	for _, w := range stepWords {
		line = w.pattern.ReplaceAllString(line, w.word)
	}
	return line
}
