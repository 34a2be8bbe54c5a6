package export_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/archive"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/export"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

type world struct {
	t       *testing.T
	ledger  ledger.Ledger
	archive *archive.Archive
	options export.Options
	n       int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ledger: testkit.Ledger(t, "")}
	dir := t.TempDir()
	w.archive = &archive.Archive{Ledger: w.ledger, Replies: filepath.Join(dir, "replies"), Spool: filepath.Join(dir, "spool"), Disk: new(durable.Disk), Now: testkit.Now}
	w.options = export.Options{
		Ledger: w.ledger, Archive: w.archive, Now: testkit.Now(), Program: "socbatch test",
		Readme: func(s export.Summary) string { return fmt.Sprintf("%d files\n", s.Files) },
	}
	return w
}

func (w *world) identities() (*seal.Recipients, *seal.Identities) {
	w.t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := seal.ParseRecipients(id.Recipient().String())
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := seal.OpenIdentities(testkit.WriteFile(w.t, w.t.TempDir(), "id", []byte(id.String())), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return to, ids
}

// send puts a set of one part on its way, with a reason that a spreadsheet
// would calculate.
func (w *world) send(content string) inbox.Submission {
	w.t.Helper()
	w.n++
	d := testkit.Draft([]string{content})
	d.Reason, d.Again = "=1+1", true
	d.Spool = fmt.Sprintf("20260302T100000-%06x", w.n)
	d.Parts[0].Size, d.Parts[0].Hash = int64(len(content)), sha256.Sum256([]byte(content))
	testkit.WriteFile(w.t, w.archive.Spool, d.Spool+"/1.FI", []byte(content))
	return testkit.Sent(w.t, w.ledger, d)
}

func (w *world) store(application string, content []byte, at time.Time) *outbox.Reply {
	w.t.Helper()
	w.n++
	n, err := naming.Parse(fmt.Sprintf("FO.%s.999999.20260302.%05d.T", application, w.n))
	if err != nil {
		w.t.Fatal(err)
	}
	file := func(n naming.Name, content []byte) outbox.File {
		path := "T/2026-03-02/" + n.String()
		testkit.WriteFile(w.t, w.archive.Replies, path, content)
		return outbox.File{Name: n.String(), Path: path, Size: int64(len(content)), Hash: sha256.Sum256(content)}
	}
	fs := file(n.WithKind(naming.FS), []byte("signature"))
	r := &outbox.Reply{Environment: naming.Test, Name: n, FetchedAt: at, File: file(n, content), Signature: &fs}
	if err := w.ledger.StoreReplies(w.t.Context(), []*outbox.Reply{r}); err != nil {
		w.t.Fatal(err)
	}
	reader := &answers.Reader{Ledger: w.ledger, Archive: w.archive.Replies, Now: testkit.Now}
	if _, err := reader.Unread(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// export gives the files in the ZIP, after a check of the hashes.
func (w *world) export() (export.Summary, map[string]string) {
	w.t.Helper()
	var b bytes.Buffer
	sum, err := export.Write(w.t.Context(), &b, w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			w.t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			w.t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice || f.Mode() != 0o600 {
			w.t.Errorf("%s: twice %v, mode %v", f.Name, twice, f.Mode())
		}
		files[f.Name] = string(content)
	}
	want := ""
	for _, f := range z.File {
		if f.Name != export.SumsName {
			want += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(files[f.Name])), f.Name)
		}
	}
	if files[export.SumsName] != want {
		w.t.Errorf("the hashes are\n%s, want\n%s", files[export.SumsName], want)
	}
	return sum, files
}

func TestWrite(t *testing.T) {
	w := newWorld(t)
	s := w.send("<Dimona/>")
	receipt := w.store("ACRF", testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D", "ACRF-102"), testkit.Now())
	declaration := "declarations/T/" + s.Set.String() + "/" + s.Set.FI(1).String()
	sum, files := w.export()
	if sum.Files != 3 || sum.Sealed+sum.Pruned+len(sum.Problems) != 0 || sum.Rows["submissions"] != 1 || sum.Rows["anomalies"] != 1 {
		t.Errorf("%+v", sum)
	}
	if files[declaration] != "<Dimona/>" || files["replies/"+receipt.File.Path] == "" || files["replies/"+receipt.Signature.Path] != "signature" || files[export.ReadmeName] != "3 files\n" {
		t.Errorf("files %q", slices.Sorted(maps.Keys(files)))
	}
	var told export.Summary
	if err := json.Unmarshal([]byte(files[export.SummaryName]), &told); err != nil || told.Files != 3 || told.Program != "socbatch test" {
		t.Errorf("%+v, %v", told, err)
	}
	for name, want := range map[string]map[string]any{
		"submissions": {"name": s.Set.String(), "state": "refused", "parts": 1.0, "reason": "=1+1"},
		"history":     {"name": s.Set.String(), "state": "prepared"},
		"parts":       {"name": s.Set.String(), "number": 1.0, "size": 9.0},
		"replies":     {"name": receipt.File.Name, "conflict": false, "signature": "not checked"},
		"answers":     {"reply": receipt.File.Name, "submission": s.Set.String(), "outcome": "refused", "matched_by": "file-name"},
		"anomalies":   {"reply": receipt.File.Name, "form": 1.0, "error_id": "ACRF-102"},
	} {
		line, _, _ := strings.Cut(files["ledger/"+name+".jsonl"], "\n")
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v: %s", name, err, line)
		}
		for k, v := range want {
			if row[k] != v {
				t.Errorf("%s: %s is %v, want %v", name, k, row[k], v)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(files["ledger/"+name+".csv"])).ReadAll()
		if err != nil || len(rows) != 1+sum.Rows[name] || len(rows[0]) != len(row) {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
		if i := slices.Index(rows[0], "reason"); i >= 0 && rows[1][i] != "'=1+1" {
			t.Errorf("%s: a spreadsheet would calculate %q", name, rows[1][i])
		}
	}
}

// What other programs make of the ZIP.
func TestOtherPrograms(t *testing.T) {
	w := newWorld(t)
	w.send(strings.Repeat("<Dimona/>", 100_000))
	w.store("FINO", []byte("%PDF"), testkit.Now())
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "e.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := export.Write(t.Context(), f, w.options); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, command := range []string{
		"python3 -m zipfile -t e.zip", "unzip -tq e.zip",
		"python3 -m zipfile -e e.zip out && cd out && sha256sum --strict -c SHA256SUMS",
	} {
		program, _, _ := strings.Cut(command, " ")
		if _, err := exec.LookPath(program); err != nil {
			continue
		}
		c := exec.Command("sh", "-c", command)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		tried++
	}
	if tried == 0 {
		t.Skip("neither python3 nor unzip is here")
	}
}

func TestWriteSealed(t *testing.T) {
	w := newWorld(t)
	to, ids := w.identities()
	s := w.send("<Dimona/>")
	r := w.store("FINO", []byte("%PDF"), testkit.Now())
	if _, err := w.archive.Seal(t.Context(), to, naming.Environments(), 0); err != nil {
		t.Fatal(err)
	}
	plain := w.store("FINO", []byte("in clear"), testkit.Now())
	declaration := "declarations/T/" + s.Set.String() + "/" + s.Set.FI(1).String()

	sum, files := w.export()
	if sum.Files != 5 || sum.Sealed != 3 || len(sum.Problems) != 0 || files["replies/"+plain.File.Path] != "in clear" {
		t.Errorf("without identity: %+v", sum)
	}
	if _, there := files[declaration]; there || !strings.HasPrefix(files[declaration+".age"], "age-encryption.org/") {
		t.Errorf("without identity: %q", slices.Sorted(maps.Keys(files)))
	}
	w.options.Identities = ids
	sum, files = w.export()
	if sum.Files != 5 || sum.Sealed != 0 || len(sum.Problems) != 0 || files[declaration] != "<Dimona/>" || files["replies/"+r.File.Path] != "%PDF" {
		t.Errorf("with identity: %+v, %q", sum, slices.Sorted(maps.Keys(files)))
	}
	_, w.options.Identities = w.identities()
	var other *seal.OtherRecipientError
	if _, err := export.Write(t.Context(), io.Discard, w.options); !errors.As(err, &other) {
		t.Errorf("with another identity: %v", err)
	}
}

// What is not as the ledger knows it is told, and stops nothing.
func TestWriteProblems(t *testing.T) {
	w := newWorld(t)
	to, ids := w.identities()
	at := func(r *outbox.Reply) string { return filepath.Join(w.archive.Replies, filepath.FromSlash(r.File.Path)) }
	damaged := w.store("FINO", bytes.Repeat([]byte("content "), 50_000), testkit.Now())
	if _, err := w.archive.Seal(t.Context(), to, naming.Environments(), 0); err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(at(damaged) + ".age")
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)/2] ^= 1
	changed, missing, pruned, good := w.store("FINO", []byte("a"), testkit.Now()), w.store("FINO", []byte("b"), testkit.Now()), w.store("FINO", []byte("c"), testkit.Now()), w.store("FINO", []byte("d"), testkit.Now())
	gone, err := w.ledger.ReplyFiles(t.Context(), pruned.ID)
	if err := errors.Join(err, os.WriteFile(at(damaged)+".age", sealed, 0o600), os.WriteFile(at(changed), []byte("A"), 0o600), os.Remove(at(missing)), os.Remove(at(pruned)),
		w.ledger.Pruned(t.Context(), []ledger.Holding{gone})); err != nil {
		t.Fatal(err)
	}
	w.options.Identities = ids
	sum, files := w.export()
	want := []export.Problem{{"replies/" + damaged.File.Path, export.Damaged}, {"replies/" + changed.File.Path, export.Changed}, {"replies/" + missing.File.Path, export.Missing}}
	if !slices.Equal(sum.Problems, want) || sum.Pruned != 1 || files["replies/"+good.File.Path] != "d" {
		t.Errorf("%+v", sum)
	}
}

func TestWritePeriod(t *testing.T) {
	w := newWorld(t)
	s := w.send("<Dimona/>")
	old := w.store("FINO", []byte("old"), testkit.Now().AddDate(0, 0, -10))
	now := w.store("FINO", []byte("now"), testkit.Now())
	later := w.store("ACRF", testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D"), testkit.Now().AddDate(0, 0, 10))
	for _, c := range []struct {
		period ledger.Period
		sets   int
		want   []*outbox.Reply
	}{
		{ledger.Period{}, 1, []*outbox.Reply{old, now, later}},
		{ledger.Period{Since: testkit.Now().AddDate(0, 0, -1)}, 1, []*outbox.Reply{now, later}},
		{ledger.Period{Until: testkit.Now().AddDate(0, 0, -1)}, 0, []*outbox.Reply{old}},
		// An answer goes with its set, whenever it came.
		{ledger.Period{Since: testkit.Now().AddDate(0, 0, -1), Until: testkit.Now().AddDate(0, 0, 1)}, 1, []*outbox.Reply{now, later}},
		{ledger.Period{Since: testkit.Now().AddDate(0, 0, 20)}, 0, nil},
		{ledger.Period{Environment: naming.Production}, 0, nil},
		{ledger.Period{Environment: naming.Test}, 1, []*outbox.Reply{old, now, later}},
	} {
		w.options.Period = c.period
		sum, files := w.export()
		if sum.Rows["submissions"] != c.sets || sum.Rows["replies"] != len(c.want) || sum.Files != c.sets+2*len(c.want) {
			t.Errorf("%+v: %+v", c.period, sum)
		}
		for _, r := range c.want {
			if files["replies/"+r.File.Path] == "" {
				t.Errorf("%+v: %s is not there", c.period, r.File.Name)
			}
		}
	}
}
