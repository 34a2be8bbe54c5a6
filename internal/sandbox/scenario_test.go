package sandbox

import (
	"archive/zip"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

func TestParseScenario(t *testing.T) {
	sc, err := ParseScenario([]byte(`
[[rule]]
application = "DMFA"
environment = "T"
sequence = "0000?"
receipt_delay = "1m"
notification = "remarks"
anomalies = [{id = "00024-005", class = "NP", tag = "INSS", line = 3}]
forms = [1]
sign_replies = false

[[rule]]
root = "Dimona"
process = "manual"
refuse = ["ACRF-088"]

[faults]
forbid_in = ["stat", "list"]
cut_after_bytes = 1000
slow = "20ms"
`))
	if err != nil {
		t.Fatal(err)
	}
	r := sc.Rules[0]
	if time.Duration(*r.ReceiptDelay) != time.Minute || r.Anomalies[0].Line != 3 || *r.SignReplies || sc.Faults.Slow != Duration(20*time.Millisecond) {
		t.Errorf("scenario %+v", sc)
	}
	for name, tt := range map[string]struct{ toml, want string }{
		"unknown key":          {"[faults]\nbroken = true", "unknown key faults.broken"},
		"unknown key in rule":  {"[[rule]]\nrefused = []", "unknown key rule.refused"},
		"not TOML":             {"[[rule", "scenario: "},
		"wrong type":           {"[faults]\nvanish = 1", "scenario: "},
		"environment":          {"[[rule]]\nenvironment = \"Q\"", `environment "Q"`},
		"process":              {"[[rule]]\nprocess = \"later\"", `process "later"`},
		"negative process":     {"[[rule]]\nprocess = \"-1s\"", `process "-1s"`},
		"receipt":              {"[[rule]]\nreceipt = \"two\"", `receipt "two"`},
		"receipt error":        {"[[rule]]\nrefuse = [\"88\"]", `"88"`},
		"notification":         {"[[rule]]\nnotification = \"maybe\"", `"maybe"`},
		"anomaly id":           {"[[rule]]\nanomalies = [{id = \"1\"}]", `anomaly id "1"`},
		"anomaly class":        {"[[rule]]\nanomalies = [{id = \"00024-005\", class = \"XYZ\"}]", `anomaly class "XYZ"`},
		"anomaly line":         {"[[rule]]\nanomalies = [{id = \"00024-005\", line = -1}]", "count from 1"},
		"pattern":              {"[faults]\nrefuse_write = \"[\"", `"[" is not a pattern`},
		"forbidden action":     {"[faults]\nforbid_out = [\"look\"]", `"look"`},
		"negative byte number": {"[faults]\nstore_at_most = -1", "negative"},
		"negative duration":    {"[faults]\nslow = \"-1s\"", "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseScenario([]byte(tt.toml)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// answered sends one signed set of two forms in T under a rule, and gives the
// names of the replies.
func answered(t *testing.T, r Rule) (s *Server, names []string, read func(string) string) {
	t.Helper()
	s = start(t, func(c *Config) { c.Scenario.Rules = []Rule{r} })
	c := connect(t, s)
	send(t, c, set("DIMN", "00001", naming.Test, 1), nil, dimona(2))
	s.Flush()
	return s, s.Pending(naming.Test), func(name string) string { return get(t, c, "OUTTEST/"+name) }
}

const foACRF, foNOTI = "FO.ACRF.999999.20261125.00001.T", "FO.NOTI.999999.20261125.00001.T"

func TestNotifications(t *testing.T) {
	anomaly := Anomaly{ID: "00024-005", Class: "NP", Tag: "INSS", Value: "1<2", Line: 7, Location: "/Dimona/Form"}
	for _, tt := range []struct {
		name          string
		rule          Rule
		first, second reply.Outcome
		anomalies     int // of the first form
	}{
		{"accepted", Rule{Notification: "accepted"}, reply.Accepted, reply.Accepted, 0},
		{"remarks", Rule{Notification: "remarks", Anomalies: []Anomaly{anomaly, anomaly}}, reply.AcceptedWithRemarks, reply.AcceptedWithRemarks, 2},
		{"remarks made up", Rule{Notification: "remarks"}, reply.AcceptedWithRemarks, reply.AcceptedWithRemarks, 1},
		{"refused", Rule{Notification: "refused"}, reply.Refused, reply.Refused, 1},
		{"to validate", Rule{Notification: "validate"}, reply.ToValidate, reply.ToValidate, 0},
		{"one form refused", Rule{Notification: "refused", Forms: []int{1}}, reply.Refused, reply.Accepted, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, read := answered(t, tt.rule)
			f := forms(t, read(foNOTI))
			if len(f) != 2 || f[0].Outcome != tt.first || f[1].Outcome != tt.second || len(f[0].Anomalies) != tt.anomalies {
				t.Errorf("forms %+v", f)
			}
		})
	}
}

func TestReplyShapes(t *testing.T) {
	no := false
	t.Run("no notification", func(t *testing.T) {
		if _, names, _ := answered(t, Rule{Notification: "none"}); len(names) != 3 || names[0] != foACRF {
			t.Errorf("replies %q", names)
		}
	})
	t.Run("no receipt", func(t *testing.T) {
		if _, names, _ := answered(t, Rule{Receipt: "none"}); len(names) != 3 || names[0] != foNOTI {
			t.Errorf("replies %q", names)
		}
	})
	t.Run("not signed", func(t *testing.T) {
		_, names, _ := answered(t, Rule{SignReplies: &no})
		if slices.ContainsFunc(names, func(n string) bool { return kindOf(n) == naming.FS }) || len(names) != 4 {
			t.Errorf("replies %q", names)
		}
	})
	t.Run("no file reference", func(t *testing.T) {
		_, _, read := answered(t, Rule{NoFileReference: true})
		if f := forms(t, read(foNOTI)); f[0].File != nil {
			t.Errorf("form %+v", f[0])
		}
	})
	t.Run("named by FI", func(t *testing.T) {
		_, _, read := answered(t, Rule{NameFI: true})
		for _, name := range []string{foACRF, foNOTI} {
			if f := forms(t, read(name)); f[0].File.Name != "FI.DIMN.101380.20261125.00001.T.1.1" {
				t.Errorf("%s names %q", name, f[0].File.Name)
			}
		}
	})
	t.Run("refused by the scenario", func(t *testing.T) {
		_, names, read := answered(t, Rule{Refuse: []string{"ACRF-172", "ACRF-088"}})
		if f := forms(t, read(foACRF)); !slices.Equal(f[0].ErrorIDs, []string{"ACRF-088", "ACRF-172"}) || len(names) != 3 {
			t.Errorf("receipt %+v, replies %q", f[0], names)
		}
	})
	t.Run("compressed", func(t *testing.T) {
		s, names, read := answered(t, Rule{Compressed: true})
		const co = "CO.NOTI.999999.20261125.00001.T"
		if !slices.Contains(names, co) || slices.Contains(names, foNOTI) {
			t.Fatalf("replies %q", names)
		}
		text := read(co)
		z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
		if err != nil || len(z.File) != 1 || z.File[0].Name != foNOTI {
			t.Fatalf("zip %+v, %v", z, err)
		}
		f, err := z.File[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		content, err := io.ReadAll(f)
		if err != nil || len(forms(t, string(content))) != 2 {
			t.Errorf("content %q, %v", content, err)
		}
		fs := read("FS" + co[2:])
		if _, err := sign.Verify(strings.NewReader(text), []byte(fs), sign.VerifyOptions{Roots: s.ReplyRoots(), Now: noon()}); err != nil {
			t.Errorf("signature over the CO: %v", err)
		}
	})
}

func TestFirstMatchingRule(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Scenario.Rules = []Rule{
			{Application: "DMFA", Refuse: []string{"ACRF-001"}},
			{Environment: "S", Refuse: []string{"ACRF-002"}},
			{Sequence: "0000[12]", Root: "Other*", Refuse: []string{"ACRF-003"}},
			{Sequence: "0000[12]", Root: "Dimona", Refuse: []string{"ACRF-004"}},
			{Refuse: []string{"ACRF-005"}},
		}
	})
	c := connect(t, s)
	for _, seq := range []string{"00001", "00003"} {
		send(t, c, set("DIMN", seq, naming.Test, 1), nil, dimona(1))
	}
	s.Flush()
	if p := s.Processed(); p[0].Errors[0] != "ACRF-004" || p[1].Errors[0] != "ACRF-005" {
		t.Errorf("processed %+v", p)
	}
}

func TestHeldSet(t *testing.T) {
	s := start(t, func(c *Config) {
		c.ReceiptDelay, c.NotificationDelay = -1, -1
		c.Scenario.Rules = []Rule{{Root: "Dimona", Process: "manual"}}
	})
	c := connect(t, s)
	send(t, c, set("DIMN", "00001", naming.Test, 1), nil, dimona(1))
	send(t, c, set("DIMN", "00002", naming.Test, 1), nil, strings.ReplaceAll(dimona(1), "Dimona", "Other"))
	// The set behind is taken, the held one stays.
	wait(t, s, func(n map[EventKind]int) bool { return n[SetProcessed] == 1 })
	if left, err := c.ReadDir("INTEST"); err != nil || len(left) != 2 {
		t.Fatalf("files %v, %v", left, err)
	}
	s.Process()
	if n := kinds(s.Journal())[SetProcessed]; n != 2 {
		t.Errorf("%d sets were processed", n)
	}
}

// wait waits until the counted events satisfy done.
func wait(t *testing.T, s *Server, done func(map[EventKind]int) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitFor(ctx, func(e []Event) bool { return done(kinds(e)) }); err != nil {
		t.Fatalf("%v; events %v", err, kinds(s.Journal()))
	}
}

// TestDelays leaves the answers to the server's own clock.
func TestDelays(t *testing.T) {
	delay := Duration(time.Millisecond)
	for name, configure := range map[string]func(*Config){
		"at once": func(c *Config) { c.ReceiptDelay, c.NotificationDelay = -1, -time.Hour },
		"of the rule": func(c *Config) {
			c.Scenario.Rules = []Rule{{Process: "1ms", ReceiptDelay: &delay, NotificationDelay: &delay}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, configure)
			send(t, connect(t, s), set("DIMN", "00001", naming.Test, 1), nil, dimona(1))
			wait(t, s, func(n map[EventKind]int) bool { return n[Replied] == 2 })
			if e := s.Journal(); e[len(e)-2].Reply != "ACRF" || e[len(e)-1].Reply != "NOTI" {
				t.Errorf("events %+v", e)
			}
		})
	}
}
