package metrics_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/metrics"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func written(t *testing.T, path string) map[string]*dto.MetricFamily {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value finds a sample by its labels, given as NAME, VALUE….
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) (float64, bool) {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		var got []string
		for _, l := range m.GetLabel() {
			got = append(got, l.GetName(), l.GetValue())
		}
		if slices.Equal(got, labels) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

func about(version string, now time.Time) metrics.About {
	return metrics.About{Version: version, Now: now, ExitCode: func(class string) int {
		return map[string]int{"done": 0, "failed": 1, "temporary": 5}[class]
	}}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	ctx := t.Context()
	sent := testkit.Sent(t, l, testkit.Draft([]string{"a"}))
	testkit.Sent(t, l, testkit.Draft([]string{"b"}))
	unknown := testkit.Reserve(t, l, testkit.Draft([]string{"c"}))
	testkit.Walk(t, l, unknown.ID, inbox.Uploading, inbox.Unknown)
	production := testkit.Draft([]string{"a"})
	production.Environment = naming.Production
	inR := testkit.Sent(t, l, production)
	testkit.Walk(t, l, inR.ID, inbox.Received)
	name, err := naming.Parse("FO.NOTI.999999.20260302.00001.R")
	if err != nil {
		t.Fatal(err)
	}
	reply := &outbox.Reply{Environment: naming.Production, Name: name, FetchedAt: testkit.Now(), File: outbox.File{Name: name.String(), Path: "x", Size: 1}}
	for _, err := range []error{
		l.StoreReplies(ctx, []*outbox.Reply{reply}),
		l.RecordRun(ctx, "fetch", "R", "done"), l.RecordRun(ctx, "fetch", "R", "temporary"), l.RecordRun(ctx, "submit", "T", "failed"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	path := filepath.Join(t.TempDir(), "m.prom")
	var disk durable.Disk
	const version = `v1 "q" \ `
	later := testkit.Now().Add(90 * time.Second)
	for range 2 { // made, and replaced
		if err := metrics.WriteFile(ctx, &disk, path, l, about(version, later)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	families := written(t, path)
	now := float64(testkit.Now().Unix())
	for _, c := range []struct {
		want   float64
		metric []string
	}{
		{1, []string{"socbatch_build_info", "version", version, "goversion", runtime.Version()}},
		{2, []string{"socbatch_sets", "environment", "T", "state", "sent"}},
		{1, []string{"socbatch_sets", "environment", "T", "state", "unknown"}},
		{1, []string{"socbatch_sets", "environment", "R", "state", "received"}},
		{0, []string{"socbatch_sets", "environment", "S", "state", "refused"}},
		{90, []string{"socbatch_oldest_set_without_receipt_age_seconds", "environment", "T"}},
		{0, []string{"socbatch_oldest_set_without_receipt_age_seconds", "environment", "R"}},
		{90, []string{"socbatch_oldest_set_without_notification_age_seconds", "environment", "R"}},
		{90, []string{"socbatch_oldest_set_unknown_age_seconds", "environment", "T"}},
		{1, []string{"socbatch_replies_stored_total", "environment", "R"}},
		{1, []string{"socbatch_replies_unread", "environment", "R"}},
		{0, []string{"socbatch_replies_unread", "environment", "T"}},
		{now, []string{"socbatch_last_success_timestamp_seconds", "command", "fetch", "environment", "R"}},
		{now, []string{"socbatch_last_run_timestamp_seconds", "command", "submit", "environment", "T"}},
		{5, []string{"socbatch_last_run_exit_code", "command", "fetch", "environment", "R"}},
	} {
		if got, ok := value(t, families, c.metric[0], c.metric[1:]...); !ok || got != c.want {
			t.Errorf("%v: %v (%v) instead of %v", c.metric, got, ok, c.want)
		}
	}
	if _, ok := value(t, families, "socbatch_last_success_timestamp_seconds", "command", "submit", "environment", "T"); ok {
		t.Error("a run that never succeeded has a last success")
	}
	checkStyle(t, families, sent.Set.Sender)
}

// checkStyle holds the metrics to Prometheus's conventions, and to what they may
// say.
func checkStyle(t *testing.T, families map[string]*dto.MetricFamily, sender string) {
	t.Helper()
	for name, f := range families {
		if !regexp.MustCompile(`^socbatch_[a-z_]+$`).MatchString(name) || f.GetHelp() == "" || f.Type == nil || *f.Type == dto.MetricType_UNTYPED {
			t.Errorf("%s: help %q, type %v", name, f.GetHelp(), f.Type)
		}
		if (*f.Type == dto.MetricType_COUNTER) != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.Type)
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				allowed := []string{"environment", "state", "command"}
				if name == "socbatch_build_info" {
					allowed = []string{"version", "goversion"}
				}
				if !slices.Contains(allowed, l.GetName()) || strings.Contains(l.GetValue(), sender) {
					t.Errorf("%s has label %s=%q", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
}

// A file that cannot be written leaves the one that was there as it is.
func TestWriteFileFails(t *testing.T) {
	t.Parallel()
	l := testkit.Ledger(t, "")
	path := testkit.WriteFile(t, t.TempDir(), "m.prom", []byte("old"))
	for _, step := range []string{"create", "write", "sync", "rename"} {
		disk := durable.Disk{Fault: func(s, _ string) error {
			if s == step {
				return errors.New("full")
			}
			return nil
		}}
		if err := metrics.WriteFile(t.Context(), &disk, path, l, about("v1", testkit.Now())); err == nil {
			t.Errorf("%s: no error", step)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("%s: %v, %v", step, left, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
	if err := metrics.WriteFile(t.Context(), &durable.Disk{}, filepath.Join(t.TempDir(), "none", "m.prom"), l, about("v1", testkit.Now())); err == nil {
		t.Error("no directory: no error")
	}
}
