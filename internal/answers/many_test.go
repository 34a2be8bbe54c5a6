package answers_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"database/sql"
	"fmt"
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

// manyShapes are ways in which the forms of a large notification find theirs.
var manyShapes = []struct {
	name      string
	forms     int
	file      bool   // the notification names the file
	element   string // what else of the form tells, before HandlingResult; %d is its number
	matchedBy string
	loose     bool // until the receipt comes
}{
	{"by file name and own reference", 100_000, true, "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>own-%d</ReferenceNbr></Reference>", ledger.ByFileName, false},
	{"by a moment that all forms share", 20_000, false, "<!-- %d -->", ledger.ByMoment, false},
	{"by a ticket that comes later", 20_000, false, "<!-- %d --><Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>" + manyTicket + "</ReferenceNbr></Reference>", ledger.ByTicket, true},
}

const manyTicket = "900000A1B2C3D"

// A notification with any number of forms is read, each form tied to the set,
// and where it tells to its form, and entered, in bounded memory. A process of
// its own is measured, since this one holds other things.
func TestManyForms(t *testing.T) {
	if dir := os.Getenv(manyDir); dir != "" {
		readMany(t, dir)
		return
	}
	forms := 0
	if s := os.Getenv(manyEnv); s != "" {
		var err error
		if forms, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", manyEnv, err)
		}
	}
	switch {
	case testing.Short():
		t.Skip("reads large notifications")
	case underRace():
		t.Skip("the race detector takes memory of its own")
	case peak() == 0:
		t.Skip("this system does not tell the peak memory of a process")
	}
	for i, shape := range manyShapes {
		t.Run(shape.name, func(t *testing.T) {
			n := cmp.Or(forms, shape.forms)
			dir := t.TempDir()
			set := storeMany(t, dir, i, n)
			begin := time.Now()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestManyForms$", "-test.timeout=0")
			cmd.Env = append(os.Environ(), manyDir+"="+dir, "GOMEMLIMIT=off", "GOGC=100")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var held int64
			if _, rest, _ := strings.Cut(string(out), "peak "); rest != "" {
				held, _ = strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			}
			p := cmd.ProcessState
			t.Logf("%d forms: %s, processor %s, peak %d MiB", n, time.Since(begin).Round(time.Millisecond), p.UserTime()+p.SystemTime(), held>>20)
			if held == 0 || held >= manyPeak {
				t.Errorf("%d forms took %d MiB\n%s", n, held>>20, out)
			}
			l := testkit.Ledger(t, filepath.Join(dir, "ledger.db"))
			s, err := l.Submission(t.Context(), set)
			if want := fmt.Sprintf("%d of %d forms refused", n/100, n); err != nil || s.State != inbox.Refused || !strings.HasPrefix(s.Note, want) {
				t.Errorf("%s, %q, want %q (%v)", s.State, s.Note, want, err)
			}
			if a, err := l.AnswersIn(t.Context(), 1, 1); err != nil || len(a) != 1 || a[0].MatchedBy != shape.matchedBy {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// readMany is the child: it reads what storeMany left.
func readMany(t *testing.T, dir string) {
	l := testkit.Ledger(t, filepath.Join(dir, "ledger.db"))
	r := answers.Reader{Ledger: l, Archive: dir, Now: testkit.Now}
	got, err := r.Unread(t.Context())
	if err != nil || len(got) != 1 || got[0].Reply.Problem != "" || got[0].Ambiguous != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := got[0].Reply.Forms; got[0].Outcomes[ledger.OutcomeRefused] != n/100 || got[0].Unmatched != 0 && got[0].Unmatched != n {
		t.Errorf("%+v", got[0])
	}
	if got[0].Unmatched > 0 {
		s, err := l.Submission(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		store(t, l, dir, "ACRF", testkit.Receipt(s.Set.GO().String(), manyTicket))
		if got, err := r.Unread(t.Context()); err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	fmt.Printf("peak %d \n", peak())
}

// storeMany makes a ledger with a set of n forms, and a stored notification
// that answers each: every hundredth is refused.
func storeMany(t *testing.T, dir string, shape, n int) (set int64) {
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
	goName := ""
	if manyShapes[shape].file {
		goName = s.Set.GO().String()
	}
	store(t, l, dir, "NOTI", manyForms(goName, manyShapes[shape].element, manyShapes[shape].loose, n))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

// store puts a reply into archive and ledger.
func store(t *testing.T, l ledger.Ledger, dir, application string, content []byte) {
	t.Helper()
	name, err := naming.Parse("FO." + application + ".999999.20260302.00001.T")
	if err != nil {
		t.Fatal(err)
	}
	r := outbox.Reply{Environment: naming.Test, Name: name, FetchedAt: testkit.Now()}
	r.File = outbox.File{Name: name.String(), Path: "T/" + name.String(), Size: int64(len(content)), Hash: sha256.Sum256(content)}
	testkit.WriteFile(t, dir, r.File.Path, content)
	if err := l.StoreReplies(t.Context(), []*outbox.Reply{&r}); err != nil {
		t.Fatal(err)
	}
}

func manyForms(goName, element string, noMoment bool, n int) []byte {
	hour := testkit.Hour(1)
	if noMoment {
		hour = ""
	}
	form := func(b []byte) string {
		b = b[bytes.Index(b, []byte("<Form>")):bytes.LastIndex(b, []byte("</NOTI"))]
		return strings.Replace(string(b), "<HandlingResult>", element+"<HandlingResult>", 1) + "\n"
	}
	good, bad := form(testkit.Notification(goName, hour, "1")), form(testkit.Notification(goName, hour, "0", "00024-005"))
	var b bytes.Buffer
	b.WriteString("<NOTIFICATION>\n")
	for i := 1; i <= n; i++ {
		if i%100 == 0 {
			fmt.Fprintf(&b, bad, i)
		} else {
			fmt.Fprintf(&b, good, i)
		}
	}
	b.WriteString("</NOTIFICATION>\n")
	return b.Bytes()
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
