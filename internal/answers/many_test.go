package answers_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
)

// manyEnv makes TestManyForms read that many forms.
const manyEnv = "SOCBATCH_MANY_FORMS"

// manyDir tells the test binary that it is the child of TestManyForms.
const manyDir = "SOCBATCH_MANY_DIR"

// manyPeak bounds the memory of a process that reads a notification, however
// many forms it has.
const manyPeak = 64 << 20

// A notification with any number of forms is read, each form tied to the form
// of the declaration that it answers, and entered, in bounded memory. A
// process of its own is measured, since this one holds other things.
func TestManyForms(t *testing.T) {
	if dir := os.Getenv(manyDir); dir != "" {
		readMany(t, dir)
		return
	}
	n := 50_000
	if s := os.Getenv(manyEnv); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", manyEnv, err)
		}
	}
	switch {
	case testing.Short():
		t.Skip("reads a large notification")
	case underRace():
		t.Skip("the race detector takes memory of its own")
	case peak() == 0:
		t.Skip("this system does not tell the peak memory of a process")
	}
	dir := t.TempDir()
	set := storeMany(t, dir, n)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestManyForms$", "-test.v")
	cmd.Env = append(os.Environ(), manyDir+"="+dir, "GOMEMLIMIT=off", "GOGC=100")
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, found := strings.Cut(string(out), "peak ")
	mem, err := strconv.ParseInt(strings.SplitN(rest+" ", " ", 2)[0], 10, 64)
	if !found || err != nil {
		t.Fatalf("no peak in\n%s", out)
	}
	t.Logf("%d forms: %s, peak %d MiB", n, time.Since(begin).Round(time.Millisecond), mem>>20)
	if mem >= manyPeak {
		t.Errorf("%d forms took %d MiB", n, mem>>20)
	}
	l := testkit.Ledger(t, filepath.Join(dir, "ledger.db"))
	s, err := l.Submission(t.Context(), set)
	if want := fmt.Sprintf("%d of %d forms refused", n/100, n); err != nil || s.State != inbox.Refused || !strings.HasPrefix(s.Note, want) {
		t.Errorf("%s, %q, want %q (%v)", s.State, s.Note, want, err)
	}
}

// readMany is the child: it reads what storeMany left.
func readMany(t *testing.T, dir string) {
	r := answers.Reader{Ledger: testkit.Ledger(t, filepath.Join(dir, "ledger.db")), Archive: dir, Now: testkit.Now}
	got, err := r.Unread(t.Context())
	if err != nil || len(got) != 1 || got[0].Reply.Problem != "" || got[0].Unmatched != 0 || got[0].Ambiguous != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].Outcomes[ledger.OutcomeRefused] != got[0].Reply.Forms/100 {
		t.Errorf("%v", got[0].Outcomes)
	}
	fmt.Printf("peak %d \n", peak())
}

// storeMany makes a ledger with a set of n forms, and a stored notification
// that answers each: every hundredth is refused.
func storeMany(t *testing.T, dir string, n int) (set int64) {
	path := filepath.Join(dir, "ledger.db")
	l := testkit.Ledger(t, path)
	s := testkit.Sent(t, l, testkit.Draft([]string{"own-1"}))
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const numbers = `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < $1) `
	for _, q := range []string{
		numbers + `INSERT INTO form (submission_id, part, position, date, hour) SELECT $2, 1, i, '2026-03-02', '08:00:01.000' FROM n`,
		numbers + `INSERT INTO form_reference (submission_id, part, position, type, number) SELECT $2, 1, i, '1', 'own-' || i FROM n`,
		`UPDATE submission SET forms = $1 WHERE id = $2`,
	} {
		if _, err := db.Exec(q, n, s.ID); err != nil {
			t.Fatal(err)
		}
	}

	name, err := naming.Parse("FO.NOTI.999999.20260302.00001.T")
	if err != nil {
		t.Fatal(err)
	}
	r := outbox.Reply{Environment: naming.Test, Name: name, FetchedAt: testkit.Now()}
	r.File = outbox.File{Name: name.String(), Path: "T/" + name.String()}
	r.File.Size, r.File.Hash = writeMany(t, testkit.WriteFile(t, dir, r.File.Path, nil), s.Set.GO().String(), n)
	if err := l.StoreReplies(t.Context(), []*outbox.Reply{&r}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func writeMany(t *testing.T, path, goName string, n int) (int64, [32]byte) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	good := testkit.Notification(goName, testkit.Hour(1), "1")
	bad := testkit.Notification(goName, testkit.Hour(1), "0", "00024-005")
	form := func(b []byte) []byte {
		b = b[bytes.Index(b, []byte("<Form>")):bytes.LastIndex(b, []byte("</NOTI"))]
		const reference = "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>own-%d</ReferenceNbr></Reference><HandlingResult>"
		return bytes.Replace(b, []byte("<HandlingResult>"), []byte(reference), 1)
	}
	hash := sha256.New()
	w := bufio.NewWriter(io.MultiWriter(f, hash))
	fmt.Fprint(w, "<NOTIFICATION>\n")
	for i := 1; i <= n; i++ {
		if i%100 == 0 {
			fmt.Fprintf(w, string(form(bad))+"\n", i)
		} else {
			fmt.Fprintf(w, string(form(good))+"\n", i)
		}
	}
	fmt.Fprint(w, "</NOTIFICATION>\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size(), [32]byte(hash.Sum(nil))
}

// peak is the most memory that this process ever held, in bytes; 0: not known.
// It is asked of the kernel for the program itself: what a parent learns of its
// child may include what the parent held when it started it.
func peak() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}
