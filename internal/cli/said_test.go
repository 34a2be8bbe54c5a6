package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/lock"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/report"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/hostkey"
	"github.com/socbatch/socbatch/transport/proxy"
	"github.com/socbatch/socbatch/transport/sshkey"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what is said in each language with
// testdata/language/NAME.LANGUAGE.txt.
func golden(t *testing.T, name string, say func(*program)) {
	t.Helper()
	for _, l := range lang.Languages() {
		var out bytes.Buffer
		a := &program{
			build:  testBuild,
			ui:     &ui{streams: streams{out: &out, err: &out}, lang: l},
			getenv: func(name string) string { return map[string]string{"XDG_CONFIG_HOME": "/etc/xdg"}[name] },
			now:    func() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) },
		}
		say(a)
		file := filepath.Join("testdata", "language", name+"."+string(l)+".txt")
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != string(want) {
			t.Errorf("%s: go test -run %s -update writes it anew\ngot\n%s\nwant\n%s", file, t.Name(), got, want)
		}
	}
}

// sets are one of each state.
func sets() []inbox.Submission {
	var list []inbox.Submission
	for i, s := range inbox.States() {
		x := inbox.Submission{
			Set: naming.Set{
				Application: "DMFA", Sender: "101380", Date: "20261120", Sequence: naming.Sequence("0000" + string("123456789ABC"[i])),
				Environment: naming.Production, Parts: 1,
			},
			State: s,
		}
		if s == inbox.Sent || s.Answered() {
			x.SentAt, x.Ticket = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC), "3400000000001"
		}
		list = append(list, x)
	}
	return list
}

func TestStatusIsSaid(t *testing.T) {
	t.Parallel()
	golden(t, "status", func(a *program) {
		c := config.Defaults(func(string) string { return "" })
		statusTable(a, c, sets())
		tellNameUsed(a, sets())
		tellLate(a, c, sets())
		s := sets()[9]
		s.Note, s.Reason, s.SignedBy = "00024-005", "asked by telephone", "Test Sender"
		s.Parts = []inbox.Part{{Number: 1, Source: "/home/me/dmfa.xml", Size: 4711, SignSize: 1}}
		at := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
		printStory(a, s, lang.Text{}, []ledger.Event{
			{At: at.Add(-time.Second), State: inbox.Prepared}, {At: at, State: inbox.Sent},
			{At: at.Add(10 * time.Minute), State: inbox.AcceptedWithRemarks, Note: "00024-005"},
		}, []ledger.StoredAnswer{
			{Reply: "FO.NOTI.999999.20261120.00001.R", Path: "R/FO", Signature: "valid: Smals", Answer: ledger.Answer{
				Kind: "notification", Outcome: ledger.OutcomeRemarks, Part: 1, Form: 1,
				Anomalies: []ledger.Anomaly{{ErrorID: "00024-005", Class: "W", Tag: "EmployerClass"}},
			}},
		})
	})
}

// The page, with a set of each state.
func TestReportIsSaid(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	golden(t, "report", func(a *program) {
		c := config.Defaults(func(string) string { return "" })
		c.Sender = "101380"
		p := reporter{a: a, config: c, ledger: l, options: reportOptions{limit: 3}, from: a.now().AddDate(0, 0, -90)}
		page, err := p.page(t.Context(), sets(), []ledger.ListedReply{{Reply: ledger.Reply{
			Name: "FO.NOTI.999999.20261120.00001.R", FetchedAt: a.now(), Signature: answers.SignatureInvalid + "x", Conflict: true,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Write(a.ui.out, page); err != nil {
			t.Fatal(err)
		}
	})
}

func faultsOf(t *testing.T, xml string) []declaration.Fault {
	t.Helper()
	info, err := declaration.Inspect(strings.NewReader(xml), declaration.Options{})
	if err != nil || len(info.Faults) == 0 {
		t.Fatalf("%d faults, %v", len(info.Faults), err)
	}
	return info.Faults
}

func planned(t *testing.T, file string) error {
	t.Helper()
	_, err := inbox.Plan([]string{file})
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

func named(t *testing.T, name string) error {
	t.Helper()
	_, err := naming.Parse(name)
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

func connecting(class transport.Class, reason, err error) error {
	return &transport.Error{
		Op: "connect", Path: "sftp.socialsecurity.be:8022", Class: class, Kind: transport.ErrConnection,
		Err: &transport.ConnectError{Reason: reason, Err: err},
	}
}

// What goes wrong most, and what to do next, read aloud.
func TestErrorsAreSaid(t *testing.T) {
	t.Parallel()
	set := sets()[4].Set
	host := &hostkey.Error{Reason: hostkey.ErrChanged, Host: "sftp.socialsecurity.be:8022", KeyType: "ssh-rsa", Fingerprint: "SHA256:seen"}
	lost := &transport.Error{Op: "put", Path: "IN/GO.DMFA", Class: transport.Temporary, Kind: transport.ErrConnection, Err: io.ErrUnexpectedEOF}
	denied := &transport.Error{Op: "list", Path: "IN", Kind: transport.ErrPermission}
	golden(t, "errors", func(a *program) {
		for _, err := range []error{
			usagef("--output goes with one file"),
			&lock.HeldError{Path: "send.lock", Holder: lock.Holder{PID: 1, Host: "here", Command: "socbatch submit", Since: time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)}},
			&inbox.UnknownError{Set: set, Err: lost},
			&inbox.UnknownError{Set: set, Err: syscall.EIO, Taken: true},
			&inbox.UnsettledError{Set: set, Err: denied},
			&inbox.AlreadyError{Existing: sets()[10], Same: true},
			&inbox.NameUsedError{Name: set.String()},
			&inbox.StateError{Name: set.String(), Now: inbox.Sent, To: inbox.Cancelled},
			&inbox.LeftBehindError{Set: set, Err: denied},
			&inbox.ApplicationError{Path: "x.xml", Root: "AVWDDT", Candidates: []string{"DUCN", "DDTN"}},
			&inbox.ApplicationError{Path: "x.xml", Root: "GenericXmlDocument", Candidates: []string{"ECOR", "RECO"}, Identifications: []string{"NEWS001"}},
			&inbox.ReplyError{Path: "x.xml", Reply: inbox.Reply{Application: "NOTI"}},
			&inbox.ReplyError{Path: "x.xml"},
			&inbox.ReplyError{Path: "FO.ACRF.x", Reply: *inbox.ReplyByName("FO.ACRF.999999.20261120.00001.R")},
			&inbox.SourceError{Path: "x.xml", Err: fs.ErrNotExist},
			&inbox.SourceError{Path: "x.xml", Err: fmt.Errorf("%w: 5 bytes, 4 allowed", inbox.ErrTooLarge)},
			host,
			failure.AskWhom(host, "Eranova"),
			connecting(transport.Temporary, transport.ErrTimedOut, os.ErrDeadlineExceeded),
			connecting(transport.Temporary, transport.ErrNotSSH, io.EOF),
			connecting(transport.Permanent, nil, &proxy.Error{Proxy: "proxy:3128", Reason: proxy.ErrAuthentication, Err: errors.New("HTTP status 407")}),
			&hostkey.FileError{File: "known_hosts", Line: 3, Err: problem.New("the key is damaged")},
			fmt.Errorf("certificate c.p12: %w", sign.ErrWrongPassword),
			errorf("SSH key %s: %s; nothing was sent", "id", &sshkey.FormatError{Found: "a public key", Hint: "give the private key file, usually the same name without .pub"}),
			ledger.ErrNoSubmission,
			&config.Error{Path: "c.toml", Line: 3, Key: "sender", Problem: naming.CheckSender("12")},
			&inbox.FaultsError{Path: "x.xml", Faults: faultsOf(t, "<Dimona><Form></Dimona>")},
			planned(t, "FI.DMFA.101380.20261120.00001.R.2.1"),
			named(t, "FI.DMFA.1"),
			errors.Join(lost, denied),
			context.Canceled,
		} {
			a.ui.fail(err)
		}
		for _, f := range naming.Validate("FI.DFMA.101380.20991120.0001.X.2.3", naming.Context{Account: "999", Today: "20261120", Nearest: near.Application}) {
			a.ui.warn("%s", f)
		}
	})
}

func TestHelpIsSaid(t *testing.T) {
	t.Parallel()
	needsSlashes(t)
	golden(t, "help", func(a *program) {
		root := newRootCmd(a)
		a.ui.speakHelp(root)
		root.SetOut(a.ui.out)
		for _, args := range [][]string{
			{"name", "--help"}, {"help", "environments"}, {"help", "names"}, {"help", "exit-codes"}, {"help", "configuration"},
		} {
			root.SetArgs(args)
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
